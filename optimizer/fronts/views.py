"""Views: stored records converted to the JSON views."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from functools import partial
from types import MappingProxyType
from typing import Any, TypedDict

from objectives.measurement import Interval, Measurement
from objectives.repeats import dense_in_same_rounds
from objectives.statistics.power import ALPHA
from optimizer.backends.names import BACKEND, CHANGED, FASTEST, TO_TORCH, TORCH
from optimizer.fronts.answered import answered_view
from optimizer.fronts.verdicts import Judgement
from optimizer.measuring.gains import shows_gain
from optimizer.own import QUANTITY
from optimizer.tasks.multilabel.by_label import label_views
from optimizer.views.latencies import LENGTH
from optimizer.views.member import Baseline, EnergyView, GuestView, LatencyView, Member, RecipeView, VerificationView
from optimizer.views.trainings import ENERGY, TIME, training_view
from search_spaces.config import Recipe
from studies.records import Candidate, Guest, Study


class Measured:
    """Measurements looked up by quantity; the last one counts, so measured values replace proposed ones."""

    __slots__ = ("_all", "_by_quantity")  # one is made for each candidate of a front

    def __init__(self, measurements: Iterable[Measurement]) -> None:
        self._all = tuple(measurements)
        self._by_quantity = {measurement.quantity: measurement for measurement in self._all}

    def get(self, quantity: str) -> Measurement | None:
        """Return the measurement of a quantity, if there is one."""
        return self._by_quantity.get(quantity)

    def value(self, quantity: str) -> float | None:
        """Return the value of a quantity, if it was measured."""
        found = self.get(quantity)
        return found.value if found else None

    def required(self, quantity: str) -> float:
        """Return the value of a quantity that every model has. Raises `LookupError`."""
        if quantity not in self._by_quantity:
            raise LookupError(f"{quantity} was never recorded")
        return self._by_quantity[quantity].value

    def own(self) -> dict[str, float]:
        """Return the costs by the caller's own objectives."""
        names = {quantity: quantity.removeprefix(QUANTITY) for quantity in self._by_quantity}
        return {name: self._by_quantity[quantity].value for quantity, name in names.items() if name != quantity}

    def latencies(self) -> tuple[LatencyView, ...]:
        """Return one view per batch size, backend and length, in the order of measuring."""
        timed = {place: m for place, m in self._placed("latency").items() if m.source == "measured"}
        ratios, to_torch = self._placed("latency_ratio"), self._placed(TO_TORCH)
        return tuple(_latency(m, ratios.get(at), to_torch.get(at, ratios.get(at))) for at, m in timed.items())

    @property
    def memory(self) -> Measurement | None:
        """The measured peak memory; what a search predicts has no batch size."""
        memory = self.get("memory")
        return memory if memory and "batch" in memory.conditions else None

    def memory_ratio(self, dense: Measured) -> float | None:
        """Return the memory as a ratio to the dense model's in the same backend, None where either is not known."""
        memory = self.memory
        if memory is None:
            return None
        at = _place_of(memory)
        whole = dense._placed("memory").get(at)
        return None if whole is None else memory.value / whole.value

    def energies(self) -> tuple[EnergyView, ...]:
        """Return one view per batch size, ascending."""
        ratios, found = self._placed("energy_ratio"), self._placed("energy")
        both = {at[0]: (m, ratios[at]) for at, m in found.items() if at in ratios}
        return tuple(_energy(*both[batch]) for batch in sorted(both, key=lambda batch: int(str(batch))))

    @property
    def steering(self) -> LatencyView | None:
        """The latency that steers: the first one of the fastest backend."""
        return next((view for view in self.latencies() if view.fastest), None)

    def _placed(self, quantity: str) -> dict[tuple[object, ...], Measurement]:
        """Return the measurements of a quantity by batch size, backend and length, those that have a batch."""
        return {_place_of(m): m for m in self._all if m.quantity == quantity and "batch" in m.conditions}


def _place_of(measurement: Measurement) -> tuple[object, ...]:
    told = measurement.conditions
    return told["batch"], told.get(BACKEND, TORCH), told.get(LENGTH)


