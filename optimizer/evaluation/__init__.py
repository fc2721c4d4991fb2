"""Evaluation: a config becomes a model and is asked the cheapest question first."""
