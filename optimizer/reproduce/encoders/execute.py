"""One run: prune the dense model by a configuration, train what the method trains, measure what came out.

Costs are latency on every kind of device that is here, and energy on the GPU where there is one, as published.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from objectives.device import device_name
from objectives.flops import count_flops
from objectives.measurement import Measurement
from objectives.metrics import METRICS
from objectives.metrics.classification import weighted_f1
from objectives.size import count_parameters
from optimizer.families.encoders.texts import request_of
from optimizer.measuring.measure import Asked, measure_models
from optimizer.measuring.timing import REFERENCE, Run, Runs
from optimizer.predict import predict
from optimizer.reproduce.answered import packed
from optimizer.reproduce.encoders.bench import Bench
from optimizer.reproduce.encoders.curve import Curve
from optimizer.reproduce.encoders.preset import EncoderConfiguration, EncoderScale
from optimizer.reproduce.encoders.prune import TRAINED, prune, under
from optimizer.reproduce.encoders.records import EncoderKey, EncoderRecord
from optimizer.training.finetune import FinetuneSettings, finetune
from optimizer.training.under import Under
from optimizer.workload import Workload
from search_spaces.transforms.masks.layers import maskable_layers

PRUNED = "pruned"
PADDED = 512  # tokens of every input in the authors' notebooks, and behind the printed FLOPs
FLOPS_PER_MAC = 2
BATCH = 1  # "the time required to process an input", step 3


def execute(
    key: EncoderKey, configuration: EncoderConfiguration, bench: Bench, *, scale: EncoderScale
) -> EncoderRecord:
    """Prune, train and measure one run; on one machine the same run gives the same weights. Raises `InputError`."""
    settings = settings_of(key)
    workload = bench.workload(settings)
    examples = workload.verification
    model, ratio = prune(configuration, workload, bench.spec, bench.cache_dir)
    is_trained = configuration.method in TRAINED
    has_lost = bool(ratio) and configuration.method != "set"  # which chooses its first masks when its training starts
    untrained = _accuracy(model, workload) if is_trained and has_lost else None
    masks, curve = under(configuration, workload), Curve(model, workload, scale)
    training_s = _train(model, bench, workload, settings, masks, curve) if is_trained else 0.0
    predictions = _predictions(model, workload)
    cpu, gpu = _costs(model, workload, seed=key.seed, latency_s=scale.latency_seconds)
    dear, conditions = gpu or cpu, cpu["latency"].conditions
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
        cpu_latency_s=cpu["latency"].value,
        cpu_latency_ratio=cpu["latency_ratio"].value,
        cpu_latency_interval=_ends(cpu["latency_ratio"]),
        gpu_latency_s=None if gpu is None else gpu["latency"].value,
        gpu_latency_ratio=None if gpu is None else gpu["latency_ratio"].value,
        energy_j=dear["energy"].value,
        energy_ratio=dear["energy_ratio"].value,
        energy_source=dear["energy"].source,
        energy_device=str(dear["latency"].conditions["device_name"]),
        cpu=str(conditions["device_name"]),
        sequence_length=int(str(conditions["sequence_length"])),
        threads=int(str(conditions["threads"])),
        training_s=training_s,
        trained_on=len(bench.train),
        dense_was_trained=not bench.has_head,
        device=device_name(workload.device),
        notes=workload.notes,
        f1_weighted=float(weighted_f1(predictions, examples.labels, np.ones((1, len(examples))))[0]),
        zeroed=sum(int((layer.weight == 0).sum()) for layer in maskable_layers(model).values()),
        curve=tuple(curve.points),
        padded_macs=count_flops(model, [PADDED]) / FLOPS_PER_MAC,
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


def _train(
    model: nn.Module,
    bench: Bench,
    workload: Workload,
    settings: FinetuneSettings,
    masks: Under | None,
    curve: Curve,
) -> float:
    """Train a model in place and return the seconds it took, without those of its curve."""
    result = finetune(
        model,
        bench.train,
        held_out=workload.search,
        task=workload.task,
        settings=settings,
        progress=lambda _done, _total: None,
        under=masks,
        watch=curve.see,
    )
    return result.seconds - curve.seconds


def _predictions(model: nn.Module, workload: Workload) -> NDArray[np.generic]:
    examples = workload.verification
    return workload.task.predictions(predict(model, examples, workload.task), examples)


def _costs(
    model: nn.Module, workload: Workload, *, seed: int, latency_s: float
) -> tuple[dict[str, Measurement], dict[str, Measurement] | None]:
    """Return the costs beside the dense model on the CPU, and on the GPU where there is one, by quantity.

    `latency_s` bounds the seconds of timing per device; both models are on the workload's device after.
    """
    try:
        names = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
        cpu, *gpu = (_costs_on(torch.device(name), model, workload, seed=seed, latency_s=latency_s) for name in names)
        return cpu, gpu[0] if gpu else None
    finally:
        for moved in (workload.model, model):
            moved.to(workload.device)


def _costs_on(
    device: torch.device, model: nn.Module, workload: Workload, *, seed: int, latency_s: float
) -> dict[str, Measurement]:
    length = int(str(workload.family.conditions()["sequence_length"]))
    dense: Any = workload.model  # Any: one transformers class per family
    runs: Runs = {REFERENCE: dense.to(device), Run(PRUNED): model.to(device)}
    asked = Asked(
        request=request_of(length, int(dense.config.vocab_size), device),
        flops=lambda network: count_flops(network, [length]),
        conditions={"sequence_length": length},
    )
    taken = measure_models(
        runs,
        asked,
        batch_sizes=(BATCH,),
        threads=None,
        seed=seed,
        progress=lambda _done, _total: None,
        latency_s=latency_s,
    )
    return {measurement.quantity: measurement for measurement in taken[PRUNED]}


def _ends(measurement: Measurement) -> tuple[float, float] | None:
    interval = measurement.interval
    return None if interval is None else (interval.lower, interval.upper)


def _accuracy(model: nn.Module, workload: Workload) -> float:
    return METRICS["accuracy"].value(_predictions(model, workload), workload.verification.labels)
