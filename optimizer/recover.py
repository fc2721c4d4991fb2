"""Recover: train the shortlisted models a little, with the dense model as teacher. Each becomes a candidate of its own.

A recovered candidate has its parent's counts in form FINETUNED, its own trained weights beside the bank, and the time
and energy of its training among its measurements. It is verified like any other.
"""

from __future__ import annotations
