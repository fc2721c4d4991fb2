"""Families: what the optimizer has to know of a kind of model, one file per kind."""
