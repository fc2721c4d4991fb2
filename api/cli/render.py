"""Tables: a run's result as a person reads it, the dense model in the first row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import get_args

from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from api.cli.saying import say
from api.cli.wording import in_flags
from objectives.figures import scaled
from optimizer.backends.names import BATCH, TORCH
from optimizer.fronts.headline import bounds_in_words, headline
from optimizer.spec import CostName
from optimizer.views.latencies import NO_GAIN, RUNTIMES, Place, change_of, latency_at, places_of, title_of, to_torch
from optimizer.views.member import (
    BESIDE,
    Baseline,
    Compressed,
    Costs,
    FrontResult,
    GuestView,
    LatencyView,
    Member,
    RunResult,
    chosen_of,
)
from studies.records import StudyState, Verdict

COLOURS = {
    Verdict.CERTIFIED: "green",
    Verdict.VERIFIED: "cyan",
    Verdict.REFUTED: "red",
    Verdict.MEASURED: "cyan",
    Verdict.UNVERIFIED: "yellow",
}
NO_NAMES: Mapping[int | None, str] = {}
CORRECTED, CHANCE = "corrected", ", chance > ε"
ABSENT = "–"
MOST_LABELS = 20  # of those with several, the most dropped
NARROWEST_TABLE = 72  # columns


def print_result(result: RunResult, console: Console, *, resume: str) -> None:
    """Print a result: the front next to the dense model, the knee in the published form, and the time spent.

    `resume` is the command that resumes the study.
    """
    _print_head(result.study, f"{result.model} on {result.task}, {bounds_in_words(result)}, {result.metric}", console)
    if result.state != StudyState.COMPLETE:
        say(console, f"{_standing(result, resume)}\n", style="yellow")
    if result.front:
        say(console, f"{headline(result)}\n")
        _print_members(result.front, result.baseline, result.metric, console, names=_names(result))
        _print_chosen(result, console)
    else:
        _print_least(result.least_violating, result.baseline, result.metric, console)
    print_guests(result.guests, console)
    _print_terms(result, console)


def print_front(result: FrontResult, console: Console, *, resume: str) -> None:
    """Print a filtered front and what is unknown at its ε. `resume` is the command that resumes the study."""
    bounds = "within its limits" if result.epsilon is None else f"at ε = {result.epsilon:g}"
    _print_head(result.study, f"front {bounds} over {', '.join(result.objectives)}", console)
    if result.items:
        say(console, f"{headline(result)}\n")
        _print_members(result.items, None, "metric", console, names=_names(result))
    else:
        _print_least(result.least_violating, None, "metric", console)
    if result.undecided:
        finishing = f"`{resume} --epsilon {result.epsilon:g}` finishes them."
        say(console, f"{result.undecided} stopped candidates are undecided at this ε; {finishing}")
    if result.unverified:
        say(console, f"{result.unverified} of {len(result.items)} members are unverified.")
    print_guests(result.guests, console)


def print_guests(guests: Sequence[GuestView], console: Console) -> None:
    """Print models from elsewhere, which were measured beside a front, and what holds for them."""
    if not guests:
        return
    n = ", ".join(dict.fromkeys(f"{guest.n:,}" for guest in guests))
    say(console, Text.assemble(("Models from elsewhere", "bold"), f", on the {n} verification examples. {BESIDE}"))
    places, memory = places_of(guests), _memory_title(guests)
    costs = [*_latency_titles(places), "energy", *memory, "parameters", "size"]
    head = ["", "accuracy", "drop, 95 %", "FLOPs", *costs, "from"]
    table = Table(*head, box=None, header_style="bold", pad_edge=False)
    for guest in guests:
        table.add_row(
            escape(guest.name),
            f"{guest.accuracy:.4f}",
            _with_bounds(guest.drop, guest.interval),
            f"{scaled(guest.flops)} ×{guest.flops_ratio:.3f}",
            *_costs(guest, places, memory),
            escape(guest.place),
        )
    console.print(table)
    console.print()


def _print_head(study: str, words: str, console: Console) -> None:
    say(console, Text.assemble("\n", (study, "bold"), f": {words}"))


def _standing(result: RunResult, resume: str) -> str:
    """Return the state of an unfinished study and the command that resumes it."""
    reason = f" ({in_flags(result.error)})" if result.error else ""
    following = "" if result.state in (StudyState.RUNNING, StudyState.QUEUED) else f"; `{resume}` resumes it"
    return f"{result.state}{reason}{following}"


def _print_least(members: Sequence[Member], baseline: Baseline | None, metric: str, console: Console) -> None:
    """Print the least violating candidates of an empty front, if there are any."""
    if members:
        say(console, Text.assemble(("The front is empty.", "bold red"), " The least violating candidates:"))
        _print_members(members, baseline, metric, console)


def member_in_words(member: Member) -> str:
    """Return a member's drop, verdict and costs as ratios to the dense model's, in one line."""
    costs = [
        f"{cost} ×{ratio:.3f}{_of_torch(member) if cost == 'latency' else ''}"
        for cost in (*get_args(CostName), *member.own_ratios)
        if (ratio := member.ratio(cost)) is not None
    ]
    verified = member.verification
    drop = f"drop {member.drop:.4f} on {member.seen} search examples" if member.drop is not None else "drop unknown"
    if verified:
        drop = f"drop {verified.drop:.4f} on {verified.n} verification examples"
    return f"{drop}, {member.verdict_in_words}; {', '.join(costs)}"


def _of_torch(member: Member) -> str:
    """Return to what the latency ratio is, nothing where torch alone runs the models."""
    return "" if {each.backend for each in member.latency} <= {TORCH} else " of torch float32"


def _names(result: RunResult | FrontResult) -> Mapping[int | None, str]:
    return {result.knee: " knee", result.best: " best"}


def _print_members(
    members: Sequence[Member],
    baseline: Baseline | None,
    metric: str,
    console: Console,
    *,
    names: Mapping[int | None, str] = NO_NAMES,
) -> None:
    """Print two tables: the members' quality and their costs."""
    recipe = ["trained by"] if any(member.recipe for member in members) else []
    corrected = _corrected_title(members)
    places, memory = places_of([baseline, *members]), _memory_title(members)
    quality = [["", metric, "drop, 95 %", "verified drop, 95 %", *corrected, "verdict", *recipe]]
    bits = ["bit operations"] if any(member.bit_operations_ratio for member in members) else []
    titles = [*_latency_titles(places), "energy", *memory, "parameters", "size", *_own(members, baseline)]
    costs = [["", "FLOPs", *bits, *titles]]
    if baseline is not None:
        quality.append(["dense", f"{baseline.accuracy:.4f}", *[ABSENT] * (3 + len(corrected) + len(recipe))])
        of_dense = [*_bit_operations(baseline, bits), *_costs(baseline, places, memory)]
        costs.append(["dense", scaled(baseline.flops), *of_dense])
    for member in members:
        own = f" {escape(member.distribution)}" if member.distribution else ""
        name = f"#{member.candidate}{names.get(member.candidate, '')}{own}"
        trained = [member.recipe.words if member.recipe else ABSENT] if recipe else []
        *figures, verdict = _quality(member)
        quality.append([name, *figures, *([_corrected(member)] if corrected else []), verdict, *trained])
        flops = f"{scaled(member.flops)} ×{member.flops_ratio:.3f}"
        costs.append([name, flops, *_bit_operations(member, bits), *_costs(member, places, memory)])
    _print_rows(quality, console)
    console.print()
    _print_rows(costs, console)


