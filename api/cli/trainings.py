"""Tables of what trainings spent: the dense model's and each member's in one row, the chosen one epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from api.cli.saying import say
from objectives.energy.spent import CPU, GPU, RAM
from objectives.figures import scaled
from optimizer.views.accounts import Accounted, PartView, TrainingView
from optimizer.views.member import RunResult, chosen_of

PARTS = (CPU, GPU, RAM)
ABSENT = "–"
DENSE = "dense"
MOST_EPOCHS = 20  # of the chosen member; `--json` has all


def print_trainings(result: RunResult, console: Console) -> None:
    """Print what trainings spent, and the chosen one by epoch; nothing where none was trained.

    That of the dense model stands by epoch where no member was trained.
    """
    trained = _trained(result)
    if not trained:
        return
    say(console, "\nTraining, by member")
    console.print(_by_member(trained))
    _, number = chosen_of(result)
    chosen = DENSE if [*trained] == [DENSE] else f"#{number}"
    training = trained.get(chosen)
    if training is not None and len(training.epochs) > 1:
        say(console, f"\nTraining of {chosen}, by epoch")
        console.print(_by_epoch(training))
        if len(training.epochs) > MOST_EPOCHS:
            say(console, f"the last {MOST_EPOCHS} of {len(training.epochs)} epochs; --json has all")
    sources = {part.part: part.source for each in trained.values() for epoch in each.epochs for part in epoch.parts}
    say(console, f"sources: {', '.join(f'{part} {source}' for part, source in sources.items())}; memory: peaks\n")


def _trained(result: RunResult) -> dict[str, TrainingView]:
    """Return the trainings by what they made: the dense model first, then members."""
    members = {f"#{member.candidate}": member.training for member in result.front or result.least_violating}
    known = {DENSE: result.baseline.training if result.baseline else None, **members}
    return {name: training for name, training in known.items() if training is not None}


def _table(first: str, *columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in (first, *columns, "time", *PARTS, "energy", "Wh", "own", "RSS", "CUDA"):
        table.add_column(title, justify="right" if title else "left")
    return table


def _by_member(trained: Mapping[str, TrainingView]) -> Table:
    table = _table("", "epochs", "J an epoch")
    for name, training in trained.items():
        epochs = sum(epoch.of_epoch for epoch in training.epochs)
        parts = [part for epoch in training.epochs for part in epoch.parts]
        table.add_row(
            name,
            f"{epochs:.3g}",
            scaled(training.joules / epochs, "J"),
            scaled(training.seconds, "s"),
            *_of_parts(parts),
            scaled(training.joules, "J"),
            f"{training.wh:.3g}",
            scaled(training.own_joules, "J"),
            *_peaks(training),
        )
    return table


def _by_epoch(training: TrainingView) -> Table:
    table = _table("epoch", "of it")
    for epoch in training.epochs[-MOST_EPOCHS:]:
        table.add_row(
            str(epoch.epoch),
            f"{epoch.of_epoch:.3g}",
            scaled(epoch.seconds, "s"),
            *_of_parts(epoch.parts),
            scaled(epoch.joules, "J"),
            f"{epoch.wh:.3g}",
            scaled(epoch.own_joules, "J"),
            *_peaks(epoch),
        )
    return table


def _of_parts(parts: Sequence[PartView]) -> list[str]:
    """Return the joules of each part of a machine."""
    found = {name: [part.joules for part in parts if part.part == name] for name in PARTS}
    return [scaled(sum(joules), "J") if joules else ABSENT for joules in found.values()]


def _peaks(spent: Accounted | TrainingView) -> tuple[str, str]:
    cuda = spent.peak_cuda_bytes
    return decimal(spent.resident_bytes), ABSENT if cuda is None else decimal(cuda)
