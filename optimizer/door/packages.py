"""Packages: what the front door can use and what is not installed with it."""

from __future__ import annotations

from importlib.util import find_spec

from optimizer.errors import InputError


def check_mlflow() -> None:
    """Raise `InputError` where mlflow is not installed. It is not imported."""
    if find_spec("mlflow") is None:
        raise InputError("mlflow", "needs more packages: pip install 'pruning-optimizer[mlflow]'")