def _print_rows(rows: Sequence[Sequence[str]], console: Console) -> None:
    """Print rows below their titles as a table, or one cell per line on a console too narrow for a table."""
    titles, *others = rows
    if console.width >= NARROWEST_TABLE:
        table = Table(box=None, header_style="bold", pad_edge=False)
        for title in titles:
            is_text = title in ("", "verdict", "trained by")
            table.add_column(title, justify="left" if is_text else "right", overflow="fold")
        for row in others:
            table.add_row(*row)
        return console.print(table)
    for name, *cells in others:
        console.print(f"[bold]{name}[/]")
        for title, cell in zip(titles[1:], cells, strict=True):
            console.print(f"  {title}: {cell}", highlight=False)
    return None


def _latency_titles(places: Sequence[Place]) -> list[str]:
    return [f"latency, {title_of(place, places)}" for place in places]


def _own(members: Sequence[Member], baseline: Baseline | None) -> list[str]:
    """Return the names of the objectives that Python code gave."""
    return [*(baseline or members[0]).own] if baseline or members else []


def _quality(member: Member) -> list[str]:
    verified = member.verification
    return [
        ABSENT if member.accuracy is None else f"{member.accuracy:.4f}",
        _with_bounds(member.drop, member.drop_interval),
        _with_bounds(verified.drop, verified.interval) if verified else ABSENT,
        f"[{COLOURS[member.verdict]}]{member.verdict_in_words}[/]",
    ]


