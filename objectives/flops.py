"""FLOPs of one inference: two per multiply-accumulate of every matrix product, exact for the model as it is.

A text classifier multiplies matrices in three places: linear layers that see every token, linear layers that see one
token per sequence, and attention, whose two products grow with the square of the length. So its FLOPs are a quadratic
in the length, whose three coefficients are read off the modules; a mean over lengths needs only the means of s and s².
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from torch import nn

_HEAD = ("classifier.dense", "classifier.out_proj")

SEEN_ONCE: Mapping[str, tuple[str, ...]] = {
    "BertForSequenceClassification": ("bert.pooler.dense", "classifier"),
    "RobertaForSequenceClassification": _HEAD,
    "ElectraForSequenceClassification": _HEAD,
    "DistilBertForSequenceClassification": ("pre_classifier", "classifier"),
}
"""Per class of model, the linear layers that see one token per sequence; all others see every token."""

ATTENTION_INPUTS = (("query", "key", "value"), ("q_lin", "k_lin", "v_lin"))


class UncountableModelError(ValueError):
    """A model with a matrix product that the count does not know; the text names the module."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlopLaw:
    """FLOPs of one sequence of s tokens: `per_sequence + per_token·s + per_token_pair·s²`."""

    per_sequence: int
    per_token: int
    per_token_pair: int

    def mean(self, lengths: ArrayLike) -> float:
        """Return the mean FLOPs per sequence over `lengths` `(n,)`, unpadded tokens. Raises `ValueError` if empty."""
        tokens = [int(length) for length in np.asarray(lengths).ravel()]
        if not tokens or min(tokens) < 1:
            raise ValueError("lengths: give at least one length, each of at least one token")
        total = self.per_token * sum(tokens) + self.per_token_pair * sum(s * s for s in tokens)
        return (self.per_sequence * len(tokens) + total) / len(tokens)


def count_flops(model: nn.Module, lengths: ArrayLike) -> float:
    """Return the mean FLOPs of one inference over unpadded `lengths` `(n,)`. Raises `UncountableModelError`."""
    return flop_law(model).mean(lengths)


def flop_law(model: nn.Module) -> FlopLaw:
    """Read the coefficients off the modules. Raises `UncountableModelError` where a module is not understood."""
    once = _seen_once(model)
    per_sequence = per_token = width = 0
    for name, module in model.named_modules():
        _check_countable(name, module)
        width += _attention_width(name, module)
        if isinstance(module, nn.Linear):
            flops = 2 * module.in_features * module.out_features
            per_sequence += flops if name in once else 0
            per_token += flops if name not in once else 0
    # QKᵀ and AV: s·s·width multiply-accumulates each
    return FlopLaw(per_sequence=per_sequence, per_token=per_token, per_token_pair=4 * width)


def _seen_once(model: nn.Module) -> tuple[str, ...]:
    for kind in type(model).__mro__:
        if kind.__name__ in SEEN_ONCE:
            return SEEN_ONCE[kind.__name__]
    raise UncountableModelError(f"FLOPs of a {type(model).__name__} cannot be counted; known are {sorted(SEEN_ONCE)}")


def _check_countable(name: str, module: nn.Module) -> None:
    if isinstance(module, (nn.Linear, nn.Embedding)):  # an embedding's matrix is looked up, not multiplied
        return
    holds_matrix = any(parameter.ndim > 1 for parameter in module.parameters(recurse=False))
    # quantised and packed layers hide their weights, but not that they have input features
    if holds_matrix or hasattr(module, "in_features") or _is_unknown_attention(module):
        raise UncountableModelError(f"{name} is a {type(module).__name__}: its matrix products are not known here")


def _is_unknown_attention(module: nn.Module) -> bool:
    mixes_tokens = "Attention" in type(module).__name__ and any(True for _ in _linears(module))
    return mixes_tokens and _inputs(module) is None


def _linears(module: nn.Module) -> Iterator[nn.Linear]:
    return (child for child in module.children() if isinstance(child, nn.Linear))


def _inputs(module: nn.Module) -> list[nn.Linear] | None:
    """Return the query, key and value layers of an attention module, None of any other."""
    for names in ATTENTION_INPUTS:
        layers = [getattr(module, name, None) for name in names]
        found = [layer for layer in layers if isinstance(layer, nn.Linear)]
        if len(found) == len(names):
            return found
    return None


def _attention_width(name: str, module: nn.Module) -> int:
    """Return heads × head size of an attention module, 0 of any other."""
    inputs = _inputs(module)
    if inputs is None:
        return 0
    widths = {layer.out_features for layer in inputs}
    if len(widths) > 1:
        raise UncountableModelError(f"{name}: query, key and value differ in width: {sorted(widths)}")
    return widths.pop()
