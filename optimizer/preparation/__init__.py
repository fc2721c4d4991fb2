"""Preparation: what is computed once per model before a search."""
