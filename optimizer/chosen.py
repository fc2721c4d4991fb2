"""Chosen: the transforms and backends of a study that leaves them to the machine on which it begins.

A short measurement decides. Units are always taken; a further transform is taken where it saves time over the fastest
dense model in float32, or saves a cost of storage that the study names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optimizer.backends.names import ONNXRUNTIME, TORCH, backends_here
from optimizer.backends.running import Backends
from optimizer.errors import InputError
from optimizer.fronts.fronts import study_limits
from optimizer.measuring.timing import DENSE, Run
from optimizer.spec import BackendName, StudySpec
from optimizer.tried import Tried, try_forms
from optimizer.views.latencies import NO_GAIN, RUNTIMES
from optimizer.workload import Workload
from search_spaces.transforms.table import AUTO, BITS, RANK, UNITS

SAVES: Mapping[str, frozenset[str]] = {
    RANK: frozenset({"parameters", "size", "memory"}),
    BITS: frozenset({"size", "bit_operations"}),
}
"""The transforms that may be taken, and the costs that they save whatever the machine."""
TIMED: Mapping[str, str] = {DENSE: "float32", RANK: "with half of the weights in low rank", BITS: "with 8 bits"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a study takes, in words and with the figures that decided it."""

    transforms: tuple[str, ...]
    backends: tuple[BackendName, ...]
    words: str
    figures: Sequence[Mapping[str, Any]]  # Any: JSON data

    def of(self, spec: StudySpec) -> StudySpec:
        """Return a spec with what is chosen in the place of what it leaves open."""
        return spec.model_copy(update={"transforms": self.transforms, "backends": self.backends})


def chosen(spec: StudySpec, workload: Workload, cache_dir: Path) -> Choice:
    """Return what wins on this machine. Raises `InputError` where no named backend runs the model."""
    names, missing = backends_here(spec)
    backends = Backends(spec.model_copy(update={"backends": names}), workload, cache_dir)
    tried = try_forms(spec, workload, backends, cache_dir)
    return choice_of(spec, names, tried, missing)


def choice_of(spec: StudySpec, names: Sequence[BackendName], tried: Tried, missing: Sequence[str] = ()) -> Choice:
    """Return what wins by the times of forms in the backends `names`; `missing` says why others are not here."""
    able = [name for name in names if Run(DENSE, name) in tried.runs]
    if not able:
        raise InputError("backends", "; ".join([*missing, *tried.refused.values()]))
    fastest = min((Run(DENSE, name) for name in able), key=lambda run: tried.ratio(run).value)
    possible = [each for each in SAVES if each not in tried.refused]
    faster = [each for each in possible if any(tried.gains(Run(each, name), fastest) for name in able)]
    named = {*spec.objectives, *study_limits(spec)}
    holds_codes = ONNXRUNTIME in able and tried.gains(Run(DENSE, ONNXRUNTIME))  # torch holds floats
    saves = {**SAVES, BITS: SAVES[BITS] | {"memory"}} if holds_codes else SAVES
    taken = [UNITS, *(each for each in possible if each in faster or saves[each] & named)]
    gaining = [name for name in able if name == TORCH or any(tried.gains(Run(form, name)) for form in (DENSE, *taken))]
    kept = gaining or able
    idle = [*(each for each in possible if each not in faster), *(name for name in able if name not in kept)]
    reasons = [
        *missing,
        *(f"{name}: {why}" for name, why in tried.refused.items()),
        *(f"{each}: {NO_GAIN} in time" for each in idle),
    ]
    return Choice(
        transforms=tuple(taken),
        backends=tuple(kept),
        words="; ".join([*_in_words(taken, kept, tried, spec.batch_sizes[0]), *reasons]),
        figures=[_figure(run, tried) for run in tried.runs],
    )


def _in_words(transforms: Sequence[str], backends: Sequence[str], tried: Tried, batch: int) -> list[str]:
    took = f"{AUTO} takes {', '.join(transforms)} in {', '.join(RUNTIMES[name] for name in backends)}"
    dense, *others = tried.runs
    before = f"a request of batch {batch} took {1e3 * tried.seconds(dense):.3g} ms in torch float32"
    ratios = [f"{RUNTIMES[run.backend]} {TIMED[str(run.model)]} {_ratio(run, tried)}" for run in others]
    return [took, before + (f", of that {', '.join(ratios)}" if ratios else "")]


def _ratio(run: Run, tried: Tried) -> str:
    ratio = tried.ratio(run)
    within = f" [{ratio.interval.lower:.2f}, {ratio.interval.upper:.2f}]" if ratio.interval else ""
    return f"×{ratio.value:.2f}{within}"


def _figure(run: Run, tried: Tried) -> Mapping[str, Any]:
    ratio = tried.ratio(run)
    interval = [ratio.interval.lower, ratio.interval.upper] if ratio.interval else None
    return {
        "model": TIMED[str(run.model)],
        "seconds": tried.seconds(run),
        "ratio_torch": ratio.value,
        "interval": interval,
        "conditions": {"backend": TORCH, **tried.conditions(run)},
    }
