"""Sentences on networks pruned by lists: which counts are equal, what was published of energy, and what shows here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from objectives.measurement import Source
from objectives.repeats import mean_with_interval
from objectives.size import count_parameters
from optimizer.reproduce.listed.findings import (
    Grid,
    beyond,
    cheapest,
    dearer,
    dearer_steps,
    measured_grid,
    published_grid,
    rank_correlation,
)
from optimizer.reproduce.listed.networks import count_macs, kept_widths, pruned, unpruned
from optimizer.reproduce.listed.preset import ListedPreset, Network, Pruning
from optimizer.reproduce.listed.rows import ListedRow

ALIGNED = 16  # channels that kernels of a GPU take at once
UNIFORM, LESS_AT_ENDS, MORE_AT_ENDS = "PD1", "PD4", "PD5"


def sentences(preset: ListedPreset, rows: Sequence[ListedRow]) -> tuple[str, ...]:
    """Return what the rows of one network mean."""
    network = preset.network(rows[0].model)
    return (
        _on_counts(rows),
        *_on_swapped_lists(preset, network),
        *(_on_costs(preset, network, rows) if any(row.batches for row in rows) else [_untimed(rows[0].model)]),
    )


def _on_counts(rows: Sequence[ListedRow]) -> str:
    macs, parameters = sum(row.flops_equal for row in rows), sum(row.parameters_equal for row in rows)
    return (
        f"Multiply-accumulates of {macs} of {len(rows)} networks and parameters of {parameters} of {len(rows)} equal "
        "the published ones to the unit; what is published as FLOPs is half of ours."
    )


def _on_swapped_lists(preset: ListedPreset, network: Network) -> Iterator[str]:
    """Say where a list is not what the text says of its distribution, and which reading the published counts have."""
    lists = {name: network.of(name).removed_at_50 for name in (LESS_AT_ENDS, MORE_AT_ENDS)}
    less, more = lists.values()
    if _ends_above_middle(less) and not _ends_above_middle(more):
        named, swapped = (_equal(preset, network, of) for of in (LESS_AT_ENDS, MORE_AT_ENDS))
        yield (
            f"The text has {LESS_AT_ENDS} prune less at both ends and {MORE_AT_ENDS} more; {network.name} has them the "
            f"other way round: {LESS_AT_ENDS} removes {', '.join(map(str, less))} % of the filters at an overall 50 %. "
            f"Counts published of {LESS_AT_ENDS} are those of this list in {named} of {len(preset.ratios)} networks, "
            f"of the list of {MORE_AT_ENDS} in {swapped}: the two are swapped. They keep their published names here."
        )


def _ends_above_middle(shares: Sequence[int]) -> bool:
    return min(shares[0], shares[-1]) > shares[len(shares) // 2]


def _equal(preset: ListedPreset, network: Network, distribution: str) -> int:
    """Return how many published counts of `LESS_AT_ENDS` a distribution's list gives."""
    dense, printed = unpruned(network.name, device="meta"), network.of(LESS_AT_ENDS)
    found = (pruned(dense, network, Pruning(distribution, ratio), seed=preset.pruning_seed) for ratio in preset.ratios)
    published = zip(printed.macs, printed.parameters, strict=True)
    return sum((count_macs(net), count_parameters(net)) == counts for net, counts in zip(found, published, strict=True))


def _untimed(model: str) -> str:
    return f"{model} is counted and not timed at this scale; `--scale paper` times it."


def _on_costs(preset: ListedPreset, network: Network, rows: Sequence[ListedRow]) -> Iterator[str]:
    timed = [row for row in rows if row.batches]
    is_metered = timed[0].energy_source != Source.MODELLED
    theirs = published_grid(preset, network.name)
    ours = measured_grid(timed, (lambda each: each.energy) if is_metered else (lambda each: each.time))
    what = f"energy ({timed[0].energy_source})" if is_metered else "time"
    yield _on_source(timed[0], is_metered=is_metered)
    yield _on_dearer(theirs, ours, what)
    yield (
        f"Pruning more costs more than the step before: published in {dearer_steps(theirs, preset.ratios).shown} of "
        f"{len(theirs)} steps; {what} here: shown in {dearer_steps(ours, preset.ratios).in_words}."
    )
    for ratio in _aligned(preset, network):
        yield from _on_aligned(preset, theirs, ours, ratio, what)
    yield from _on_correlations(preset, network, timed, is_metered=is_metered)
    yield from _on_batches(preset, network, timed)


