"""Published experiments on text encoders: train, prune by a ratio, train again, measure beside the dense model."""
