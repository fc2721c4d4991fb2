"""An analysis from one call: measure what is missing, then write the table, what curves show, and plots."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optimizer.analysis.curves import Along, Found, curves, found_in
from optimizer.analysis.frame import frame_of, row_of, write_frame
from optimizer.analysis.measure import Analysis, Failure, Part
from optimizer.analysis.records import Measure
from optimizer.backends.names import TORCH
from optimizer.errors import InputError
from optimizer.ledger import Ledger
from search_spaces.files import written_whole

MEASUREMENTS, NAME, FINDINGS = "measurements.jsonl", "models", "findings.md"


@dataclass(frozen=True, kw_only=True)
class Analyzed:
    """What is known of the models: a measure for each at every batch size, what curves show, what was not measured."""

    measures: tuple[Measure, ...]
    found: tuple[Found, ...]
    failures: tuple[Failure, ...]
    files: tuple[Path, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """What holds, for people."""
        return (*_on_costs(self.measures), *(words for each in self.found for words in _on_curve(each)))

    def as_json(self) -> dict[str, Any]:  # Any: JSON data
        """Return all of it as one object."""
        rows = [row_of(each) for each in self.measures]
        failures = [each._asdict() for each in self.failures]
        said = {"sentences": self.sentences, "failures": failures, "files": [str(file) for file in self.files]}
        return {"schema_version": 1, "models": rows, **said}


def analyze_parts(
    parts: Sequence[Part],
    output: Path,
    *,
    along: Along = "flops",
    draws: bool = True,
    said: Callable[[str], None] = lambda _: None,
) -> Analyzed:
    """Measure into `output`, which keeps what is finished: a second call goes on, and models that are new are added.

    Where it is interrupted, the table of what is finished is written before `KeyboardInterrupt` is raised. Raises
    `InputError` where no model could be measured.
    """
    output.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(output / MEASUREMENTS, Measure)
    comparisons, failures = sum(part.comparisons for part in parts), list[Failure]()
    try:
        for part in parts:
            analysis = Analysis(part.settings, ledger, comparisons, said, failures)
            for group in part.groups:
                analysis.measure(group)
    except KeyboardInterrupt:
        if measures := _latest(ledger):
            write_frame(frame_of(measures), output, NAME)
            said(f"{output} has the table of {len(measures)} finished measurements; the same command goes on")
        raise
    measures = _latest(ledger)
    if not measures:
        first = failures[0]
        raise InputError("models", f"none could be measured; {first.model}: {first.why}")
    found = tuple(found_in(curve) for curve in curves(measures, along))
    files = write_frame(frame_of(measures), output, NAME)
    if draws:
        from optimizer.analysis.plots import write_plots

        files += write_plots(measures, along, output)
    analyzed = Analyzed(measures=measures, found=found, failures=tuple(failures), files=tuple(files))
    return _with_findings(analyzed, output)


def _latest(ledger: Ledger[Measure]) -> tuple[Measure, ...]:
    """Return the last measure of every model at every size in every backend, the unpruned model first."""
    found = {}
    for each in ledger:
        size = each.length or 0, each.key.batch
        found[each.key.parent, not each.is_unpruned, each.key.model, each.key.backend != TORCH, *size] = each
    return tuple(found[place] for place in sorted(found))


def _with_findings(analyzed: Analyzed, output: Path) -> Analyzed:
    """Write what holds, and what was not measured, as a page."""
    parts = [("What the measurements show", analyzed.sentences), ("Not measured", map(str, analyzed.failures))]
    page = "\n\n".join(f"# {title}\n\n" + "\n".join(f"- {each}" for each in some) for title, some in parts)
    with written_whole(output / FINDINGS) as temporary:
        temporary.write_text(page + "\n", encoding="utf-8")
    return Analyzed(
        measures=analyzed.measures,
        found=analyzed.found,
        failures=analyzed.failures,
        files=(*analyzed.files, output / FINDINGS),
    )


def _on_costs(measures: Sequence[Measure]) -> Iterator[str]:
    pruned = [each for each in measures if not each.is_unpruned]
    sources = ", ".join(dict.fromkeys(each.energy_source for each in pruned))
    faster, dearer = sum(each.gain_time for each in pruned), sum(each.time.lower > 1 for each in pruned)
    yield (
        f"{len(pruned)} pairs of a model and a batch size: {faster} take less time than the unpruned model with 95 % "
        f"confidence in all of them together; {dearer} take more, by their own intervals. Energy is {sources}."
    )


def _on_curve(found: Found) -> Iterator[str]:
    curve, what = found.curve, f"{found.curve.of} of {found.curve.title}"
    for point in found.dearer:
        yield f"{what}: {point.model} ({point.gone:.1f} % gone) costs more than no pruning, {point.cost.as_change}."
    for stretch in found.stretches:
        yield f"{what}: {stretch.words}."
    for point in found.breaking_points:
        yield f"{what}: turns at {point.gone:.1f} % of the {curve.along} gone ({point.model})."