def _on_source(row: ListedRow, *, is_metered: bool) -> str:
    first = row.batches[0]
    if is_metered:
        return (
            f"Energy was measured on {row.device} ({first.energy_source}), that of the paper on an RTX 3080: signs and "
            "orders compare."
        )
    return (
        f"Energy is modelled on {row.device}, which has no counter that can be read. It follows from time and counts, "
        "and shows nothing beyond them; what was published of energy is compared with time, which was measured beside "
        "the unpruned network."
    )


def _on_dearer(theirs: Grid, ours: Grid, what: str) -> str:
    by_ratio: dict[int, list[int]] = {}
    for cell, cost in theirs.items():
        by_ratio.setdefault(cell.ratio, []).append(cost.value > 1)
    worst = ", ".join(f"{sum(each)} of {len(each)} at {ratio} %" for ratio, each in by_ratio.items() if any(each))
    both = [cell for cell, cost in theirs.items() if cell in ours and cost.value > 1]
    confirmed = dearer({cell: ours[cell] for cell in both})
    return (
        f"Pruned networks that cost more than the unpruned one: published {dearer(theirs).shown} of {len(theirs)} "
        f"points ({worst}); {what} here: shown in {dearer(ours).in_words}. Of those published as dearer, "
        f"{len(both)} were measured here: shown in {confirmed.in_words}."
    )


def _aligned(preset: ListedPreset, network: Network) -> list[int]:
    """Return the ratios at which the uniform distribution leaves multiples of `ALIGNED` in every layer."""
    dense = unpruned(network.name, device="meta")
    widths = {ratio: kept_widths(dense, network, Pruning(UNIFORM, ratio)) for ratio in preset.ratios}
    return [ratio for ratio, kept in widths.items() if not any(width % ALIGNED for width in kept)]


def _on_aligned(preset: ListedPreset, theirs: Grid, ours: Grid, ratio: int, what: str) -> Iterator[str]:
    """Say what happens where all widths are multiples of what a kernel takes at once."""
    after = preset.ratios[preset.ratios.index(ratio) + 1]
    best, then = cheapest(theirs, UNIFORM, ratio), beyond(theirs, UNIFORM, ratio, after)
    least, more_then = cheapest(ours, UNIFORM, ratio).in_words, beyond(ours, UNIFORM, ratio, after).in_words
    yield (
        f"At {ratio} % every width of {UNIFORM} is a multiple of {ALIGNED}. Published: it costs least of the five "
        f"distributions at {best.shown} of {best.of} batch sizes, and {after} % costs more than {ratio} % at "
        f"{then.shown} of {then.of}; {what} here: least is shown at {least}; {after} % above {ratio} % at {more_then}."
    )


def _on_correlations(
    preset: ListedPreset, network: Network, timed: Sequence[ListedRow], *, is_metered: bool
) -> Iterator[str]:
    for place, batch in enumerate(preset.batch_sizes):
        found = [(each, row.macs) for row in timed for each in row.batches if each.batch == batch]
        if not found:
            continue
        macs = [count for series in network.series for count in series.macs]
        joules = [cost for series in network.series for cost in series.energy_j[place]]
        seconds = [1 / fps for series in network.series for fps in series.fps[place]]
        with_macs, with_time = rank_correlation(joules, macs), rank_correlation(joules, seconds)
        cost = [each.energy.value if is_metered else each.time.value for each, _ in found]
        ours = rank_correlation(cost, [count for _, count in found])
        if ours is not None and with_macs is not None and with_time is not None:
            yield (
                f"Batch {batch}, rank correlation with FLOPs: published energy {with_macs.value:.2f}, "
                f"{'energy' if is_metered else 'time'} here {ours.value:.2f} [{ours.lower:.2f}, {ours.upper:.2f}] of "
                f"{len(found)} networks; published energy with published time {with_time.value:.2f}."
            )


def _on_batches(preset: ListedPreset, network: Network, timed: Sequence[ListedRow]) -> Iterator[str]:
    """Say what a larger batch saves of the unpruned network's cost of an image."""
    first, last = timed[0].batches[0].batch, timed[0].batches[-1].batch
    if first == last:
        return
    at, then = (preset.batch_sizes.index(batch) for batch in (first, last))
    saved = 1 - network.energy_j[then] / network.energy_j[at]
    faster = [row.batches[-1].unpruned_fps / row.batches[0].unpruned_fps for row in timed]
    mean, interval = mean_with_interval(faster)
    ends = f" [{interval.lower:.2f}, {interval.upper:.2f}]" if interval else ""
    yield (
        f"Batch {first} to {last}, unpruned: published {saved:.0%} less energy and "
        f"{network.fps[then] / network.fps[at]:.2f} times the images per second; here {mean:.2f}{ends} times the "
        "images per second."
    )