def _corrected_title(members: Sequence[Member]) -> list[str]:
    """Return the title of the column of corrected drops, none where there are none."""
    verified = [m.verification for m in members if m.verification and m.verification.shrunken_drop is not None]
    has_chance = any(each.chance_above is not None for each in verified)
    return [f"{CORRECTED}{CHANCE if has_chance else ''}"] if verified else []


def _corrected(member: Member) -> str:
    """Return the drop corrected for luck and its chance to be above ε, if there is one."""
    verified = member.verification
    if verified is None or verified.shrunken_drop is None:
        return ABSENT
    chance = "" if verified.chance_above is None else f", ≤ {verified.chance_above:.0%}"
    return f"{verified.shrunken_drop:.4f}{chance}"


def _memory_title(views: Sequence[Costs]) -> list[str]:
    """Return the title of the column of peak memory, none where it was not measured."""
    return ["peak memory"] if any(view.peak_memory_bytes is not None for view in views) else []


def _costs(view: Costs, places: Sequence[Place], memory: Sequence[str]) -> list[str]:
    is_dense = isinstance(view, Baseline)
    energy = ABSENT if view.energy_j is None else f"{_energy(view, is_dense=is_dense)} ({view.energy_source})"
    return [
        *(_latency(latency_at(view, place), is_dense=is_dense) for place in places),
        energy,
        *(_memory(view) for _ in memory),
        scaled(view.parameters),
        decimal(view.size_bytes),
        *(f"{cost:.4g}{_ratio(view, name)}" for name, cost in view.own.items()),
    ]


def _memory(view: Costs) -> str:
    """Return the peak memory of a request, with its ratio to the dense model's and the runtime that has it."""
    if view.peak_memory_bytes is None:
        return ABSENT
    ratio = view.memory_ratio if isinstance(view, Compressed) else None
    runtime = "" if view.memory_backend == TORCH else f" ({RUNTIMES[view.memory_backend]})"
    return decimal(view.peak_memory_bytes) + ("" if ratio is None else f" ×{ratio:.3f}") + runtime


def _bit_operations(view: Costs, titles: Sequence[str]) -> list[str]:
    """Return the cell below the title, if there is one."""
    if not titles or view.bit_operations is None:
        return [ABSENT for _ in titles]
    ratio = view.bit_operations_ratio if isinstance(view, Member) else None
    return [scaled(view.bit_operations) + ("" if ratio is None else f" ×{ratio:.3f}")]


def _ratio(view: Costs, name: str) -> str:
    """Return an own cost's ratio to the dense model's, nothing for that."""
    return f" ×{view.own_ratios[name]:.3f}" if isinstance(view, Compressed) else ""


def _latency(view: LatencyView | None, *, is_dense: bool) -> str:
    if view is None:
        return ABSENT
    if is_dense:
        return _milliseconds(view.seconds) + ("" if view.backend == TORCH else f" {to_torch(view, _times)}")
    before = "" if view.dense_seconds is None else f"{_milliseconds(view.dense_seconds)} → "
    kernels = f" ({view.kernels})" if view.kernels else ""
    return f"{before}{_milliseconds(view.seconds)} {change_of(view, _times)}{kernels}"


def _times(ratio: float, interval: tuple[float, float] | None) -> str:
    return f"×{_with_bounds(ratio, interval, digits=2)}"


def _by(ratio: float, _interval: tuple[float, float] | None) -> str:
    return f"{ratio - 1:+.1%}"


def _by_within(ratio: float, interval: tuple[float, float] | None) -> str:
    return f"{ratio - 1:+.1%}" + ("" if interval is None else f" [{interval[0] - 1:+.1%}, {interval[1] - 1:+.1%}]")


def _energy(view: Costs, *, is_dense: bool) -> str:
    before = "" if is_dense or view.energy_dense_j is None else f"{scaled(view.energy_dense_j, 'J')} → "
    return f"{before}{scaled(view.energy_j or 0.0, 'J')}{_energy_change(view)}"


def _energy_change(view: Costs) -> str:
    """Return a member's ratio to the dense model with its interval, nothing for that."""
    if not isinstance(view, Compressed) or view.energy_ratio is None:
        return ""
    return f" {_times(view.energy_ratio, view.energy_ratio_interval) if view.energy_gain else NO_GAIN}"


