"""One run: train a configuration under its schedule, then measure what the trained network costs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import nn

from objectives.device import device_name, device_of
from objectives.metrics import METRICS
from objectives.metrics.classification import macro
from optimizer.families.networks.models import new_model
from optimizer.precision import BY_NAME
from optimizer.reproduce.images.inference import PRUNED, REMOVED, ROWS, measure_inference
from optimizer.reproduce.images.preset import ImagePreset, MaskConfiguration
from optimizer.reproduce.images.records import EpochRecord, ImageKey, ImageRecord
from optimizer.reproduce.images.trained import trained_by
from optimizer.tasks.images.data import ImageData
from optimizer.tasks.images.scores import predictions
from optimizer.training.energy import training_memory_bytes
from optimizer.training.images import Epoch, ImageLoss, image_batch
from optimizer.views.spent import accounted
from search_spaces.transforms.masks.choose import magnitude_scores
from search_spaces.transforms.masks.layers import is_convolution, maskable_layers, weights_per_unit
from search_spaces.transforms.masks.target import Target


def execute(
    key: ImageKey, preset: ImagePreset, data: ImageData, *, inference_seconds: float, state: Path, keeps_end: bool
) -> ImageRecord:
    """Train and measure one run; the same run gives the same weights.

    A killed training goes on from its `state`. With `keeps_end` the end of the training is kept there for other runs.
    """
    configuration = preset.configuration(key.configuration)
    model = new_model(key.model, data.shape, data.classes, seed=key.seed)
    dense = new_model(key.model, data.shape, data.classes, seed=key.seed)
    trained = trained_by(
        key,
        configuration,
        model,
        data.train,
        target=target_of(configuration, preset, model) if configuration.technique else None,
        held_out=(data.validation or data.test) if preset.validates_epochs else None,
        state=state,
        keeps_end=keeps_end,
    )
    batch = image_batch(data.train, device_of(model), np.arange(min(key.batch_size, len(data.train))))
    memory = training_memory_bytes(model, ImageLoss(), batch, BY_NAME[key.training_precision])
    images = data.test.pixels[: key.test_batch_size]
    inference = measure_inference(model, dense, images, seed=key.seed, seconds=inference_seconds)
    masks, predicted, labels = trained.masks, predictions(model, data.test).numpy(), data.test.labels.numpy()
    means = macro(predicted, labels, np.ones((1, len(labels))))
    return ImageRecord(
        key=key,
        weights=sum(layer.weight.numel() for layer in masks.layers.values()),
        pruned_weights=masks.pruned_weights,
        accuracy=METRICS["accuracy"].value(predicted, labels),
        precision=float(means.precision[0]),
        recall=float(means.recall[0]),
        f1=float(means.f1[0]),
        inference_s=inference.batch_s / len(images),
        time_ratio=inference.ratios[PRUNED],
        inference_j=inference.energy.value * len(data.test),
        energy_ratio=inference.energy_ratio,
        removed_neurons=inference.removed_neurons,
        removed_ratio=inference.ratios.get(REMOVED),
        csr_ratio=inference.ratios.get(ROWS),
        training_examples=len(data.train),
        validation_examples=len(data.validation) if data.validation else 0,
        test_examples=len(data.test),
        epochs=tuple(_record(epoch) for epoch in trained.epochs),
        energy_source=inference.energy.source,
        memory_bytes=memory + masks.mask_bytes,
        device=device_name(device_of(model)),
        trained_as_dense=configuration.technique is not None and configuration.trains_dense,
    )


def _record(epoch: Epoch) -> EpochRecord:
    return EpochRecord(
        loss=epoch.loss,
        training_accuracy=epoch.training_accuracy,
        validation_accuracy=epoch.accuracy,
        seconds=epoch.spent.seconds,
        joules=epoch.spent.joules,
        spent=accounted(epoch.spent),
    )


def target_of(configuration: MaskConfiguration, preset: ImagePreset, model: nn.Module) -> Target:
    """Return what a configuration prunes of a model, with the ratio of the configuration it shall equal, if any."""
    scope = configuration.scope
    if scope == "convolutions" or scope == "convolutions-hidden":
        names = [name for name, layer in maskable_layers(model).items() if is_convolution(layer)]
        pruned = names if scope == "convolutions" else names[1:-1]
        return Target(scope="per-layer", ratios=dict.fromkeys(pruned, configuration.ratio))
    if configuration.as_sparse_as is None:
        return Target(
            scope=scope,
            ratio=configuration.ratio,
            convolution_ratio=configuration.convolution_ratio,
        )
    other = target_of(preset.configuration(configuration.as_sparse_as), preset, model)
    everything = Target(scope=scope, ratio=1.0)
    return Target(scope=scope, ratio=_pruned(other, model) / _pruned(everything, model))


def _pruned(target: Target, model: nn.Module) -> int:
    """Return how many weights a target removes."""
    layers = maskable_layers(model)
    counts = target.counts(layers, magnitude_scores(layers))
    return sum(count * weights_per_unit(layers[name]) for name, count in counts.items())
