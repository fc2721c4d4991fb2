"""What holds of the published claims, and whether this project's own way is better, in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from optimizer.reproduce.answered import difference
from optimizer.reproduce.claims import Published
from optimizer.reproduce.encoders.preset import QUANTITIES, EncoderPreset
from optimizer.reproduce.encoders.records import EncoderRecord
from optimizer.reproduce.encoders.rows import EncoderRow, is_of
from optimizer.reproduce.reproduce import short_name
from optimizer.reproduce.rows import Figure, by_seed
from optimizer.reproduce.tables import listed

OURS = "this project's way is better, without training"
THEIRS = "the published algorithm with its training is better"


def sentences(preset: EncoderPreset, rows: Sequence[EncoderRow], records: Sequence[EncoderRecord]) -> tuple[str, ...]:
    """Return what was measured under which conditions, what holds of the published values, and which way is better.

    A quality agrees with a published one within one point (Matthews correlation: 0.03), a change of cost within a
    quarter of it, a number of parameters or of multiply-accumulates within 5 %. Absolute times and joules are shown and
    not judged: they are of other machines.
    """
    return (
        *_on_conditions(rows, records),
        *_on_the_dense_model(rows, records),
        *(sentence for value in preset.published for sentence in _on_published(value, rows)),
        *_on_single_weights(preset, rows),
        *_on_step_five(preset, rows),
        *_on_our_way(preset, rows, records),
    )


def _on_conditions(rows: Sequence[EncoderRow], records: Sequence[EncoderRecord]) -> Iterator[str]:
    row, record = rows[0], records[0]
    key = record.key
    yield (
        f"{short_name(row.model)} on {row.dataset}: measured on {row.examples:,} validation examples; trained on "
        f"{record.trained_on:,}, epochs {key.epochs}, learning rate {key.learning_rate:g}, batch {key.batch_size}, "
        f"on {record.device}. Latency is of one sequence of {row.sequence_length} tokens on {row.cpu}, threads "
        f"{row.threads}; energy of one inference is {row.energy_source}, of {row.energy_device}."
    )
    if row.gpu_latency_s is None:
        yield "GPU latency: not measured, there is no CUDA device."
    yield from dict.fromkeys(note for record in records for note in record.notes)


def _on_the_dense_model(rows: Sequence[EncoderRow], records: Sequence[EncoderRecord]) -> Iterator[str]:
    dense, majority = rows[0], records[0].majority
    if dense.accuracy.mean <= majority:
        yield f"The dense model does not beat the majority class ({majority:.1%}): its rows are meaningless."
    if not records[0].dense_was_trained:
        yield "The checkpoint was fine-tuned already: runs differ only in the training after pruning."
    noise = [f"{row.configuration} {row.cpu_latency_change.mean:+.1%}" for row in rows if row.ratio.mean == 0]
    yield f"CPU latency of models of the dense shape against dense: {', '.join(noise)}; such changes are noise."
    for row in rows[1:]:
        if row.ratio.mean == 0:
            yield (
                f"{row.configuration} ({row.method}, nothing pruned): {row.accuracy_difference.in_points} points of "
                "accuracy against dense. A pruned model that was trained again has had this training too."
            )


def _on_published(value: Published, rows: Sequence[EncoderRow]) -> Iterator[str]:
    """Compare a published value with every row it may mean; a change also on other models and tasks, saying so."""
    is_theirs = is_of(value, rows[0].dataset, rows[0].model)
    if not is_theirs and not value.metric.endswith("_change"):
        return
    quantity = QUANTITIES[value.metric]
    meant = [(row.configuration, _figure(row, value.metric)) for row in rows if value.is_about(row.configuration)]
    known = [(label, found.mean) for label, found in meant if found is not None]
    whose = "" if is_theirs else f", of {' and '.join(value.models)} on {' and '.join(value.datasets)}"
    what = f"{quantity.words}: published {quantity.claimed(value)} ({value.where}{whose}); here "
    if not known:
        yield f"{what}not measured."
        return
    verdict = ""
    if quantity.is_judged:
        near = [label for label, mean in known if quantity.agrees(value, mean)]
        verdict = f": agrees at {', '.join(near)}" if near else ": agrees with none"
    yield f"{what}{', '.join(f'{label} {quantity.show(mean)}' for label, mean in known)}{verdict}."


def _figure(row: EncoderRow, metric: str) -> Figure | None:
    found: Figure | None = getattr(row, metric)
    return found


def _on_single_weights(preset: EncoderPreset, rows: Sequence[EncoderRow]) -> Iterator[str]:
    ran = {row.configuration: row for row in rows}
    methods = {c.label: c.method for c in preset.configurations if c.label in ran and c.method in ("weights", "set")}
    masked = [ran[label] for label in methods]
    if masked:
        times = ", ".join(f"{row.configuration} {row.cpu_latency_change.mean:+.1%}" for row in masked)
        yield (
            f"Single weights at zero run the same dense kernels: CPU latency against dense {times}; FLOPs and "
            "parameters stay as they are. No saving can come from them without a kernel that skips zeros."
        )
    if "set" in methods.values():
        yield "SET swaps between epochs: of a training of one epoch its masks are random ones that stay."


def _on_step_five(preset: EncoderPreset, rows: Sequence[EncoderRow]) -> Iterator[str]:
    by_label = {row.configuration: row for row in rows}
    within = f"ε = {preset.epsilon:g} of dense"
    ran = [c for c in preset.configurations if c.label in by_label]  # a command that was cut off has not run all
    fixed = [by_label[c.label] for c in ran if c.method == "magnitude"]
    held = [row.ratio.mean for row in fixed if -row.accuracy_change.mean <= preset.epsilon]
    tried = ", ".join(f"{row.ratio.mean:g}" for row in fixed)
    if fixed:
        largest = f"{max(held):g} is the largest whose accuracy is" if held else "none is"
        yield f"Step 5 with training inside its loop: of p = {tried}, {largest} within {within}."
    for configuration in ran:
        if configuration.method == "iterative":
            row = by_label[configuration.label]
            found = f"p = {row.ratio.mean:.2g} stays" if row.ratio.mean else "no p, so nothing is pruned: none stays"
            yield (
                f"Step 5 with no training inside its loop, on other examples: {found} within {within} "
                f"(mean of runs: {row.runs})."
            )


def _on_our_way(preset: EncoderPreset, rows: Sequence[EncoderRow], records: Sequence[EncoderRecord]) -> Iterator[str]:
    by_label = {row.configuration: row for row in rows}
    ran = [c for c in preset.configurations if c.label in by_label]
    theirs = {c.ratio: c.label for c in ran if c.method == "magnitude"}
    pairs = [(c.label, theirs[c.ratio]) for c in ran if c.method == "obs" and c.ratio in theirs]
    for own, other in pairs:
        ours, published = by_label[own], by_label[other]
        found = difference(by_seed(records, own), by_seed(records, other))
        before = published.untrained_accuracy
        yield (
            f"{own} ({ours.method}) minus {other} ({published.method}, {published.training_s.mean:.0f} s of training): "
            f"{found.in_points} points of accuracy, at {1 + ours.flops_change.mean:.1%} against "
            f"{1 + published.flops_change.mean:.1%} of the FLOPs; {found.says(OURS, THEIRS)}."
            + (_on_training(published, before.mean) if before else "")
        )
    if pairs:
        yield "Each interval holds for its own comparison at 95 %, not for all of them together."
    if pairs and records[0].key.train_examples is not None:
        yield (
            f"Algorithm 1 was trained on {records[0].trained_on:,} examples, epochs {records[0].key.epochs}: a part of "
            "what is published, with which it may come out higher."
        )


def _on_training(row: EncoderRow, before: float) -> str:
    """Say what the training after pruning did; that it did harm only beyond one standard error."""
    after = row.accuracy.mean
    harm = before - after > (after * (1 - after) / row.examples) ** 0.5
    remark = " The training reduced accuracy: more examples or another learning rate may help." if harm else ""
    return f" Before its training {row.configuration} had {before:.2%}, after it {after:.2%}.{remark}"


def quotations(preset: EncoderPreset) -> tuple[str, ...]:
    """Return what the paper quotes of other models, what it gives as examples, and what it leaves open, each a part."""
    quoted = [
        f"{row.model} ({row.source}): {row.parameters / 1e6:g} M parameters, SST-2 accuracy {row.sst2_accuracy:.2%}"
        + ("" if row.cola_mcc is None else f", CoLA MCC {row.cola_mcc:g}")
        + f", compression {row.compression}"
        for row in preset.quoted
    ]
    parts = (
        ("Quoted there from others", quoted),
        ("Examples there, of no run", [f"{each.where}: {each.text}" for each in preset.illustrations]),
        ("What the paper leaves open, and what cannot be", preset.remarks),
    )
    return tuple(f"## {head}\n\n{listed(lines)}" for head, lines in parts if lines)
