"""Handing over: a candidate written as a model that runs elsewhere, and read back."""
