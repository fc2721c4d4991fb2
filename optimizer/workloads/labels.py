"""Labels: the data's label ids become the checkpoint's, by name; a permutation that fits much better is pointed out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.errors import InputError

MUCH_BETTER = 0.15  # accuracy gained by a permutation that is worth an error
MOST_PERMUTED = 6  # classes; beyond that their permutations are too many to try


def label_map(data_names: Sequence[str], model_names: Mapping[int, str]) -> NDArray[np.int64]:
    """Return the model's label id for each of the data's: `(classes,)`.

    Names are compared without case and punctuation. A checkpoint without names of its own (LABEL_0, …), or data whose
    labels are numbers, map by number. Raises `InputError` where a label of the data is unknown to the model.
    """
    if len(model_names) < len(data_names):
        raise InputError(
            "--model", f"has {len(model_names)} labels, the data have {len(data_names)}: {list(data_names)}"
        )
    by_name = {_plain(name): index for index, name in model_names.items()}
    if all(_plain(name) in by_name for name in data_names):
        return np.array([by_name[_plain(name)] for name in data_names], dtype=np.int64)
    if all(re.fullmatch(r"label_?\d+", name.lower()) for name in model_names.values()) or all(
        name.isdigit() for name in data_names
    ):
        return np.arange(len(data_names), dtype=np.int64)
    raise InputError(
        "--label-column",
        f"the data's labels {list(data_names)} are not those the model knows: {list(model_names.values())}",
    )


def check_permutation(predictions: NDArray[Any], labels: NDArray[np.int64], names: Mapping[int, str]) -> None:
    """Raise `InputError` naming a permutation of the labels that fits the predictions much better."""
    classes = sorted({*labels.tolist(), *predictions.tolist()})
    if len(classes) > MOST_PERMUTED:
        return
    present = float((predictions == labels).mean())
    scored = [
        (float((np.array(p)[np.searchsorted(classes, labels)] == predictions).mean()), p) for p in permutations(classes)
    ]
    best, permutation = max(scored)
    if best >= present + MUCH_BETTER:
        wanted = {
            names.get(a, str(a)): names.get(b, str(b)) for a, b in zip(classes, permutation, strict=True) if a != b
        }
        raise InputError(
            "--label-column",
            f"the labels seem permuted: accuracy is {present:.3f}, with {wanted} it would be {best:.3f}; "
            "mend id2label in the checkpoint's config.json or the labels of the data",
        )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
