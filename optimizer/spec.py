"""The frozen input of a study: model, task, ε, objectives, search and budget."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from optimizer.errors import BrokenSpecError
from optimizer.fields.bounds import STORED, AsWritten, AtMost, Examples, Name, OrOwn, Place
from optimizer.fields.distributions import MOST_LISTS, Distribution, what_is_wrong
from optimizer.fields.fields import DATA, LIMITS, MEASURE, MODEL, SEARCH, SPACE, Frozen, Shown
from search_spaces.transforms.table import AUTO, MASKS, TRANSFORMS, UNITS, check_transforms, trains

Length = Annotated[int, Field(ge=2), AtMost(2**20), AsWritten()]
Ratio = Annotated[float, Field(gt=0, le=1), AsWritten()]
SamplerName = Literal[
    "tpe", "random", "nsga2", "nsga3", "gp",
    "pymoo-nsga2", "pymoo-nsga3", "pymoo-unsga3", "pymoo-smsemoa", "pymoo-ctaea", "iterative",
]  # fmt: skip
CriterionName = Literal["obs", "fisher", "taylor", "knowledge", "activation", "magnitude-l1", "magnitude-l2", "random"]
CostName = Literal["flops", "latency", "energy", "parameters", "size", "memory", "bit_operations"]
StructureName = Literal["units", "weights"]
AugmentName = Literal["none", "crop", "crop-flip"]
BackendName = Literal["torch", "onnxruntime", "torch-compile", "cuda-graph"]
PrecisionName = Literal["float32", "bfloat16"]
DEVICE = "cpu|cuda(:[0-9]{1,4})?|mps"
EACH_ONCE: dict[str, Any] = {"minItems": 1, "uniqueItems": True}  # for JSON Schema; Any: pydantic's own
MetricName = Literal[
    "accuracy",
    "f1",
    "matthews",
    "pearson",
    "spearman",
    "entity-f1",
    "tag-accuracy",
    "micro-f1",
    "macro-f1",
    "worst-f1",
    "label-accuracy",
    "subset-accuracy",
    "exact-match",
    "answer-f1",
    "cosine-spearman",
    "cosine-pearson",
    "ndcg@10",
    "mrr@10",
    "cosine-ndcg@10",
    "cosine-mrr@10",
]


CERTIFICATE_ERROR = 0.05  # `objectives.statistics.power.ALPHA`, whose module would load SciPy
TAKEN_OF = 6  # of so many candidates, one at least is not taken from the study that a study starts from
MAX_LENGTH = 128  # tokens per text, by default
EPSILON_OR_LIMIT = "is required, unless a limit such as `limits.flops_ratio` bounds the study"
AS_PUBLISHED: Mapping[str, Any] = {"criterion": "magnitude-l1", "reconstruct": False}
"""Defaults of Algorithm 1."""
AS_MASKED: Mapping[str, Any] = {**AS_PUBLISHED, "objectives": ("parameters",)}
"""Defaults of masked weights: every schedule ranks by magnitude, and parameters are what is known beforehand."""
AS_OPEN: Mapping[str, Any] = {"backends": ("torch", "onnxruntime")}
"""Defaults of a study that leaves its transforms to the machine: what runs the models is open as well.

torch.compile is asked for by name: it takes minutes before anything is timed."""


Limit = Annotated[Ratio | None, Field(description="Upper limit, as a ratio to the dense model's cost.")]


class Limits(Frozen):
    """Upper limits on a candidate's costs, as ratios to the dense model."""

    flops_ratio: Limit = Field(default=None, title="FLOPs ratio")
    latency_ratio: Limit = None
    energy_ratio: Limit = None
    parameters_ratio: Limit = None
    size_ratio: Limit = None
    memory_ratio: Limit = None
    bit_operations_ratio: Limit = None


