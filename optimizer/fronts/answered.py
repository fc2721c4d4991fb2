"""Answered: what gave a member's answers, where runtimes answer otherwise: with layers whose weights have 8 bits.

Torch multiplies the floats that codes stand for; ONNX Runtime makes integers of what such a layer reads as well. So a
figure says which of them gave the answers, and what they depend on besides the example.
"""

from __future__ import annotations

from objectives.measurement import Measurement
from optimizer.backends.names import ACTIVATIONS, ANSWERS, BACKEND, BATCH, FLOATS, INTEGERS, ONE_BY_ONE, TORCH
from optimizer.views.latencies import RUNTIMES
from optimizer.views.member import AnsweredView


def answered_view(drop: Measurement | None, changed: Measurement | None) -> AnsweredView | None:
    """Return what gave the answers of a drop, None where every runtime gives the same.

    `changed` is the share of verified answers that change in padded batches.
    """
    told = drop.conditions if drop else {}
    backend, floats = str(told.get(BACKEND, TORCH)), told.get(ACTIVATIONS) == FLOATS
    if backend == TORCH and not floats:
        return None
    alone = changed is not None or told.get(ANSWERS) == ONE_BY_ONE
    return AnsweredView(
        backend=backend,
        activations=FLOATS if floats else INTEGERS,
        qualifier="with float activations" if floats else "one request at a time" if alone else "",
        words=_of_floats() if floats else _of_integers(backend, changed, alone=alone),
    )


def _of_floats() -> str:
    return (
        "Answered by torch with float activations. A runtime that makes integers of what layers of 8 bits read, as "
        "ONNX Runtime does with an export, may answer otherwise: a study with the backend onnxruntime verifies that"
    )


def _of_integers(backend: str, changed: Measurement | None, *, alone: bool) -> str:
    by = f"Answered by {RUNTIMES.get(backend, backend)}, which makes integers of what layers of 8 bits read"
    if not alone:
        return f"{by}; an answer does not depend on what else is in a batch"
    share = "" if changed is None else f"; of these answers {changed.value:.1%} change in padded batches of {BATCH}"
    return f"{by}, one request at a time, because these are scaled by all that a batch contains{share}"
