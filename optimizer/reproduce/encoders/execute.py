"""One run: prune the dense model by a configuration, train what the method trains, measure what came out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import nn

from objectives.device import device_name
from objectives.flops import count_flops
from objectives.measurement import Measurement
from objectives.metrics import METRICS
from objectives.size import count_parameters
from optimizer.predict import predict
from optimizer.reproduce.encoders.bench import Bench
from optimizer.reproduce.encoders.cost import measure_costs
from optimizer.reproduce.encoders.plan import EncoderRun
from optimizer.reproduce.encoders.prune import TRAINED, prune
from optimizer.reproduce.encoders.records import EncoderKey, EncoderRecord, packed
from optimizer.training.finetune import FinetuneSettings, finetune
from optimizer.workload import Workload


def execute(run: EncoderRun, bench: Bench, *, latency_seconds: float) -> EncoderRecord:
    """Prune, train and measure one run; on one machine the same run gives the same weights. Raises `InputError`."""
    key, method = run.key, run.configuration.method
    settings = settings_of(key)
    workload = bench.workload(settings)
    examples = workload.verification
    model, ratio = prune(run.configuration, workload, bench.spec, bench.cache_dir)
    is_trained = method in TRAINED
    untrained = _accuracy(model, workload) if is_trained and ratio else None
    training_s = _train(model, bench, workload, settings) if is_trained else 0.0
    predictions = _predictions(model, workload)
    costs = measure_costs(model, workload, seed=key.seed, latency_s=latency_seconds)
    conditions = costs.cpu["latency"].conditions
    return EncoderRecord(
        key=key,
        ratio=ratio,
        accuracy=METRICS["accuracy"].value(predictions, examples.labels),
        f1=METRICS["f1"].value(predictions, examples.labels),
        mcc=METRICS["matthews"].value(predictions, examples.labels),
        majority=float(np.unique(examples.labels, return_counts=True)[1].max()) / len(examples),
        right=packed(predictions == examples.labels),
        examples=len(examples),
        untrained_accuracy=untrained,
        parameters=count_parameters(model),
        flops=count_flops(model, examples.lengths),
        cpu_latency_s=costs.cpu["latency"].value,
        cpu_latency_ratio=costs.cpu["latency_ratio"].value,
        cpu_latency_interval=_ends(costs.cpu["latency_ratio"]),
        gpu_latency_s=None if costs.gpu is None else costs.gpu["latency"].value,
        gpu_latency_ratio=None if costs.gpu is None else costs.gpu["latency_ratio"].value,
        energy_j=costs.energy["energy"].value,
        energy_ratio=costs.energy["energy_ratio"].value,
        energy_source=costs.energy["energy"].source,
        energy_device=str(costs.energy["latency"].conditions["device_name"]),
        cpu=str(conditions["device_name"]),
        sequence_length=int(str(workload.family.conditions()["sequence_length"])),
        threads=int(str(conditions["threads"])),
        training_s=training_s,
        trained_on=len(bench.train),
        dense_was_trained=not bench.has_head,
        device=device_name(workload.device),
        notes=workload.notes,
    )


def settings_of(key: EncoderKey) -> FinetuneSettings:
    """Return the published settings of a run's training: Adam, so without decay, and the best of all epochs kept."""
    return FinetuneSettings(
        learning_rate=key.learning_rate,
        batch_size=key.batch_size,
        epochs=key.epochs,
        weight_decay=0.0,
        patience=key.epochs,
        seed=key.seed,
    )


def _train(model: nn.Module, bench: Bench, workload: Workload, settings: FinetuneSettings) -> float:
    """Train a model in place and return the seconds it took."""
    result = finetune(
        model,
        bench.train,
        held_out=workload.search,
        task=workload.task,
        settings=settings,
        progress=lambda _done, _total: None,
    )
    return result.seconds


def _predictions(model: nn.Module, workload: Workload) -> NDArray[np.generic]:
    examples = workload.verification
    return workload.task.predictions(predict(model, examples, workload.task), examples)


def _ends(measurement: Measurement) -> tuple[float, float] | None:
    interval = measurement.interval
    return None if interval is None else (interval.lower, interval.upper)


def _accuracy(model: nn.Module, workload: Workload) -> float:
    return METRICS["accuracy"].value(_predictions(model, workload), workload.verification.labels)
