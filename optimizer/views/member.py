"""JSON views of a study: a member, the baseline and a whole run, shared by command line, HTTP and Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from pydantic import BaseModel

from optimizer.backends.names import TORCH
from optimizer.views.accounts import FROZEN, SpentView, TrainedView, TrainingView
from studies.records import Verdict

SCHEMA_VERSION = 5  # 4 had neither guests nor lengths, 3 no backends, 2 neither `kind` nor own costs, 1 no `transforms`


BESIDE = (
    "Each interval is the model's own at 95 %: no certificate covers it, since the error of certificates belongs to "
    "the study's list. It takes no part in the front."
)
"""What holds for models from elsewhere."""


Levels = Mapping[str, Mapping[str, int]]  # transform -> group -> level


def _levels(config: dict[str, int], transforms: Levels) -> dict[str, int]:
    return config | dict(chain.from_iterable(levels.items() for levels in transforms.values()))


class View(BaseModel):
    """A frozen JSON view."""

    model_config = FROZEN


class LabelView(View):
    """A label's F1 on the verification examples, of which `n` have it, and its drop with the paired 95 % interval."""

    label: str
    n: int
    dense_f1: float
    f1: float
    drop: float
    interval: tuple[float, float]


class Bought(View):
    """A member's standing after the labels given so far. Drops are in the metric's unit; positive is worse.

    `texts` were answered by both models, which disagree on `disagreements` of them; `labels` of these have a label.
    Of `checks` labels that were given twice, `differing` differ. `upper` bounds the drop at level `1 - alpha`.
    """

    candidate: int
    epsilon: float
    alpha: float
    texts: int
    disagreements: int
    labels: int
    checks: int
    differing: int
    upper: float
    certified: bool
    what: str = "texts"  # or images
    blocked_by: int | None = None  # the member of the sequence that is not certified, where this one would be

    def is_certified_at(self, epsilon: float) -> bool:
        """Whether the member is certified at an ε: its own, or a larger one."""
        return self.certified and self.epsilon <= epsilon

    @property
    def in_words(self) -> str:
        """The source of the certificate."""
        return f"{self.labels:,} bought labels of {self.texts:,} {self.what}"


class VerificationView(View):
    """A member's figures on the verification examples. Drops and bounds are in the metric's unit; positive is worse."""

    n: int
    accuracy: float
    drop: float
    interval: tuple[float, float]  # paired, two-sided 95 %
    interval_members: int = 1  # that the interval holds for together; those of the shortlist in a study without ε
    upper_95: float | None  # paired, one-sided 95 %, for this member alone; None where the metric has no valid bound
    verdict: Verdict
    blocked_by: int | None = None  # the member at which the sequence of certificates ended before this one
    backend: str = TORCH  # that gave the answers
    answers_changed: float | None = None  # share of answers that change in padded batches; None: no batch matters
    labels: tuple[LabelView, ...] = ()  # of a multi-label classifier

    bought: Bought | None = None  # what labels say that were bought for it
    shrunken_drop: float | None = None  # corrected for luck by a model of all candidates; None in older studies
    shrunken_interval: tuple[float, float] | None = None  # of the same model, 95 %
    chance_above: float | None = None  # that the true drop is above ε: at most this, by the same model; None without ε


class AnsweredView(View):
    """What gave a member's answers, where its layers of 8 bits have runtimes answer otherwise.

    `qualifier` is added to its verdict, `words` say the whole.
    """

    backend: str
    activations: str  # that these layers read: float32 or int8
    qualifier: str
    words: str


class LatencyView(View):
    """Latency of the extracted model at one batch size and length in one backend.

    `ratio` is to the dense float32 model in the same backend, `ratio_torch` to that in torch, in the same rounds.
    """

    batch: int
    backend: str = TORCH
    length: int | None = None  # tokens of each text; None for images, and where an older version did not say
    seconds: float
    dense_seconds: float | None = None  # of the dense model in the same backend and rounds
    ratio: float
    ratio_interval: tuple[float, float] | None
    gain: bool  # False where the interval of the ratio contains 1 or the kernels do as much work as the dense model's
    ratio_torch: float | None = None
    ratio_torch_interval: tuple[float, float] | None = None
    gain_torch: bool = True
    fastest: bool = True  # of the backends at the first batch size, as chosen in other rounds
    source: str
    kernels: str | None = None  # for a masked member: dense, dead neurons removed, compressed rows


