"""Training: the one training loop, used to fine-tune a head, to recover a pruned model and to make the built-in one."""
