"""The model card: the figures of an exported model with their conditions."""

from __future__ import annotations

from pathlib import PurePath

from objectives.figures import scaled
from optimizer.backends.names import FLOATS
from optimizer.fronts.headline import bounds_in_words, in_doubt
from optimizer.handover.usage import usage_of_images, usage_of_texts
from optimizer.tasks.table import KINDS, Kind, kind_of_metric
from optimizer.views.latencies import RUNTIMES, change_of, places_of, times, title_of
from optimizer.views.member import Member, RunResult, VerificationView
from studies.records import Origin, Verdict

VERDICTS = {
    Verdict.CERTIFIED: "certified: the drop is within ε with 95 % confidence, for all certified members together",
    Verdict.VERIFIED: "verified: the drop observed on the verification examples is within ε",
    Verdict.REFUTED: "refuted: the drop observed on the verification examples is above ε",
    Verdict.MEASURED: "measured: the study had limits and no ε; the drop was measured on the verification examples",
    Verdict.UNVERIFIED: "unverified: this candidate was never run on the verification examples",
}

TEXTS = ("library_name: pruning-optimizer", "tags: [structured-pruning, {}]")
IMAGES = ("tags: [structured-pruning, image-classification]",)
MASKED = ("tags: [unstructured-pruning, image-classification]",)


def _public(model: str) -> str:
    """Return a model's public name: a hub id as it is, the last part of a local path."""
    return PurePath(model).name if PurePath(model).is_absolute() else model


def model_card(
    member: Member,
    result: RunResult,
    *,
    dtype: str | None = None,
    is_stock: bool = False,
    is_own: bool = False,
) -> str:
    """Return the card as Markdown.

    `dtype` is that of the file, None without a file. An image network that `is_stock` loads in transformers, too; one
    that `is_own` needs the class that it came from.
    """
    verified, is_of_images = member.verification, "image" in result.conditions
    kind = KINDS[result.kind] if result.kind else kind_of_metric(result.metric)
    lines = [
        "---",
        *(MASKED if member.recipe else IMAGES if is_of_images else _about_texts(kind)),
        "---",
        f"# {_public(result.model)} pruned for {result.task}",
        "",
        f"Candidate {member.candidate} of study `{result.study}`, {bounds_in_words(result)} ({result.metric}).",
        "",
        f"**{VERDICTS[member.verdict]}.**",
        "",
        *_about_masks(member),
        *_about_training(member, result),
        "| | dense | this model |",
        "|---|---|---|",
        *_rows(member, result),
        "",
    ]
    if verified is not None:
        lines += [
            f"Drop on {verified.n} verification examples: {verified.drop:.4f} "
            f"[{verified.interval[0]:.4f}, {verified.interval[1]:.4f}] ({_level(verified)}, paired), "
            f"upper bound {_figure(verified.upper_95, '.4f')}; "
            f"one of a shortlist of {result.shortlist_size}, verified once; {member.verdict_in_words}"
            f"{in_doubt(member, result.epsilon)}.",
            *_by_label(verified),
        ]
    conditions = ", ".join(f"{k} {v}" for k, v in result.conditions.items() if not isinstance(v, dict | list))
    lines += [
        *_about_answers(member),
        *([] if dtype is None else [f"The weights are stored as {dtype}; sizes are those of files in that type."]),
        *_about_bits(member),
        f"Measured under: {conditions}.",
        "",
        "```python",
        *(usage_of_images(is_stock=is_stock, is_own=is_own) if is_of_images else usage_of_texts(kind)),
        "```",
        "",
    ]
    return "\n".join(lines)


def _level(verified: VerificationView) -> str:
    others = verified.interval_members
    return "95 %" if others == 1 else f"95 % for all {others} verified members together"


def _about_texts(kind: Kind) -> list[str]:
    return [line.format(kind.pipeline) for line in TEXTS]


def _about_masks(member: Member) -> list[str]:
    if member.recipe is None:
        return []
    return [
        f"Masked weights: {member.recipe.words}. The tensors are dense, with zeros; dead hidden neurons are removed. "
        "Parameters exclude the zeros; the size is that of the smallest storage, so the file is larger.",
        "",
    ]


