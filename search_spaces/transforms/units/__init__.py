"""Units: heads, neurons and channels are removed, the rest is solved again."""
