"""Metrics of tagged words: F1 of entities by seqeval's definition, and the share of right tags.

Tags are ids `(n, words)`, -100 behind the end of a sentence. An entity is a type with its first and last word. As in
seqeval (and conlleval before it), a tag `I-x` that follows no `x` begins an entity, and so does `E-x`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from objectives.metrics.metric import Array, FloatArray, Kind, Metric

ABSENT = -100  # where a sentence has no word
TAG = re.compile(r"O|[BIES]-.+")
_OUTSIDE, _BEGIN, _INSIDE, _END, _SINGLE = range(5)


class TagsError(ValueError):
    """Tags that mark no entities; the text names one."""


def entity_f1(tags: Sequence[str]) -> Metric:
    """Return the F1 of entities, over all types together, for tags by id. Raises `TagsError` for other tags."""
    if other := [tag for tag in tags if not TAG.fullmatch(tag)]:
        raise TagsError(f"{other[0]!r} is not O, and does not begin with B-, I-, E- or S-")
    if len(set(map(_type_of, tags)) - {"O"}) == 0:
        raise TagsError("all tags are O")
    return Metric(name="entity-f1", kind=Kind.TAGS, weighted=partial(_f1, _Scheme.of(tags)))


def tag_accuracy() -> Metric:
    """Return the share of words whose tag is right."""
    return Metric(name="tag-accuracy", kind=Kind.TAGS, weighted=_accuracy)


class _Scheme(NamedTuple):
    parts: Array  # `(tags,)`: outside, begin, inside, end or single
    types: Array  # `(tags,)`: numbers of the types, 0 outside

    @classmethod
    def of(cls, tags: Sequence[str]) -> _Scheme:
        types = {name: number for number, name in enumerate(["O", *sorted({_type_of(tag) for tag in tags} - {"O"})])}
        return cls(np.array(["OBIES".index(tag[0]) for tag in tags]), np.array([types[_type_of(tag)] for tag in tags]))


class _Entities(NamedTuple):
    starts: Array  # `(n, words)`, whether an entity starts at a word
    types: Array  # `(n, words)`
    ends: Array  # `(n, words)`, the first word behind the entity that starts at a word


def _f1(scheme: _Scheme, predictions: Array, labels: Array, weights: FloatArray) -> FloatArray:
    found, wanted = _entities(scheme, np.where(labels == ABSENT, ABSENT, predictions)), _entities(scheme, labels)
    right = found.starts & wanted.starts & (found.types == wanted.types) & (found.ends == wanted.ends)
    hits, both = right.sum(axis=1), found.starts.sum(axis=1) + wanted.starts.sum(axis=1)
    total = weights @ both.astype(np.float64)
    doubled = 2 * (weights @ hits.astype(np.float64))
    return np.asarray(np.divide(doubled, total, out=np.zeros(len(weights)), where=total > 0))


def _accuracy(predictions: Array, labels: Array, weights: FloatArray) -> FloatArray:
    is_word = labels != ABSENT
    right, words = ((predictions == labels) & is_word).sum(axis=1), is_word.sum(axis=1)
    return np.asarray((weights @ right.astype(np.float64)) / (weights @ words.astype(np.float64)))


def _entities(scheme: _Scheme, tags: Array) -> _Entities:
    """Return the entities of tags `(n, words)`."""
    known = tags.clip(min=0).astype(np.int64)
    around = ((0, 0), (1, 1))  # a sentence begins and ends outside
    parts = np.pad(np.where(tags == ABSENT, _OUTSIDE, scheme.parts[known]), around)
    types = np.pad(np.where(tags == ABSENT, 0, scheme.types[known]), around)
    before, now, is_new_type = parts[:, :-1], parts[:, 1:], types[:, :-1] != types[:, 1:]
    after_end = np.isin(before, (_END, _SINGLE))
    may_begin = (now == _BEGIN) | (now == _SINGLE)
    starts = may_begin | ((now != _OUTSIDE) & (is_new_type | after_end | (before == _OUTSIDE)))
    stops = (before != _OUTSIDE) & (is_new_type | after_end | may_begin | (now == _OUTSIDE))
    words = tags.shape[1]
    place = np.where(stops[:, 1:], np.arange(1, words + 1), words + 1)
    return _Entities(starts[:, :-1], types[:, 1:-1], np.minimum.accumulate(place[:, ::-1], axis=1)[:, ::-1])


def _type_of(tag: str) -> str:
    return tag.partition("-")[2] or tag
