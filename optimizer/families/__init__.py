"""Families: what the optimizer needs to know about a kind of model, one file per kind."""
