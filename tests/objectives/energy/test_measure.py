from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from objectives.energy.choose import MeterChoice
from objectives.energy.computed import NOTHING, Computed, Traffic
from objectives.energy.measure import Work, measure_energy
from objectives.energy.meter import CounterMeter, MeterError
from objectives.energy.traffic import count_traffic
from objectives.energy.windows import WindowPlan
from objectives.flops import count_flops
from objectives.latency import forward_pass
from objectives.measurement import Interval, Measurement, Source
from objectives.rounds import Pace

CPU = torch.device("cpu")
MODELLED = MeterChoice(device=CPU, meter=None, reason="modelled, since this is a test")
LATENCY = Measurement(
    quantity="latency",
    value=0.01,
    unit="s",
    source=Source.MEASURED,
    n=3,
    interval=Interval(lower=0.008, upper=0.012),
    conditions={"batch": 4, "threads": 2, "rounds": 3, "interquartile_range": 0.001},
    samples=(0.008, 0.01, 0.012),
)


class Machine:
    """A machine whose runs take time and energy, and which draws more the longer it has been on."""

    def __init__(self, heating_w: float = 0.0, idle_w: float = 0.0) -> None:
        self.now = 0.0
        self.joules = 0.0
        self.heating_w = heating_w
        self.idle_w = idle_w

    def work(self, seconds: float, joules: float, inferences: int = 1) -> Work:
        def run() -> None:
            self.joules += joules * (1 + self.heating_w * self.now) + seconds * self.idle_w
            self.now += seconds

        return Work(run=run, inferences=inferences, latency=LATENCY, computed=NOTHING)

    def choice(self) -> MeterChoice:
        meter = CounterMeter(
            source=Source.NVML,
            scope="this machine",
            read=lambda: [round(self.joules * 1e9)],
            joules_per_count=1e-9,
            ranges=[None],
        )
        return MeterChoice(device=CPU, meter=meter, reason="it is there")

    def rest(self, seconds: float) -> None:
        self.joules += seconds * self.idle_w
        self.now += seconds

    def measure(self, works: dict[str, Work], windows: int = 3, *, required: bool = True):
        return measure_energy(
            works,
            replace(self.choice(), required=required),
            dense="dense",
            plan=self.plan(window_s=2.0, pace=Pace(seconds=1e9, fewest=windows, look=5, most=max(windows, 5))),
        )

    def plan(self, **options: object) -> WindowPlan:
        return WindowPlan(rng=np.random.default_rng(0), clock=lambda: self.now, sleep=self.rest, **options)


def test_a_meter_gives_joules_per_inference_over_windows() -> None:
    machine = Machine()
    works = {"dense": machine.work(0.1, 0.8, inferences=4), "small": machine.work(0.05, 0.2, inferences=4)}
    result = machine.measure(works)
    energy = result["small"].absolute
    assert energy.value == pytest.approx(0.05)
    assert (energy.quantity, energy.unit, energy.source, energy.n) == ("energy", "J", Source.NVML, 5)
    assert energy.interval.lower <= energy.value <= energy.interval.upper
    assert result["small"].ratio.value == pytest.approx(0.25)
    assert 2 * 5 * 2.0 < machine.now - 2 * 2.5 < 2 * 5 * 2.0 + 1  # two works, five windows of two seconds, two of rest


def test_a_metered_figure_says_scope_reason_window_and_idle() -> None:
    machine = Machine(idle_w=3.0)
    conditions = machine.measure({"dense": machine.work(0.1, 1.0, inferences=4)})["dense"].absolute.conditions
    assert conditions == {
        "batch": 4,
        "threads": 2,
        "scope": "this machine",
        "reason": "it is there",
        "window_s": 2.0,
        "idle_subtracted": False,
        "windows": 5,
        "idle_w": pytest.approx(3.0),
        "net_j": pytest.approx(0.25),
    }


