"""Models that were pruned by anyone, measured beside the unpruned one they come from."""
