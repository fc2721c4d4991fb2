"""Experiments on networks pruned by published lists: a share for every layer, without data and without training."""
