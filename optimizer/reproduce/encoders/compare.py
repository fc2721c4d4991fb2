"""What holds of the published claims, and whether this project's own way is better, in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from optimizer.reproduce.encoders.preset import EncoderPreset, MetricName, Published
from optimizer.reproduce.encoders.records import EncoderRecord
from optimizer.reproduce.encoders.rows import Difference, EncoderRow, by_seed, difference, is_of, short_name

NAMES: dict[MetricName, str] = {
    "accuracy": "accuracy",
    "accuracy_change": "accuracy against dense, points",
    "f1": "F1",
    "mcc": "Matthews correlation",
    "parameters": "parameters",
    "parameters_change": "parameters against dense",
    "flops": "FLOPs",
    "flops_change": "FLOPs against dense",
    "cpu_latency_s": "CPU latency",
    "cpu_latency_change": "CPU latency against dense",
    "gpu_latency_s": "GPU latency",
    "gpu_latency_change": "GPU latency against dense",
    "energy_j": "energy of one inference",
    "energy_change": "energy against dense",
}
SCALES: dict[MetricName, tuple[float, str]] = {  # what a figure is multiplied with, and how it is written
    "accuracy": (100, "{:.2f} %"),
    "accuracy_change": (100, "{:+.2f}"),
    "f1": (100, "{:.2f} %"),
    "mcc": (1, "{:.3f}"),
    "parameters": (1e-6, "{:.2f} M"),
    "flops": (1e-9, "{:.4g} B"),
    "cpu_latency_s": (1e3, "{:.3g} ms"),
    "gpu_latency_s": (1e3, "{:.3g} ms"),
    "energy_j": (1, "{:.3g} J"),
}
CHANGE = (100, "{:+.1f} %")
NEAR: dict[MetricName, float] = {"accuracy": 0.01, "accuracy_change": 0.01, "f1": 0.01, "mcc": 0.03}
NEAR_SHARE: dict[MetricName, float] = {  # of the published value
    "parameters": 0.05,
    "parameters_change": 0.25,
    "flops_change": 0.25,
    "cpu_latency_change": 0.25,
    "gpu_latency_change": 0.25,
    "energy_change": 0.25,
}


def sentences(preset: EncoderPreset, rows: Sequence[EncoderRow], records: Sequence[EncoderRecord]) -> tuple[str, ...]:
    """Return what was measured under which conditions, what holds of the published values, and which way is better.

    A quality agrees with a published one within one point (Matthews correlation: 0.03), a change of cost within a
    quarter of it, a number of parameters within 5 %. Absolute FLOPs, times and joules are shown and not judged: the
    paper gives neither the length of its inputs nor what the joules are of.
    """
    return (
        *_on_conditions(rows, records),
        *_on_the_dense_model(rows, records),
        *(sentence for value in preset.published for sentence in _on_published(value, rows)),
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
                f"{row.configuration} ({row.method}, nothing pruned): {_points(row.accuracy_difference)} points of "
                "accuracy against dense. A pruned model that was trained again has had this training too."
            )


def _on_published(value: Published, rows: Sequence[EncoderRow]) -> Iterator[str]:
    """Compare a published value with every row it may mean; a change also on other models and tasks, saying so."""
    is_theirs = is_of(value, rows[0].dataset, rows[0].model)
    if not is_theirs and not value.metric.endswith("_change"):
        return
    found = [(row, row.figure(value.metric)) for row in rows if row.configuration in value.configurations]
    known = [(row.configuration, figure.mean) for row, figure in found if figure is not None]
    whose = "" if is_theirs else f", of {' and '.join(value.models)} on {' and '.join(value.datasets)}"
    what = f"{NAMES[value.metric]}: published {written(value.metric, value.value)} ({value.where}{whose}); here "
    measured = ", ".join(f"{label} {written(value.metric, mean)}" for label, mean in known)
    if not known:
        yield f"{what}not measured."
    elif value.metric in (*NEAR, *NEAR_SHARE):
        near = [label for label, mean in known if agrees(value.metric, value.value, mean)]
        yield f"{what}{measured}: {'agrees at ' + ', '.join(near) if near else 'agrees with none'}."
    else:
        yield f"{what}{measured}."


def agrees(metric: MetricName, published: float, measured: float) -> bool:
    """Return whether a measured figure is near enough to a published one, as `sentences` says."""
    near = NEAR[metric] if metric in NEAR else abs(published) * NEAR_SHARE[metric]
    return abs(measured - published) <= near + 1e-12  # so that a whole tolerance in floats is still one


def _on_step_five(preset: EncoderPreset, rows: Sequence[EncoderRow]) -> Iterator[str]:
    by_label = {row.configuration: row for row in rows}
    within = f"ε = {preset.epsilon:g} of dense"
    fixed = [by_label[c.label] for c in preset.configurations if c.method == "magnitude"]
    held = [row.ratio.mean for row in fixed if -row.accuracy_change.mean <= preset.epsilon]
    tried = ", ".join(f"{row.ratio.mean:g}" for row in fixed)
    if fixed:
        largest = f"{max(held):g} is the largest whose accuracy is" if held else "none is"
        yield f"Step 5 with training inside its loop: of p = {tried}, {largest} within {within}."
    for configuration in preset.configurations:
        if configuration.method == "iterative":
            row = by_label[configuration.label]
            found = f"p = {row.ratio.mean:.2g} stays" if row.ratio.mean else "no p, so nothing is pruned: none stays"
            yield (
                f"Step 5 with no training inside its loop, on other examples: {found} within {within} "
                f"(mean of runs: {row.runs})."
            )


def _on_our_way(preset: EncoderPreset, rows: Sequence[EncoderRow], records: Sequence[EncoderRecord]) -> Iterator[str]:
    by_label = {row.configuration: row for row in rows}
    theirs = {c.ratio: c.label for c in preset.configurations if c.method == "magnitude"}
    pairs = [(c.label, theirs[c.ratio]) for c in preset.configurations if c.method == "obs" and c.ratio in theirs]
    for own, other in pairs:
        ours, published = by_label[own], by_label[other]
        found = difference(by_seed(records, own), by_seed(records, other))
        before = published.untrained_accuracy
        yield (
            f"{own} ({ours.method}) minus {other} ({published.method}, {published.training_s.mean:.0f} s of training): "
            f"{_points(found)} points of accuracy, at {1 + ours.flops_change.mean:.1%} against "
            f"{1 + published.flops_change.mean:.1%} of the FLOPs; {_verdict(found)}."
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


def _verdict(found: Difference) -> str:
    if found.lower > 0:
        return "this project's way is better, without training"
    return "the published algorithm with its training is better" if found.upper < 0 else "no difference is shown"


def _points(found: Difference) -> str:
    return f"{100 * found.mean:+.2f} [{100 * found.lower:+.2f}, {100 * found.upper:+.2f}]"


def written(metric: MetricName, value: float) -> str:
    """Return a figure in the unit that it is read in."""
    scale, text = SCALES.get(metric, CHANGE)
    return text.format(scale * value)
