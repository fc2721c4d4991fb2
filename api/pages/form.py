"""The form for a new study, made from the schema of the request, so that pages and API cannot differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.http.models import StudyRequest
from optimizer.families.names import MODELS, TASK_NAMES

Schema = Mapping[str, Any]  # Any: JSON data
LABELS: Mapping[str, str] = {
    "epsilon": "ε, tolerated drop",
    "objectives": "Costs to minimize along with the drop",
    "trials": "Candidates",
    "timeout": "Seconds of search",
    "reconstruct": "Reconstruct by least squares",
    "recover": "Recovery of the shortlist",
    "keep": "Layers that stay dense",
    "measure_seconds": "Seconds of timing",
    "threads": "CPU threads",
    "allow_untrained": "Accept a model without a trained head",
}
HINTS: Mapping[str, str] = {
    "epsilon": "in the metric's unit: 0.01 is one point",
    "name": "lower case; built from model and task by default",
    "text_columns": "one or two, separated by commas; default: the task's own",
    "label_column": "default: the task's own",
    "weights": "torchvision's file, such as resnet18-f37072fd.pth; by default the network is trained first",
    "keep": "layers or groups, separated by commas",
    "batch_sizes": "of the latency measurement, separated by commas",
    "measure_seconds": "per batch size, over all models of the shortlist",
    "criterion": "how units are ranked",
    "structure": "units: heads, neurons, channels; weights: masks, for image networks only",
    "search_examples": "default: all",
    "verification_examples": "default: all",
    "calibration_examples": "rank units and solve the layers that read them",
    "priority": "higher runs first",
    "device": "cpu, cuda, cuda:N or mps",
    "limits": "upper bounds on a candidate, as ratios to the dense model",
}
SECTIONS: Sequence[tuple[str, tuple[str, ...]]] = (
    ("Model and task", ("model", "weights", "task", "epsilon", "name")),
    ("Search", ("objectives", "sampler", "trials", "timeout", "seed", "priority")),
    ("Limits", ("flops_ratio", "latency_ratio", "energy_ratio", "parameters_ratio", "size_ratio")),
    ("Pruning", ("structure", "epochs", "criterion", "reconstruct", "recover", "keep", "round_to", "allow_untrained")),
    (
        "Data",
        (
            "data", "text_columns", "label_column", "metric", "max_length",
            "calibration_examples", "search_examples", "verification_examples",
        ),
    ),
    ("Measuring", ("batch_sizes", "sequence_length", "measure_seconds", "threads", "device")),
)  # fmt: skip
OPEN = 2  # sections that are shown unfolded
SUGGESTIONS: Mapping[str, Sequence[str]] = {
    "model": tuple(MODELS),
    "task": TASK_NAMES,
}
PATTERNS: Mapping[str, tuple[str, str]] = {
    "name": (
        r"(?!\d+$)[a-z0-9][a-z0-9._\-]*",
        "a-z, 0-9, '.', '_' and '-'; start with a letter or digit, with at least one other than a digit",
    ),
    "device": (r"cpu|cuda(:\d+)?|mps", "cpu, cuda, cuda:N or mps"),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input of the form. `path` is its place in the request; `attributes` are those that browsers check by."""

    name: str
    path: str
    kind: str  # text, number, choice, choices, flag or list
    label: str
    hint: str
    default: Any  # Any: JSON data
    options: Sequence[str]
    suggestions: Sequence[str]
    attributes: Mapping[str, str | int | float]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the form under one heading."""

    title: str
    inputs: Sequence[Input]
    is_open: bool


def sections() -> list[Section]:
    """Return the form. Every field of a request is in it, which a test holds."""
    schema = StudyRequest.model_json_schema()
    fields = {name: (name, field) for name, field in schema["properties"].items() if name != "limits"}
    fields |= {n: (f"limits.{n}", field) for n, field in schema["$defs"]["Limits"]["properties"].items()}
    required = set(schema["required"])
    return [
        Section(title, [_input(n, *fields[n], is_required=n in required) for n in names], is_open=place < OPEN)
        for place, (title, names) in enumerate(SECTIONS)
    ]


def _input(name: str, path: str, field: Schema, *, is_required: bool) -> Input:
    inner = _without_null(field)
    items = inner.get("items", {})
    return Input(
        name=name,
        path=path,
        kind=_kind(inner),
        label=LABELS.get(name, name.replace("_", " ").capitalize().replace("Flops", "FLOPs")),
        hint=HINTS.get(name, str(field.get("description", ""))).replace("`", ""),
        default=field.get("default"),
        options=tuple(inner.get("enum", items.get("enum", ()))),
        suggestions=SUGGESTIONS.get(name, ()),
        attributes=_attributes(name, inner, is_required=is_required),
    )


def _without_null(field: Schema) -> Schema:
    choices = [one for one in field.get("anyOf", [field]) if one.get("type") != "null"]
    return choices[0] if choices else field


def _kind(field: Schema) -> str:
    if field.get("type") == "array":
        return "choices" if "enum" in field["items"] else "list"
    if "enum" in field:
        return "choice"
    return {"boolean": "flag", "integer": "number", "number": "number"}.get(str(field.get("type")), "text")


def _attributes(name: str, field: Schema, *, is_required: bool) -> dict[str, str | int | float]:
    """Return HTML's own constraints; what lies above an excluded bound is said with `data-above` and `data-below`."""
    named = {
        "minimum": "min", "maximum": "max", "exclusiveMinimum": "data-above", "exclusiveMaximum": "data-below",
        "minLength": "minlength", "maxLength": "maxlength",
    }  # fmt: skip
    found: dict[str, str | int | float] = {html: field[key] for key, html in named.items() if key in field}
    if field.get("type") in ("number", "integer"):
        found["step"] = 1 if field["type"] == "integer" else "any"
    if field.get("type") == "array":
        found["data-items"] = field["items"].get("type", "string")
    if name in PATTERNS:
        found["pattern"], found["title"] = PATTERNS[name]
    return found | ({"required": "required"} if is_required else {})
