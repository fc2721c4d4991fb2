"""Kernels: the forms in which a masked network can run, by the words that measurements and tables use."""

DENSE_KERNELS = "dense"  # zeros are multiplied like weights, so there is nothing to gain
REMOVED = "dead neurons removed"
COMPRESSED_ROWS = "compressed rows"
