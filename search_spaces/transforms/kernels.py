"""Kernels: the names of the forms in which a masked network can run, as used in measurements and tables."""

DENSE_KERNELS = "dense"  # zeros are multiplied like weights, so the time is that of the dense model
REMOVED = "dead neurons removed"
COMPRESSED_ROWS = "compressed rows"
