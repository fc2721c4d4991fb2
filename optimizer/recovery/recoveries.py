"""The table of recoveries: how a study's candidates are trained after the search, by the name in the spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from optimizer.progress import Report
from optimizer.recovery.finetuned import finetune_shortlist
from optimizer.recovery.halving import distill_by_halving
from optimizer.recovery.recovery import Recovery
from studies.records import Candidate

Recover = Callable[[Recovery, Sequence[Candidate], Report], list[Candidate]]  # returns the candidates to verify

RECOVERIES: Mapping[str, Recover] = {"finetune": finetune_shortlist, "distill": distill_by_halving}