def _about_bits(member: Member) -> list[str]:
    if member.bit_operations is None:
        return []
    return [
        "Where the file has `codes` in the place of a layer's weight, that has 16, 8 or 4 bits; two codes of 4 share a "
        "byte, and `scales` multiply codes of 8 and 4. Torch computes with the weights that they stand for."
    ]


def _about_training(member: Member, result: RunResult) -> list[str]:
    if member.origin != Origin.RECOVER:
        return []
    teacher = "the dense model" if result.teacher is None else _public(result.teacher)
    return [f"Pruned, then trained for {_figure(member.training_seconds, '.0f', ' s')}: it learned from {teacher}.", ""]


def _about_answers(member: Member) -> list[str]:
    """Return what gave the answers, nothing where every runtime gives the same; a warning where it was floats."""
    if member.answered is None:
        return []
    warning = "**Warning.** " if member.answered.activations == FLOATS else ""
    return ["", f"{warning}{member.answered.words}.", ""]


def _rows(member: Member, result: RunResult) -> list[str]:
    dense = result.baseline
    if dense is None:
        return []
    rows = [
        f"| {result.metric} (search, n = {dense.n}) | {dense.accuracy:.4f} | {_figure(member.accuracy, '.4f')} |",
        f"| FLOPs | {scaled(dense.flops)} | {scaled(member.flops)} (×{member.flops_ratio:.3f}) |",
        f"| parameters | {dense.parameters} | {member.parameters} |",
        f"| size in bytes | {dense.size_bytes} | {member.size_bytes} |",
    ]
    if dense.bit_operations and member.bit_operations:
        change = f"×{member.bit_operations / dense.bit_operations:.3f}"
        rows.append(f"| bit operations | {scaled(dense.bit_operations)} | {scaled(member.bit_operations)} ({change}) |")
    rows += [f"| {name} | {dense.own[name]:.4g} | {value:.4g} |" for name, value in member.own.items()]
    places = places_of([member])
    for place, view in zip(places, member.latency, strict=True):
        gain = change_of(view, times) + (f", {view.kernels} kernels" if view.kernels else "")
        before = _figure(view.dense_seconds, ".4g", " s")
        rows.append(f"| latency, {title_of(place, places)} | {before} | {view.seconds:.4g} s ({gain}) |")
    if member.energy_j is not None:
        gain = _figure(member.energy_ratio, ".2f", before="×") if member.energy_gain else "no gain"
        if member.energy_gain and member.energy_ratio_interval is not None:
            gain += " [{:.2f}, {:.2f}]".format(*member.energy_ratio_interval)
        name, before = f"energy per inference ({member.energy_source})", _figure(member.energy_dense_j, ".3g", " J")
        rows.append(f"| {name} | {before} | {member.energy_j:.3g} J ({gain}) |")
    if member.peak_memory_bytes is not None and member.memory_dense_bytes is not None:
        name, before = (
            f"peak memory of a request, {RUNTIMES[member.memory_backend]}",
            scaled(member.memory_dense_bytes, "B"),
        )
        rows.append(f"| {name} | {before} | {scaled(member.peak_memory_bytes, 'B')} (×{member.memory_ratio:.3f}) |")
    return rows


def _by_label(verified: VerificationView) -> list[str]:
    """Return a table of the labels, empty for other tasks."""
    rows = [
        f"| {each.label} | {each.n} | {each.dense_f1:.4f} | {each.f1:.4f} | {each.drop:.4f} "
        f"[{each.interval[0]:.4f}, {each.interval[1]:.4f}] |"
        for each in verified.labels
    ]
    return (
        ["", "| F1 by label | examples | dense | this model | drop, 95 % |", "|---|---|---|---|---|", *rows, ""]
        if rows
        else []
    )


def _figure(value: float | None, form: str, unit: str = "", *, before: str = "") -> str:
    return "–" if value is None else f"{before}{value:{form}}{unit}"
