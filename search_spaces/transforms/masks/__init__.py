"""Masks: single weights and whole filters are set to zero, under a schedule; shapes stay."""
