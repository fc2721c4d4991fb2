"""Fronts: verdicts on stored candidates, the members that no other dominates, and what is said of them."""
