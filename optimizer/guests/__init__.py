"""Guests: models that were pruned elsewhere, beside the front of a study."""
