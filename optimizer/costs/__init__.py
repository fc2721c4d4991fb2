"""Costs: what a config costs and harms, predicted without its model."""
