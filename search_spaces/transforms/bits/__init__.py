"""Bits: weights of layers are stored in fewer bits."""
