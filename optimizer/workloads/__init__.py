"""Workloads: the trained model with its task, data and splits, checked before anything heavy is loaded."""
