"""Layouts of any network, from a trace of its dependencies."""
