"""Proposed latency and energy: tables of parts of a model timed alone, built once per device and request, and kept.

They steer the search where latency or energy is an objective or a limit; the truth is measured on the shortlist.
"""
