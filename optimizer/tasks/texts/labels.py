"""Labels: the data's label ids become the checkpoint's, by name; a permutation that fits much better is refused."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from optimizer.errors import InputError, listed

MUCH_BETTER = 0.15  # accuracy gained by a permutation that is worth an error
UNKNOWN = -1  # a class that the data name without an example


def label_map(
    data_names: Sequence[str],
    model_names: Mapping[int, str],
    present: Collection[int] | None = None,
    *,
    are_ids: bool = False,
) -> NDArray[np.int64]:
    """Return the model's label id for each of the data's: `(classes,)`; -1 for an absent class unknown to the model.

    `present` are the ids of the classes that have examples; None means all. Names are mapped by name; if they differ
    in case, in what joins their words or in leading zeros, then without these, unless that makes two of them equal.
    Numbers that are no names of the model are its label ids, and so are ids whose names are none of the model's
    (`are_ids`). A checkpoint without names of its own (LABEL_0, …) takes the data's order. Raises `InputError` where a
    label of the data is unknown to the model.
    """
    ids = range(len(data_names)) if present is None else sorted(present)
    names = [data_names[i] for i in ids]
    if len(model_names) < len(names):
        raise InputError("model", f"has {len(model_names)} labels, the data have {len(names)}: {listed(names)}")
    numbers = list(ids) if are_ids else _numbers(names)
    found = _by_name(names, model_names) or _by_number(numbers, model_names) or _in_order(ids, data_names, model_names)
    if not found:
        raise InputError(
            "label_column",
            f"the data's labels {listed(names)} are not those the model knows: {listed(model_names.values())}",
        )
    mapped = np.full(len(data_names), UNKNOWN, dtype=np.int64)
    mapped[list(ids)] = found
    return mapped


def order_note(
    data_names: Sequence[str], model_names: Mapping[int, str], present: Collection[int] | None = None
) -> tuple[str, ...]:
    """Return the note for data and checkpoint that are matched only by the order of their labels, or by their ids."""
    if not data_names:
        return ()
    names = [data_names[i] for i in (range(len(data_names)) if present is None else present)]
    if _by_name(names, model_names) or all(map(_is_id, names)):
        return ()
    if _is_unnamed(model_names):
        return (f"the checkpoint does not name its labels; they are taken to be {listed(data_names)}, in this order",)
    theirs = listed(model_names.values())
    return (f"labels are matched by their ids: the data name them {listed(data_names)}, the checkpoint {theirs}",)


def check_permutation(predictions: NDArray[Any], labels: NDArray[np.int64], names: Mapping[int, str]) -> None:
    """Raise `InputError` naming a permutation of the labels that fits the predictions much better."""
    classes = np.union1d(labels, predictions)
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(counts, (np.searchsorted(classes, labels), np.searchsorted(classes, predictions)), 1)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    present, best = counts.trace() / len(labels), counts[rows, columns].sum() / len(labels)
    if best >= present + MUCH_BETTER:
        name = [names.get(int(c), str(c)) for c in classes]
        wanted = [f"{name[a]} → {name[b]}" for a, b in zip(rows, columns, strict=True) if a != b and counts[a, b]]
        raise InputError(
            "label_column",
            f"the labels seem permuted: accuracy is {present:.3f}, with {listed(wanted)} it would be {best:.3f}; "
            "correct id2label in the checkpoint's config.json or the labels of the data",
        )


def _by_name(names: Sequence[str], model_names: Mapping[int, str]) -> list[int] | None:
    """Return the model's id of each name, None unless every name matches exactly one of the model's."""
    for spelling in SPELLINGS:
        ids = {spelling(name): index for index, name in model_names.items()}
        spelled = {spelling(name) for name in names}
        if len(ids) == len(model_names) and len(spelled) == len(names) and spelled <= ids.keys():
            return [ids[spelling(name)] for name in names]
    return None


def _numbers(names: Sequence[str]) -> list[int] | None:
    """Return the numbers that the names are, None unless all are numbers."""
    return [int(name) for name in names] if all(map(_is_id, names)) else None


def _by_number(ids: list[int] | None, model_names: Mapping[int, str]) -> list[int] | None:
    """Return the ids if there are any. Raises `InputError` for one that is none of the model's."""
    if ids is None or all(index in model_names for index in ids):
        return ids
    raise InputError(
        "label_column",
        f"the data's labels are {min(ids)} to {max(ids)}, the model's {min(model_names)} to {max(model_names)}; "
        "subtract 1 where they are counted from 1, or let id2label in the checkpoint's config.json name them",
    )


def _in_order(ids: Sequence[int], data_names: Sequence[str], model_names: Mapping[int, str]) -> list[int] | None:
    """Return the data's own ids, None unless the model has as many labels, and no names for them."""
    return list(ids) if _is_unnamed(model_names) and len(data_names) == len(model_names) else None


def _is_id(name: str) -> bool:
    return re.fullmatch("[0-9]+", name) is not None


def _is_unnamed(model_names: Mapping[int, str]) -> bool:
    return all(re.fullmatch("label_?[0-9]+", name.lower()) for name in model_names.values())


def _exact(name: str) -> str:
    return name


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _words(name: str) -> str:
    """Return a name with its words joined in one way: "Not_Equivalent" is "not equivalent", but "C++" is not "C"."""
    return re.sub(r"(?<=[^\W_])[\s_-]+(?=[^\W_])", " ", _folded(name).strip())


def _value(name: str) -> str:
    """Return a number without leading zeros: a table that holds numbers has lost those of "007"."""
    return str(int(name)) if _is_id(name) else name


SPELLINGS: tuple[Callable[[str], str], ...] = (_exact, _folded, _words, _value)
