"""Proposed latency and energy: tables of parts of a model timed alone, built once per device and request, and cached.

The search uses them where latency or energy is an objective or a limit; real values are measured on the shortlist.
"""