def baseline_view(study: Study, metric: str) -> Baseline | None:
    """Return the dense model's view, or None before it was measured."""
    if not study.baseline:
        return None
    measured = Measured(study.baseline)
    quality = measured.get(metric)
    verified = measured.get(f"verification_{metric}")
    return Baseline(
        accuracy=measured.required(metric),
        n=quality.n if quality else 0,
        training=training_view(study.baseline),
        config=study.context.get("dense_config"),
        transforms=study.context.get("dense_transforms", {}),
        verification_accuracy=verified.value if verified else None,
        verification_n=verified.n if verified else None,
        **_costs(measured),
    )


def _counted(quantity: str, measured: Measured, baseline: Measured) -> float:
    return measured.required(quantity) / baseline.required(quantity)


def _bit_operations(measured: Measured, baseline: Measured) -> float | None:
    value, dense = measured.value("bit_operations"), baseline.value("bit_operations")
    return None if value is None or dense is None else value / dense


def _steering_ratio(measured: Measured, _baseline: Measured) -> float | None:
    steering = measured.steering
    return steering.ratio_torch if steering else None


RATIOS: Mapping[str, Callable[[Measured, Measured], Any]] = {  # Any: a float; of those not always measured, or None
    **{name: partial(_counted, name) for name in ("flops", "parameters", "size")},
    "latency": _steering_ratio,
    "energy": lambda measured, _baseline: measured.value("energy_ratio"),
    "bit_operations": _bit_operations,
    "memory": Measured.memory_ratio,
}
"""The costs by name: their ratios to the dense model's, by what was measured of a candidate and of the dense model."""


def ratio_of(cost: str, measured: Measured, baseline: Measured) -> float | None:
    """Return a cost as a ratio to the dense model's, None where it was not measured: `Member.ratio` without a member.

    The caller's own costs come first.
    """
    own = measured.get(QUANTITY + cost)
    if own is not None:
        return own.value / baseline.required(own.quantity)
    known = RATIOS.get(cost)
    return known(measured, baseline) if known else None


def member_view(
    candidate: Candidate,
    baseline: Measured,
    metric: str,
    judgement: Judgement | None = None,
    *,
    distributions: Mapping[str, str] = MappingProxyType({}),
) -> Member:
    """Return a candidate's view.

    `judgement` is its verdict at the ε in question, `distributions` names those of the user by the digests of configs.
    """
    measured = Measured(candidate.measurements)
    outcome, drop = candidate.outcome, measured.get("drop")
    return Member(
        candidate=candidate.number,
        config=candidate.config.as_dict(),
        transforms=candidate.config.transforms,
        form=candidate.config.form.value,
        recipe=_recipe(candidate.config.recipe),
        origin=candidate.proposal.origin.value,
        parent=candidate.proposal.parent,
        distribution=distributions.get(candidate.config.digest),
        accuracy=measured.value(metric),
        drop=outcome.drop if outcome else None,
        drop_interval=_bounds(drop.interval) if drop else None,
        seen=outcome.seen if outcome else 0,
        verification=_verification(candidate, measured, judgement),
        answered=answered_view(drop, measured.get(CHANGED)),
        divergence=measured.value("divergence"),
        training_seconds=measured.value(TIME),
        training_energy_j=measured.value(ENERGY),
        training=training_view(candidate.measurements),
        **_compressed(measured, baseline),
    )


def guest_views(study: Study) -> tuple[GuestView, ...]:
    """Return the views of the models from elsewhere whose costs are known."""
    baseline = Measured(study.baseline)
    return tuple(_guest(each, baseline) for each in study.guests if each.measurements)


def _guest(guest: Guest, baseline: Measured) -> GuestView:
    verified = guest.verification
    return GuestView(
        name=guest.name,
        place=guest.place,
        form=guest.form,
        digest=guest.digest,
        n=verified.n,
        accuracy=verified.metric,
        drop=verified.drop,
        interval=(verified.interval.lower, verified.interval.upper),
        **_compressed(Measured(guest.measurements), baseline),
    )


def _compressed(measured: Measured, baseline: Measured) -> dict[str, Any]:  # Any: fields of several kinds
    """Return the costs of a compressed model, and their ratios to the dense model's."""
    energy, steering = measured.get("energy_ratio"), measured.steering
    return {
        **{f"{name}_ratio": ratio(measured, baseline) for name, ratio in RATIOS.items()},
        "latency_gain": steering.gain_torch if steering else True,
        "energy_ratio_interval": _bounds(energy.interval) if energy else None,
        "energy_gain": shows_gain(energy),
        "own_ratios": {name: value / baseline.required(QUANTITY + name) for name, value in measured.own().items()},
        **_costs(measured),
    }