class StudySpec(Frozen):
    """One study: model × task × ε × objectives × search space × sampler × budget.

    A field is declared here alone: the command line, the form and the HTTP API take its name, heading, title,
    description, choices and default from here (`optimizer.fields.fields`).
    """

    model: Annotated[Place, Shown(MODEL)] = Field(description="Short name, hub id or local directory.")
    weights: Annotated[Place | None, Shown(MODEL)] = Field(
        None,
        description="torchvision's weights file for an image network, such as resnet18-f37072fd.pth; "
        "without it the network is trained first.",
    )
    task: Annotated[Name, Shown(MODEL)] = Field(
        description="phrases, a GLUE task, an image set, or any name with `data`."
    )
    epsilon: Annotated[Annotated[float, Field(ge=0, lt=1), AsWritten()] | None, Shown(MODEL)] = Field(
        None,
        title="ε, tolerated drop",
        description="Tolerated drop in the metric's unit: 0.01 is one point. Without it give a limit: the study finds "
        "the best accuracy within it.",
    )

    data: Annotated[Place | None, Shown(DATA)] = Field(
        None, description="Directory of parquet, arrow, csv, tsv, json or conll splits or of images, or a hub id."
    )
    verification_data: Annotated[Place | None, Shown(DATA)] = Field(
        None, description="File of more labelled texts, with the columns of `data`, that only verify."
    )
    text_columns: Annotated[Annotated[tuple[Name, ...], AtMost(16)] | None, Shown(DATA)] = Field(
        None, description="One or two columns of text, if not the task's own."
    )
    label_column: Annotated[Name | None, Shown(DATA)] = Field(
        None, description="Column of labels, if not the task's own."
    )
    metric: Annotated[MetricName | None, Shown(DATA)] = Field(
        None, description="Metric that the drop is measured in, if not the task's own."
    )
    max_length: Annotated[int, Field(ge=4), AtMost(2**20), AsWritten(), Shown(DATA)] = Field(
        MAX_LENGTH,
        description="Tokens per text; longer texts are truncated to this length or to the model's own limit.",
    )
    calibration_examples: Annotated[int, Field(ge=16), AtMost(10**9), AsWritten(), Shown(DATA)] = Field(
        1024, description="Training examples that rank units and solve the layers that read them."
    )
    search_examples: Annotated[Examples | None, Shown(DATA)] = Field(
        None, description="Examples that evaluate the candidates of the search; default: all."
    )
    verification_examples: Annotated[Examples | None, Shown(DATA)] = Field(
        None, description="Examples that verify the shortlist, once; default: all."
    )
    label_error: Annotated[float, Field(ge=0, lt=CERTIFICATE_ERROR), AsWritten(), Shown(DATA)] = Field(
        0.01,
        title="Error kept for bought labels",
        description="Part of the 5 % error of all certificates that is kept for labels bought with `optimize certify`.",
    )
    allow_untrained: Annotated[bool, AsWritten(), Shown(DATA)] = Field(
        default=False,
        title="Accept a model without a trained head",
        description="Accept a model that is no better than guessing, and train nothing.",
    )

    structure: Annotated[StructureName, Shown(SPACE)] = Field(
        "units", description="Remove whole heads, neurons and channels, or mask single weights of an image network."
    )
    transforms: Annotated[Annotated[tuple[Name, ...], AtMost(16)] | None, Shown(SPACE)] = Field(
        None,
        description="Kinds of compression, in the order of their application, or auto: those of units, rank and bits "
        "that win on the machine; default: what `structure` says.",
        json_schema_extra=EACH_ONCE,
    )
    epochs: Annotated[Annotated[int, Field(ge=2), AtMost(100_000), AsWritten()] | None, Shown(SPACE)] = Field(
        None, description="Training epochs of a masked candidate; default: as many as for the dense network."
    )
    criterion: Annotated[CriterionName, OrOwn(), Shown(SPACE)] = Field("obs", description="How units are ranked.")
    reconstruct: Annotated[bool, AsWritten(), Shown(SPACE)] = Field(
        default=True,
        title="Reconstruct by least squares",
        description="Solve the layers that read pruned units again by least squares.",
    )
    keep: Annotated[tuple[Name, ...], AtMost(1000), Shown(SPACE)] = Field(
        (),
        title="Layers that stay dense",
        description="Layers or groups that stay dense, such as layer.0, layer.0.heads or net.conv1.",
    )
    round_to: Annotated[int, Field(ge=1), AtMost(65_536), AsWritten(), Shown(SPACE)] = Field(
        8, description="Keep the channels of an image network in multiples of this number."
    )
    distributions: Annotated[tuple[Distribution, ...], AtMost(MOST_LISTS), Shown(SPACE, option="distribution")] = Field(
        (),
        title="Distributions of your own",
        description="What every layer loses or keeps at named ratios of the whole; these are evaluated first.",
    )

    objectives: Annotated[tuple[Annotated[CostName, OrOwn()], ...], Shown(SEARCH)] = Field(
        ("flops",),
        title="Costs to minimize",
        description="Costs to minimize along with the drop.",
        json_schema_extra=EACH_ONCE,
    )
    sampler: Annotated[SamplerName, OrOwn(), Shown(SEARCH)] = Field(
        "tpe", description="How the search proposes candidates."
    )
    start_from: Annotated[Name | None, Shown(SEARCH)] = Field(
        None,
        title="Study to start from",
        description="A study of the same model, data and search space: its candidates and their outcomes on the search "
        "examples are taken, for up to five sixths of `trials`.",
    )
    trials: Annotated[int, Field(ge=1), AtMost(1_000_000), AsWritten(), Shown(SEARCH)] = Field(
        100, title="Candidates", description="Number of candidates, including the ladder."
    )
    timeout: Annotated[Annotated[float, Field(gt=0), AtMost(10**9), AsWritten()] | None, Shown(SEARCH)] = Field(
        None, title="Seconds of search", description="Seconds of search; without it the search runs all `trials`."
    )
    seed: Annotated[int, Field(ge=0), AtMost(2**63 - 1), AsWritten(), Shown(SEARCH)] = Field(
        0, description="Seed of all random choices."
    )
    search_precision: Annotated[PrecisionName, Shown(SEARCH)] = Field(
        "float32",
        title="Precision of the search",
        description="What the candidates of a search compute in. bfloat16: text encoders answer in about half of the "
        "time on a processor that computes in it, float32 elsewhere; every verified figure is of float32.",
    )
    recover: Annotated[Literal["none", "finetune", "distill"], Shown(SEARCH)] = Field(
        "none",
        title="Training after the search",
        description="finetune: train the shortlist on labels and the dense model's answers; "
        "distill: leaner candidates learn those answers.",
    )
    recover_epochs: Annotated[float, Field(gt=0), AtMost(1000), AsWritten(), Shown(SEARCH)] = Field(
        1.0,
        title="Epochs of that training",
        description="Epochs of training of a member with `recover`; for distill also a fraction of one, such as 0.25.",
    )
    teacher: Annotated[Place | None, Shown(SEARCH)] = Field(
        None,
        description="Another checkpoint of the same task, whose answers are learned with `recover`: short name, hub id "
        "or local directory; default: the dense model.",
    )
    augment: Annotated[AugmentName, Shown(SEARCH)] = Field(
        "none",
        title="Augmentation",
        description="What training does to images. crop: shifts them by up to an eighth of a side; crop-flip: also "
        "mirrors half of them, which suits neither digits nor letters.",
    )
    limits: Annotated[Limits, Shown(LIMITS, option="max-{}")] = Limits()

    batch_sizes: Annotated[
        tuple[Annotated[int, Field(ge=1), AtMost(65_536), AsWritten()], ...],
        AtMost(16),
        Shown(MEASURE, option="batch-size"),
    ] = Field((1, 32), description="Batch sizes of the latency measurement.", json_schema_extra=EACH_ONCE)
    sequence_length: Annotated[Length | None, Shown(MEASURE)] = Field(
        None, description="Tokens of a latency request; default: the median of the task's texts."
    )
    further_lengths: Annotated[tuple[Length, ...], AtMost(16), Shown(MEASURE, option="further-length")] = Field(
        (),
        title="Further lengths",
        description="Further tokens of a request at which latency is measured as well; the first length steers.",
        json_schema_extra={"uniqueItems": True},
    )
    measure_seconds: Annotated[float, Field(gt=0), AtMost(3600), AsWritten(), Shown(MEASURE)] = Field(
        20.0,
        title="Seconds of timing",
        description="Most seconds of timing per batch size and length, over all models of the shortlist; it ends "
        "earlier when all ratios are known to 2 %.",
    )
    require_measured_energy: Annotated[bool, AsWritten(), Shown(MEASURE)] = Field(
        default=False,
        title="Require an energy meter",
        description="Refuse to run where no energy meter can be read, and fail where one fails, instead of modelling.",
    )
    backends: Annotated[tuple[BackendName, ...], Shown(MEASURE, option="backend")] = Field(
        ("torch",),
        description="What runs the models: latency is measured in each, and steers by the fastest.",
        json_schema_extra=EACH_ONCE,
    )
    threads: Annotated[Annotated[int, Field(ge=1), AtMost(1024), AsWritten()] | None, Shown(MEASURE)] = Field(
        None, title="CPU threads", description="CPU threads; default: torch's own choice."
    )
    device: Annotated[Name, Shown(MEASURE)] = Field(
        "cpu", description="cpu, cuda, cuda:N or mps.", json_schema_extra={"pattern": f"^({DEVICE})$"}
    )

    @classmethod
    def stored(cls, spec: Mapping[str, Any]) -> Self:  # Any: JSON data
        """Return the spec of a stored study, without applying the bounds for new specs. Raises `BrokenSpecError`.

        Studies from before labels could be bought have spent the whole error on verification.
        """
        try:
            return cls.model_validate({"label_error": 0.0, "measure_seconds": 5.0, **spec}, context=STORED)
        except ValidationError as error:
            first = error.errors()[0]
            raise BrokenSpecError(".".join(map(str, first["loc"])), first["msg"]) from error

    @property
    def tolerance(self) -> float:
        """ε as a number: infinite without one, where the limits alone bound the study and every drop is tolerated."""
        return math.inf if self.epsilon is None else self.epsilon

    @model_validator(mode="after")
    def _has_epsilon_or_a_limit(self) -> Self:
        if self.epsilon is None and self.limits == Limits():
            raise _refusal("epsilon", EPSILON_OR_LIMIT)
        return self

    @model_validator(mode="after")
    def _distributions_fit(self) -> Self:
        if not self.distributions:
            return self
        if self.sampler == "iterative" or self.applied[0] != UNITS:
            raise _refusal("distributions", "remove units, beside any sampler but 'iterative'; leave them out")
        room = self.trials // TAKEN_OF if self.start_from else self.trials
        if wrong := what_is_wrong(self.distributions, most=room):
            raise _refusal("distributions", wrong)
        return self

    @field_validator("epsilon")
    @classmethod
    def _epsilon_is_a_number(cls, value: float | None) -> float | None:
        if value is not None and not math.isfinite(value):
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
        if isinstance(data, Mapping) and _is_masked(data):
            return {"structure": "weights", **AS_MASKED, **data}
        if isinstance(data, Mapping) and data.get("sampler") == "iterative":
            return {**AS_PUBLISHED, **data}
        if isinstance(data, Mapping) and data.get("transforms") in ([AUTO], (AUTO,)):
            return {**AS_OPEN, **data}
        return data

    @field_validator("further_lengths")
    @classmethod
    def _no_repeats(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) != len(value):
            raise ValueError("name each once")
        return value

    @field_validator("objectives", "batch_sizes", "backends")
    @classmethod
    def _not_empty_no_repeats(cls, value: tuple[object, ...]) -> tuple[object, ...]:
        if not value or len(set(value)) != len(value):
            raise ValueError("name at least one, each once")
        return value

    @field_validator("transforms")
    @classmethod
    def _transforms_fit(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value not in (None, (AUTO,)):
            check_transforms(value)
        return value

    @model_validator(mode="after")
    def _structure_is_that_of_the_transforms(self) -> Self:
        if (self.structure == "weights") != trains(self.applied):
            raise ValueError(f"transforms {', '.join(self.applied)} are not of structure {self.structure!r}")
        return self

    @property
    def is_open(self) -> bool:
        """Whether the machine on which the study begins is to choose the transforms."""
        return self.transforms == (AUTO,)

    @property
    def applied(self) -> tuple[str, ...]:
        """The transforms in their order; where they are open, the first one, which every choice has."""
        if self.is_open:
            return (UNITS,)
        return self.transforms or ((MASKS,) if self.structure == "weights" else (UNITS,))

    @property
    def costs(self) -> tuple[str, ...]:
        """The names of all costs that its front may be compared by, the caller's own among them."""
        return tuple(dict.fromkeys((*get_args(CostName), *self.objectives)))

    @model_validator(mode="after")
    def _epochs_suit_the_recovery(self) -> Self:
        if self.recover == "finetune" and self.recover_epochs % 1:
            raise ValueError("recover_epochs must be a whole number for recover 'finetune'")
        return self

    @model_validator(mode="after")
    def _iterative_is_as_published(self) -> Self:
        if self.sampler == "iterative" and (self.reconstruct or not self.criterion.startswith("magnitude")):
            raise ValueError("sampler 'iterative' is Algorithm 1 as published: criterion magnitude, no reconstruction")
        return self


def _refusal(field: str, why: str) -> ValidationError:
    wrong = InitErrorDetails(type=PydanticCustomError("missing", "{why}", {"why": why}), loc=(field,), input=None)
    return ValidationError.from_exception_data("study", [wrong])


def _is_masked(data: Mapping[str, Any]) -> bool:
    named = data.get("transforms")
    trained = [name for name, row in TRANSFORMS.items() if row.trains]
    return data.get("structure") == "weights" or (isinstance(named, list | tuple) and any(n in named for n in trained))