def test_a_machine_growing_warm_favours_nobody() -> None:
    machine = Machine(heating_w=0.01)
    works = {"dense": machine.work(0.1, 1.0), "same": machine.work(0.1, 1.0)}
    ratio = machine.measure(works, windows=8)["same"].ratio
    assert ratio.interval.lower < 1 < ratio.interval.upper


def test_a_run_longer_than_the_window_is_still_measured() -> None:
    machine = Machine()
    assert machine.measure({"dense": machine.work(60, 5.0)})["dense"].absolute.value == pytest.approx(5)


def test_a_counter_that_does_not_move_is_an_error_not_a_zero() -> None:
    machine = Machine()
    with pytest.raises(MeterError, match="did not move"):
        machine.measure({"dense": machine.work(0.1, 0.0)})


def test_a_meter_that_fails_leaves_modelled_figures_that_say_why() -> None:
    machine = Machine()
    energy = machine.measure({"dense": machine.work(0.1, 0.0)}, required=False)["dense"].absolute
    assert energy.source is Source.MODELLED
    assert str(energy.conditions["reason"]).startswith(
        "modelled, since the meter failed: nvml-counter: the counter did"
    )


def test_a_failing_run_closes_its_window() -> None:
    machine = Machine()
    choice = machine.choice()

    def fail() -> None:
        if machine.now:
            raise ZeroDivisionError
        machine.now = 1.0

    work = Work(run=fail, inferences=1, latency=LATENCY, computed=NOTHING)
    with pytest.raises(ZeroDivisionError):
        measure_energy({0: work}, choice, dense=0, plan=machine.plan())
    choice.meter.start()


def test_a_modelled_figure_has_the_interval_of_the_model_and_says_its_constants() -> None:
    work = Work(run=pytest.fail, inferences=4, latency=LATENCY, computed=Computed.of(1e9, Traffic.once(1e8)))
    result = measure_energy({"dense": work}, MODELLED, dense="dense", plan=WindowPlan(rng=np.random.default_rng(0)))
    energy = result["dense"].absolute
    assert energy.source is Source.MODELLED
    assert energy.interval.lower < energy.value < energy.interval.upper
    assert energy.interval.upper / energy.interval.lower > 1.3
    assert energy.conditions["reason"] == MODELLED.reason
    assert "Horowitz" in str(energy.conditions["constants"])
    assert {"idle_w", "awake_w", "float32_j", "memory_byte_j", "bytes_from_memory"} <= energy.conditions.keys()
    assert "rounds" not in energy.conditions


def bert(heads: int, neurons: int) -> BertForSequenceClassification:
    """A BERT of 32 channels whose heads of 8 and neurons are as told."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50, hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=neurons
    )
    model = BertForSequenceClassification(config).eval()
    attention = model.bert.encoder.layer[0].attention
    for name in ("query", "key", "value"):
        setattr(attention.self, name, torch.nn.Linear(32, 8 * heads))
    attention.output.dense = torch.nn.Linear(8 * heads, 32)
    return model


@torch.inference_mode()
def test_configs_of_equal_flops_differ_in_energy() -> None:
    # at 16 tokens a head costs 2·4·32·8·16 + 4·16²·8 = 40,960 FLOPs, a neuron 2·2·32·16 = 2,048: twenty to one
    ids = torch.ones(1, 16, dtype=torch.long)
    models = {"dense": bert(4, 40), "fewer heads": bert(3, 60)}
    flops = {key: count_flops(model, [16]) for key, model in models.items()}
    assert flops["dense"] == flops["fewer heads"]
    works = {}
    for key, model in models.items():
        run = forward_pass(model, {"input_ids": ids})
        computed = Computed.of(flops[key], count_traffic(run))
        works[key] = Work(run=run, inferences=1, latency=LATENCY, computed=computed)
    result = measure_energy(works, MODELLED, dense="dense", plan=WindowPlan(rng=np.random.default_rng(0)))
    assert result["fewer heads"].ratio.value != 1
    assert result["fewer heads"].absolute.value != result["dense"].absolute.value
