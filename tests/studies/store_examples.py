"""Records to put into stores: fixed ones by name, and any at all for hypothesis."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from objectives.measurement import Interval, Measurement, Source
from search_spaces.config import Config, Form
from studies.purchases import Disputed
from studies.records import CandidateState, Guest, Origin, Outcome, Proposal, Verification

EXAMPLES = "sha256:0123"


def config(number: int) -> Config:
    """Groups in the order of the layers, which is not the order of their names."""
    return Config.of({"layer.2.heads": number % 13, "layer.10.ffn": number})


def proposal(number: int) -> Proposal:
    return Proposal(config=config(number), origin=Origin.SAMPLER, coordinates=(0.1, 1 / 3))


def flops(value: float = 1e9 / 3) -> Measurement:
    return Measurement(quantity="flops", value=value, unit="FLOPs", source=Source.COUNTED)


def latency(value: float, *, batch: int = 1, source: Source = Source.MEASURED) -> Measurement:
    return Measurement(
        quantity="latency",
        value=value,
        unit="s",
        source=source,
        n=3,
        interval=Interval(lower=value / 2, upper=value * 2),
        conditions={"batch": batch, "device": "cpu", "lengths": [25, 25]},
        samples=(value, value * 1.1, value / 3),
    )


def outcome(drop: float = 0.01, *, measurements: tuple[Measurement, ...] = ()) -> Outcome:
    state = CandidateState.COMPLETE
    return Outcome(
        state=state, drop=drop, seen=436, lost=9, gained=3, measurements=measurements or (flops(),), seconds=0.7
    )


def guest(name: str, *, digest: str, place: str = "", measurements: tuple[Measurement, ...] = ()) -> Guest:
    told = replace(verification(), predictions=None, shortlist_size=1)
    return Guest(
        name=name,
        place=place or f"/models/{name}",
        form="export",
        digest=digest,
        verification=told,
        measurements=measurements,
    )


def verification(drop: float = 0.005) -> Verification:
    return Verification(
        examples=EXAMPLES,
        n=1821,
        metric=0.89,
        drop=drop,
        interval=Interval(lower=-0.001, upper=0.011),
        lost=20,
        gained=11,
        predictions=bytes(range(256)),
        shortlist_size=12,
    )


def disputed(place: int) -> Disputed:
    return Disputed(place=place, content=("a text", "with \0"), dense=0, answers=(1, 0), is_checked=place % 2 == 1)


texts = st.text(max_size=20)
floats = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 2**31 - 1)
scalars = st.none() | st.booleans() | st.integers() | floats | texts
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)
json_objects = st.dictionaries(texts, json_values, max_size=4)
configs = st.builds(
    Config.of, st.dictionaries(texts.filter(bool), st.integers(0, 4096), max_size=6), st.sampled_from(Form)
)
intervals = st.tuples(floats, floats).map(lambda pair: Interval(lower=min(pair), upper=max(pair), level=0.9))
words = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=20)
measurements = st.builds(
    Measurement,
    quantity=words,
    value=floats,
    unit=words,
    source=st.sampled_from(Source),
    n=counts,
    interval=st.none() | intervals,
    conditions=st.dictionaries(texts, scalars | st.lists(scalars, max_size=3), max_size=3),
    samples=st.lists(floats, max_size=4).map(tuple),
)
proposals = st.builds(
    Proposal,
    config=configs,
    origin=st.sampled_from(Origin),
    parent=st.none() | counts,
    coordinates=st.none() | st.lists(floats, max_size=4).map(tuple),
)
outcomes = st.builds(
    Outcome,
    state=st.sampled_from([state for state in CandidateState if state is not CandidateState.RUNNING]),
    drop=st.none() | floats,
    seen=counts,
    lost=st.none() | counts,
    gained=st.none() | counts,
    measurements=st.lists(measurements, max_size=3, unique_by=lambda m: m.quantity).map(tuple),
    reason=st.none() | words,
    seconds=floats,
)
verifications = st.builds(
    Verification,
    examples=words,
    n=counts,
    metric=floats,
    drop=floats,
    interval=intervals,
    lost=st.none() | counts,
    gained=st.none() | counts,
    predictions=st.none() | st.binary(max_size=64),
    shortlist_size=st.integers(1, 12),
)
