"""The answers of a question as SQuAD's published script scores them (version 2.0), written here from its definition."""

from __future__ import annotations

import collections
import re
import string


def normal(text: str) -> str:
    lower = "".join(character for character in text.lower() if character not in set(string.punctuation))
    return " ".join(re.compile(r"\b(a|an|the)\b", re.UNICODE).sub(" ", lower).split())


def scores(answers: list[str], found: str) -> tuple[float, float]:
    """Return exact match and F1 of one question."""
    right = [text for text in answers if normal(text)] or [""]
    return max(float(normal(text) == normal(found)) for text in right), max(_f1(text, found) for text in right)


def _f1(wanted: str, found: str) -> float:
    gold, said = normal(wanted).split(), normal(found).split()
    same = sum((collections.Counter(gold) & collections.Counter(said)).values())
    if len(gold) == 0 or len(said) == 0:
        return float(gold == said)
    if same == 0:
        return 0.0
    precision, recall = same / len(said), same / len(gold)
    return 2 * precision * recall / (precision + recall)