class EnergyView(View):
    """Energy of one inference at one batch size; the ratio is to the dense model in torch in the same rounds."""

    batch: int
    joules: float
    interval: tuple[float, float] | None
    dense_joules: float
    ratio: float
    ratio_interval: tuple[float, float] | None
    gain: bool  # as for latency
    source: str


class Costs(View):
    """The costs of a model; figures that have not been measured are None."""

    flops: float
    parameters: int
    size_bytes: int
    latency: tuple[LatencyView, ...] = ()
    energy: tuple[EnergyView, ...] = ()  # by batch size; what follows is that of the first one
    energy_j: float | None = None
    energy_dense_j: float | None = None  # of the dense model in the same rounds
    energy_interval: tuple[float, float] | None = None
    energy_source: str | None = None
    peak_memory_bytes: int | None = None  # of a request, the weights among it
    memory_backend: str = TORCH  # in which it was counted: the fastest one, torch for compiled code
    bit_operations: float | None = None  # of a study whose weights may have fewer bits
    own: dict[str, float] = {}  # by the caller's own objectives, in their units


class Baseline(Costs):
    """The dense model, measured in the same run under the same conditions."""

    accuracy: float
    n: int
    training: TrainingView | None = None  # that made it; None where it came trained, or an older version trained it
    config: dict[str, int] | None = None  # units of every group; None for older studies, which did not store them
    transforms: Levels = {}
    verification_accuracy: float | None = None
    verification_n: int | None = None

    @property
    def levels(self) -> dict[str, int]:
        """The levels of all groups."""
        return _levels(self.config or {}, self.transforms)


class RecipeView(View):
    """How a masked candidate was trained; `swap_share` is the share of kept units that changed in each epoch."""

    schedule: str
    scope: str
    swap_share: float | None
    words: str


class Compressed(Costs):
    """The costs of a compressed model, as ratios to the dense model's as well."""

    flops_ratio: float
    latency_ratio: float | None = None  # of the first batch in the fastest backend, to the dense model in torch
    latency_gain: bool = True  # False where the interval of that ratio contains 1
    energy_ratio: float | None = None
    energy_ratio_interval: tuple[float, float] | None = None
    energy_gain: bool = True  # False as for latency
    parameters_ratio: float | None = None
    size_ratio: float | None = None
    bit_operations_ratio: float | None = None
    memory_ratio: float | None = None  # to the dense model's in the same backend
    own_ratios: dict[str, float] = {}  # by the caller's own objectives

    def ratio(self, cost: str) -> float | None:
        """Return a cost as a ratio to the dense model's, None where it was not measured."""
        found: float | None = getattr(self, f"{cost}_ratio", None)
        return self.own_ratios.get(cost, found)

    @property
    def memory_dense_bytes(self) -> float | None:
        """The memory of the dense model in the backend of its own."""
        if self.peak_memory_bytes is None or self.memory_ratio is None:
            return None
        return self.peak_memory_bytes / self.memory_ratio


class GuestView(Compressed):
    """A model that was pruned elsewhere, verified and measured beside the front, on which it never is.

    `place` and `form` say where it lay and how it was saved; `digest` is the SHA-256 of its files. Its drop is on the
    study's verification examples, with a paired 95 % interval that holds for it alone: no certificate covers it.
    """

    name: str
    place: str
    form: str
    digest: str
    n: int
    accuracy: float
    drop: float
    interval: tuple[float, float]


