"""Executors: where candidates are evaluated, in this process, in processes of this machine or on a Ray cluster."""
