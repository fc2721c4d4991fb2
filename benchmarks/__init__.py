"""Benchmarks: ratios measured within one run, each by one command. Never run by pytest."""
