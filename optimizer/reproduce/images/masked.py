"""What masked networks can and cannot save, said beside the times and energies that were measured on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from optimizer.reproduce.images.preset import ImagePreset
from optimizer.reproduce.images.rows import ImageRow
from optimizer.reproduce.rows import Figure

LAYER_WISE = "layer-wise"
GAIN = 0.02  # of time; smaller gains are within the noise


def on_masks(preset: ImagePreset, rows: Sequence[ImageRow]) -> Iterator[str]:
    """Yield the sentences on what the sparsity of masks is worth."""
    yield from _on_index(rows)
    for row in rows:
        if row.approach == LAYER_WISE:
            yield _on_ceiling(row, preset.best_time(row.model))
    if preset.layout == "techniques":
        yield from _on_techniques(rows)
    yield from _on_noise(rows)
    yield from _on_kernels(rows)


def _on_index(rows: Sequence[ImageRow]) -> Iterator[str]:
    of = {(row.technique, row.nominal_sparsity, row.approach): row for row in rows}
    pairs = [
        (row, of.get((row.technique, row.nominal_sparsity, "global"))) for row in rows if row.approach == LAYER_WISE
    ]
    if not pairs:
        return
    better = [ours.configuration for ours, other in pairs if other and ours.efficiency_index > other.efficiency_index]
    yield (
        f"The Efficiency Index of layer-wise is above that of global in {len(better)} of {len(pairs)} pairs "
        "(published: in all; ours is a reading of an equation that the text shows as a picture). Both run "
        "the same dense kernels, so that no order in it comes from the sparsity."
    )


def _on_ceiling(row: ImageRow, promised: float) -> str:
    possible = row.overall_sparsity >= -promised
    verdict = "could come from this sparsity with such a kernel" if possible else "cannot come from this sparsity"
    return (
        f"{row.configuration} removes {row.pruned_weights:,} of {row.weights:,} weights ({row.overall_sparsity:.2%}): "
        f"even a kernel that skipped every zero would save at most {row.overall_sparsity:.2%} of the multiplications; "
        f"its time was {row.time_change.mean:+.1%} against the dense one's. The {promised:+.0%} of time that the paper "
        f"reports at best for such networks {verdict}."
    )


def _on_techniques(rows: Sequence[ImageRow]) -> Iterator[str]:
    """Say what the times and energies of masked convolutional networks mean."""
    sparse = [row for row in rows if row.technique is not None]
    if not sparse:
        return
    shares = {row.approach: row.overall_sparsity for row in sparse}
    yield f"Of all weights, {'; '.join(f'{approach} is {share:.2%}' for approach, share in shares.items())}."
    yield (
        "Masked networks run the same dense kernels: against dense, inference took "
        f"{_changes(sparse, lambda row: row.time_change)} time and "
        f"{_changes(sparse, lambda row: row.energy_change)} energy, training "
        f"{_changes(sparse, lambda row: row.training_time_change)} time and "
        f"{_changes(sparse, lambda row: row.training_energy_change)} energy ({rows[0].energy_source}). No saving can "
        "come from a mask, here or in the paper, which names the masks itself (sections 4.7 and 5); filters that are "
        "taken out of the network, as a study of this project does, can save."
    )


def _changes(rows: Sequence[ImageRow], value: Callable[[ImageRow], Figure | None]) -> str:
    values = [found.mean for row in rows if (found := value(row)) is not None]
    return f"{min(values):+.1%} to {max(values):+.1%}" if values else "–"


def _on_noise(rows: Sequence[ImageRow]) -> Iterator[str]:
    for row in rows:
        if row.technique is None:
            yield (
                f"A trained dense network took {row.time_change.mean:+.1%} time against an untrained one of the same "
                "shape, in the same rounds: changes of that size say nothing."
            )


def _on_kernels(rows: Sequence[ImageRow]) -> Iterator[str]:
    for name, field in (
        ("taking dead neurons out", "removed_time_change"),
        ("compressed sparse rows", "csr_time_change"),
    ):
        tried = [(row, getattr(row, field)) for row in rows if getattr(row, field) is not None]
        gains = [f"{row.configuration} {change:+.1%}" for row, change in tried if change < -GAIN]
        if tried:
            yield f"Time with {name}, against dense: {', '.join(gains)}." if gains else f"No gain from {name}."
