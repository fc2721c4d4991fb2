"""Measuring: what built models take on this machine: time, energy and memory, beside the dense one."""