class Member(Compressed):
    """The view of a candidate. `accuracy` is the task's metric on the search examples."""

    candidate: int
    config: dict[str, int]
    transforms: Levels = {}  # of those that follow the first one
    form: str
    recipe: RecipeView | None = None  # of masked weights alone
    origin: str
    parent: int | None = None
    distribution: str | None = None  # the user's own ones that it is
    accuracy: float | None
    drop: float | None
    drop_interval: tuple[float, float] | None
    seen: int
    verification: VerificationView | None
    answered: AnsweredView | None = None  # None where every runtime gives the same answers
    divergence: float | None = None
    training_seconds: float | None = None  # of a recovered or a masked member
    training_energy_j: float | None = None
    training: TrainingView | None = None  # epoch by epoch; None where an older version trained it

    @property
    def in_a_list(self) -> Member:
        """The same with its training in all, not by epoch: of hundreds of candidates these are megabytes."""
        if self.training is None:
            return self
        return self.model_copy(update={"training": self.training.model_copy(update={"epochs": ()})})

    @property
    def leanness(self) -> float:
        """Its computing as a ratio to the dense model's: bit operations where weights may have fewer bits, or FLOPs."""
        return self.flops_ratio if self.bit_operations_ratio is None else self.bit_operations_ratio

    @property
    def levels(self) -> dict[str, int]:
        """The levels of all groups."""
        return _levels(self.config, self.transforms)

    @property
    def verdict_in_words(self) -> str:
        """The verdict, with the labels that were bought for it or the member at which the sequence ended before it.

        Where runtimes answer otherwise, it says for which answers it holds.
        """
        verified = self.verification
        held = f", {self.answered.qualifier}" if verified and self.answered and self.answered.qualifier else ""
        if verified and verified.bought and self.verdict is Verdict.CERTIFIED:
            return f"{self.verdict.value} by {verified.bought.in_words}{held}"
        blocked_by = verified.blocked_by if verified else None
        return self.verdict.value + ("" if blocked_by is None else f", blocked by #{blocked_by}") + held

    @property
    def verdict(self) -> Verdict:
        """The verdict; `unverified` where the member was never run on the verification examples."""
        return self.verification.verdict if self.verification else Verdict.UNVERIFIED


def corrected_drops(members: Sequence[Member]) -> list[float] | None:
    """Return the members' verified drops corrected for luck; None unless every member has one."""
    found = [m.verification.shrunken_drop if m.verification else None for m in members]
    known = [drop for drop in found if drop is not None]
    return known if len(known) == len(found) else None


def most_accurate(members: Sequence[Member]) -> Member | None:
    """Return the member of smallest predicted drop: that on the search examples, which verification did not choose.

    Of equal ones it is the one that answers most like the dense model.
    """
    known = [(m.drop, m.divergence or 0.0, m.candidate, m) for m in members if m.drop is not None]
    return min(known, key=lambda each: each[:3])[-1] if known else None


class StoppedEarly(View):
    """How many candidates were stopped, and the share of all search examples that this saved."""

    candidates: int
    examples_saved: float


class RunResult(View):
    """A whole run."""

    schema_version: int = SCHEMA_VERSION
    study: str
    state: str
    error: str | None = None  # why it failed or stopped
    model: str
    teacher: str | None = None  # whose answers trained members learned; None: the dense model's
    task: str
    epsilon: float | None  # None where limits alone bound the study
    limits: dict[str, float] = {}  # cost -> upper ratio to the dense model's
    seed: int
    metric: str
    kind: str | None = None  # of task; None for older studies, which did not store it
    objectives: tuple[str, ...]
    conditions: dict[str, Any]  # Any: JSON data of several kinds
    notes: tuple[str, ...]
    baseline: Baseline | None
    front: tuple[Member, ...]
    shortlist_size: int
    verification_uses: int
    knee: int | None  # candidate number
    best: int | None = None  # without ε: the member with the smallest drop on the search examples
    hypervolume: float | None
    least_violating: tuple[Member, ...]
    why_empty: str | None = None  # what keeps the front from having members, and what would help
    candidates_evaluated: int
    stopped_early: StoppedEarly
    seconds: dict[str, float]
    spent: tuple[SpentView, ...] = ()  # by stage; empty for studies of older versions
    trained: TrainedView | None = None  # all candidates that were trained
    guests: tuple[GuestView, ...] = ()  # models from elsewhere, beside the front


class FrontResult(View):
    """The stored candidates of a study, filtered by another ε, other objectives or other limits."""

    schema_version: int = SCHEMA_VERSION
    study: str
    epsilon: float | None
    objectives: tuple[str, ...]
    limits: dict[str, float] = {}  # cost -> upper ratio to the dense model's
    items: tuple[Member, ...]
    knee: int | None
    best: int | None = None  # as in a whole run
    hypervolume: float | None
    undecided: int  # stopped candidates that might be feasible at this ε; resuming with this ε finishes them
    unverified: int  # unverified members of this front
    least_violating: tuple[Member, ...]
    why_empty: str | None = None  # what keeps the front from having members, and what would help
    guests: tuple[GuestView, ...] = ()  # models from elsewhere within the limits, beside the front


def chosen_of(found: RunResult | FrontResult) -> tuple[str, int | None]:
    """Return the name of the member that stands for a front, `knee` or without ε `best`, and its number."""
    return ("knee", found.knee) if found.best is None else ("best", found.best)