class _CostFields(TypedDict):
    flops: float
    parameters: int
    size_bytes: int
    latency: tuple[LatencyView, ...]
    energy: tuple[EnergyView, ...]
    energy_j: float | None
    energy_dense_j: float | None
    energy_interval: tuple[float, float] | None
    energy_source: str | None
    peak_memory_bytes: int | None
    memory_backend: str
    bit_operations: float | None
    own: dict[str, float]


def _costs(measured: Measured) -> _CostFields:
    energy, ratio = measured.get("energy"), measured.get("energy_ratio")
    is_final = energy is not None and ratio is not None
    memory = measured.memory
    return {
        "flops": measured.required("flops"),
        "parameters": round(measured.required("parameters")),
        "size_bytes": round(measured.required("size")),
        "latency": measured.latencies(),
        "energy": measured.energies(),
        "energy_j": energy.value if energy and is_final else None,
        "energy_dense_j": dense_in_same_rounds(energy, ratio) if energy and ratio else None,
        "energy_interval": _bounds(energy.interval) if energy and is_final else None,
        "energy_source": energy.source.value if energy and is_final else None,
        "peak_memory_bytes": None if memory is None else round(memory.value),
        "memory_backend": str(memory.conditions.get(BACKEND, TORCH)) if memory else TORCH,
        "bit_operations": measured.value("bit_operations"),
        "own": measured.own(),
    }


def _latency(latency: Measurement, ratio: Measurement | None, to_torch: Measurement | None) -> LatencyView:
    kernels, length = latency.conditions.get("kernels"), latency.conditions.get(LENGTH)
    return LatencyView(
        batch=int(latency.conditions["batch"]),  # type: ignore[arg-type]  # a batch is a count
        backend=str(latency.conditions.get("backend", TORCH)),
        length=None if length is None else int(str(length)),
        seconds=latency.value,
        dense_seconds=dense_in_same_rounds(latency, ratio) if ratio else None,
        ratio=ratio.value if ratio else 1.0,
        ratio_interval=_bounds(ratio.interval) if ratio else None,
        gain=shows_gain(ratio),
        ratio_torch=to_torch.value if to_torch else 1.0,
        ratio_torch_interval=_bounds(to_torch.interval) if to_torch else None,
        gain_torch=shows_gain(to_torch),
        fastest=bool(latency.conditions.get(FASTEST, True)),
        source=latency.source.value,
        kernels=None if kernels is None else str(kernels),
    )


def _energy(energy: Measurement, ratio: Measurement) -> EnergyView:
    return EnergyView(
        batch=int(energy.conditions["batch"]),  # type: ignore[arg-type]  # a batch is a count
        joules=energy.value,
        interval=_bounds(energy.interval),
        dense_joules=dense_in_same_rounds(energy, ratio),
        ratio=ratio.value,
        ratio_interval=_bounds(ratio.interval),
        gain=shows_gain(ratio),
        source=energy.source.value,
    )


def _recipe(recipe: Recipe | None) -> RecipeView | None:
    return None if recipe is None else RecipeView(**asdict(recipe), words=recipe.in_words())


def _verification(candidate: Candidate, measured: Measured, judgement: Judgement | None) -> VerificationView | None:
    verification = candidate.verification
    if verification is None or judgement is None:
        return None
    drop, changed = measured.get("drop"), measured.get(CHANGED)
    return VerificationView(
        n=verification.n,
        accuracy=verification.metric,
        drop=verification.drop,
        interval=(verification.interval.lower, verification.interval.upper),
        interval_members=round(ALPHA / (1 - verification.interval.level)),
        upper_95=judgement.upper_95,
        verdict=judgement.verdict,
        blocked_by=judgement.blocked_by,
        backend=str(drop.conditions.get(BACKEND, TORCH)) if drop else TORCH,
        answers_changed=changed.value if changed else None,
        labels=label_views(candidate.measurements),
        bought=judgement.bought,
        shrunken_drop=judgement.shrunken.value if judgement.shrunken else None,
        shrunken_interval=_bounds(judgement.shrunken.interval) if judgement.shrunken else None,
        chance_above=judgement.chance_above,
    )


def _bounds(interval: Interval | None) -> tuple[float, float] | None:
    return None if interval is None else (interval.lower, interval.upper)
