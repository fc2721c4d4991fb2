"""Layouts: what a model is made of, layers and the entries of them that belong together."""
