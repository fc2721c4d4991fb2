"""Quantities as people read them: three significant digits, and the SI prefix that suits them."""

from __future__ import annotations

PREFIXES = (
    (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"),
)  # fmt: skip


def scaled(value: float, unit: str = "") -> str:
    """Return a quantity in its unit or a thousandfold or thousandth of it, such as `2.88 k`, `1.5 GB`, `12 µs`."""
    rounded = float(f"{value:.3g}")  # first: 999.7 is 1 k
    factor, prefix = next(((factor, prefix) for factor, prefix in PREFIXES if abs(rounded) >= factor), (1.0, ""))
    return f"{rounded / factor:.3g} {prefix}{unit}".rstrip()