def _print_chosen(result: RunResult, console: Console) -> None:
    """Print the knee, or the best without ε, as Table 4 of Smarts et al. 2025: original, pruned, relative change."""
    title, chosen = chosen_of(result)
    member = next((m for m in result.front if m.candidate == chosen), None)
    dense = result.baseline
    if member is None or dense is None:
        return
    device = str(result.conditions.get("device", "CPU"))
    say(console, f"\n{title.capitalize()}: candidate #{member.candidate}")
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("", "original", "pruned", "change"):
        table.add_column(title, justify="left" if not title else "right")
    verified = member.verification
    if verified is not None and dense.verification_accuracy is not None:
        pair = dense.verification_accuracy, verified.accuracy
        table.add_row(f"{result.metric} (n = {verified.n}, verification)", *_compared(*pair, "{:.4f}".format))
        for label in sorted(verified.labels, key=lambda each: -each.drop)[:MOST_LABELS]:
            change = f"drop {_with_bounds(label.drop, label.interval)}"
            table.add_row(
                f"F1 of {escape(label.label)} (n = {label.n})", f"{label.dense_f1:.4f}", f"{label.f1:.4f}", change
            )
    if verified is not None and verified.answers_changed is not None:
        table.add_row(f"answers that change in batches of {BATCH}", ABSENT, f"{verified.answers_changed:.1%}", "")
    table.add_row("FLOPs (per inference)", *_compared(dense.flops, member.flops, scaled))
    if dense.bit_operations and member.bit_operations:
        table.add_row("bit operations", *_compared(dense.bit_operations, member.bit_operations, scaled))
    places = places_of([member])
    for place, view in zip(places, member.latency, strict=True):
        before = ABSENT if view.dense_seconds is None else _milliseconds(view.dense_seconds)
        change = change_of(view, _by, of="against")
        table.add_row(f"{device} latency ({title_of(place, places)})", before, _milliseconds(view.seconds), change)
    if member.energy_dense_j and member.energy_j and member.energy_ratio:
        change = _by_within(member.energy_ratio, member.energy_ratio_interval) if member.energy_gain else NO_GAIN
        name = f"energy per inference ({member.energy_source})"
        table.add_row(name, scaled(member.energy_dense_j, "J"), scaled(member.energy_j, "J"), change)
    if member.peak_memory_bytes is not None and member.memory_dense_bytes is not None:
        name = f"peak memory of a request ({RUNTIMES[member.memory_backend]})"
        sizes = member.memory_dense_bytes, float(member.peak_memory_bytes)
        table.add_row(name, *_compared(*sizes, lambda size: scaled(size, "B")))
    console.print(table)
    if member.answered:
        say(console, f"{member.answered.words}.")
    console.print()


def _compared(before: float, after: float, form: Callable[[float], str]) -> tuple[str, str, str]:
    change = f"{(after - before) / before:+.1%}" if before else ABSENT
    return form(before), form(after), change


def _print_terms(result: RunResult, console: Console) -> None:
    """Print the conditions of the figures: examples, uses, bounds, time."""
    examples = result.conditions.get("examples", {})
    parts = [f"{role} {record['n']}" for role, record in examples.items() if isinstance(record, dict)]
    if parts:
        say(console, f"examples: {', '.join(parts)}; {_shortlist(result)}")
    if result.verification_uses > 1:
        say(console, f"{result.verification_uses} studies have verified on these examples so far.", style="yellow")
    stopped = result.stopped_early
    if result.candidates_evaluated:
        volume = "" if result.hypervolume is None else f"; hypervolume {result.hypervolume:.4f}"
        say(
            console,
            f"{_counted(result.candidates_evaluated, 'candidate')}, {stopped.candidates} stopped early "
            f"({stopped.examples_saved:.0%} of the search examples saved){volume}",
        )
    for note in result.notes:
        say(console, f"note: {in_flags(note)}")
    times = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in result.seconds.items() if seconds >= 0.5)
    say(console, f"time: {times}\n" if times else "")


def _shortlist(result: RunResult) -> str:
    if not result.shortlist_size:
        return "nothing verified yet"
    members = (*result.front, *result.least_violating)
    is_verified = result.state == StudyState.COMPLETE or all(member.verification for member in members)
    return f"shortlist of {result.shortlist_size}, {'verified once' if is_verified else 'not all verified yet'}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _with_bounds(value: float | None, bounds: tuple[float, float] | None, *, digits: int = 4) -> str:
    if value is None:
        return ABSENT
    return f"{value:.{digits}f}" + (f" \\[{bounds[0]:.{digits}f}, {bounds[1]:.{digits}f}]" if bounds else "")


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.{3 if seconds < 1e-3 else 1}f} ms"
