"""Transforms: what may be done to a model, one folder each."""
