"""The loop: propose, have evaluated, store; and what a search begins with."""
