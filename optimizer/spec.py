"""The frozen input of a study: model, task, ε, objectives, search and budget."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from optimizer.bounds import STORED, AsWritten, AtMost, Examples, Name, Place
from optimizer.errors import BrokenSpecError

Ratio = Annotated[float, Field(gt=0, le=1), AsWritten()]
SamplerName = Literal["tpe", "random", "nsga2", "nsga3", "pymoo-nsga2", "iterative"]
CriterionName = Literal["obs", "fisher", "taylor", "activation", "magnitude-l1", "magnitude-l2", "random"]
CostName = Literal["flops", "latency", "energy", "parameters", "size"]
StructureName = Literal["units", "weights"]
DEVICE = "cpu|cuda(:[0-9]{1,4})?|mps"
EACH_ONCE: dict[str, Any] = {"minItems": 1, "uniqueItems": True}  # for JSON Schema; Any: pydantic's own
MetricName = Literal["accuracy", "f1", "matthews", "pearson", "spearman"]


MAX_LENGTH = 128  # tokens per text, by default
AS_PUBLISHED: Mapping[str, Any] = {"criterion": "magnitude-l1", "reconstruct": False}
"""Defaults of Algorithm 1."""
AS_MASKED: Mapping[str, Any] = {**AS_PUBLISHED, "objectives": ("parameters",)}
"""Defaults of masked weights: every schedule ranks by magnitude, and parameters are what is known beforehand."""


class Frozen(BaseModel):
    """A frozen pydantic model that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Limits(Frozen):
    """Upper limits on a candidate's costs, as ratios to the dense model."""

    flops_ratio: Ratio | None = None
    latency_ratio: Ratio | None = None
    energy_ratio: Ratio | None = None
    parameters_ratio: Ratio | None = None
    size_ratio: Ratio | None = None


class StudySpec(Frozen):
    """One study: model × task × ε × objectives × search space × sampler × budget."""

    model: Place = Field(description="short name, hub id or local directory")
    weights: Place | None = Field(None, description="torchvision's weight file for one of its image networks")
    task: Name = Field(description="a built-in or GLUE task, or any name together with `data`")
    epsilon: Annotated[float, Field(ge=0, lt=1), AsWritten()] = Field(
        description="tolerated drop, in the metric's unit (0.01 is one point)"
    )

    data: Place | None = Field(None, description="directory of parquet, csv, tsv or jsonl splits, or a hub id")
    text_columns: Annotated[tuple[Name, ...], AtMost(16)] | None = None
    label_column: Name | None = None
    metric: MetricName | None = Field(None, description="default: the task's own metric")
    max_length: Annotated[int, Field(ge=4), AtMost(2**20), AsWritten()] = Field(
        MAX_LENGTH, description="tokens; longer texts are truncated to this length or to the model's own limit"
    )

    structure: StructureName = Field(
        "units", description="units (heads, neurons, channels) or weights (single weights of an image network)"
    )
    epochs: Annotated[int, Field(ge=2), AtMost(100_000), AsWritten()] | None = Field(
        None, description="of a masked candidate's training; default: as many as for the dense network"
    )
    objectives: tuple[CostName, ...] = Field(
        ("flops",), description="costs that the search minimizes in addition to the drop", json_schema_extra=EACH_ONCE
    )
    limits: Limits = Limits()
    criterion: CriterionName = "obs"
    reconstruct: Annotated[bool, AsWritten()] = Field(
        default=True, description="solve the layers after pruned units again by least squares"
    )
    keep: Annotated[tuple[Name, ...], AtMost(1000)] = Field((), description="layers or groups that stay dense")
    round_to: Annotated[int, Field(ge=1), AtMost(65_536), AsWritten()] = Field(
        8, description="channels of an image network are kept in multiples of this"
    )

    sampler: SamplerName = "tpe"
    trials: Annotated[int, Field(ge=1), AtMost(1_000_000), AsWritten()] = Field(
        100, description="candidates, including the ladder"
    )
    timeout: Annotated[float, Field(gt=0), AtMost(10**9), AsWritten()] | None = Field(
        None, description="seconds of search; without it the search runs all `trials`"
    )
    seed: Annotated[int, Field(ge=0), AtMost(2**63 - 1), AsWritten()] = 0
    recover: Literal["none", "finetune"] = "none"

    batch_sizes: Annotated[tuple[Annotated[int, Field(ge=1), AtMost(65_536), AsWritten()], ...], AtMost(16)] = Field(
        (1, 32), json_schema_extra=EACH_ONCE
    )
    sequence_length: Annotated[int, Field(ge=2), AtMost(2**20), AsWritten()] | None = Field(
        None, description="tokens of a latency request; default: the median"
    )
    measure_seconds: Annotated[float, Field(gt=0), AtMost(3600), AsWritten()] = Field(
        5.0, description="seconds of timing per batch size, over all models of the shortlist"
    )
    threads: Annotated[int, Field(ge=1), AtMost(1024), AsWritten()] | None = Field(
        None, description="CPU threads; default: torch's own choice"
    )
    device: Name = Field("cpu", json_schema_extra={"pattern": f"^({DEVICE})$"})

    calibration_examples: Annotated[int, Field(ge=16), AtMost(10**9), AsWritten()] = 1024
    search_examples: Examples | None = None
    verification_examples: Examples | None = None
    allow_untrained: Annotated[bool, AsWritten()] = False

    @classmethod
    def stored(cls, spec: Mapping[str, Any]) -> Self:  # Any: JSON data
        """Return the spec of a stored study, without applying the bounds for new specs. Raises `BrokenSpecError`."""
        try:
            return cls.model_validate(dict(spec), context=STORED)
        except ValidationError as error:
            first = error.errors()[0]
            raise BrokenSpecError(".".join(map(str, first["loc"])), first["msg"]) from error

    @field_validator("epsilon")
    @classmethod
    def _epsilon_is_a_number(cls, value: float) -> float:
        if not math.isfinite(value):
            raise ValueError("must be a number in [0, 1)")
        return value

    @field_validator("device")
    @classmethod
    def _device_is_a_name(cls, value: str) -> str:
        if not re.fullmatch(DEVICE, value):
            raise ValueError("must be cpu, cuda, cuda:N or mps")
        return value

    @model_validator(mode="before")
    @classmethod
    def _other_defaults(cls, data: Any) -> Any:  # Any: the caller's input
        if isinstance(data, Mapping) and data.get("structure") == "weights":
            return {**AS_MASKED, **data}
        if isinstance(data, Mapping) and data.get("sampler") == "iterative":
            return {**AS_PUBLISHED, **data}
        return data

    @field_validator("objectives", "batch_sizes")
    @classmethod
    def _not_empty_no_repeats(cls, value: tuple[object, ...]) -> tuple[object, ...]:
        if not value or len(set(value)) != len(value):
            raise ValueError("name at least one, each once")
        return value

    @model_validator(mode="after")
    def _iterative_is_as_published(self) -> Self:
        if self.sampler == "iterative" and (self.reconstruct or not self.criterion.startswith("magnitude")):
            raise ValueError("sampler 'iterative' is Algorithm 1 as published: criterion magnitude, no reconstruction")
        return self
