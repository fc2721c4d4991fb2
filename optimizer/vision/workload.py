"""A workload of images: a network with its data set in four roles; trained first where nothing trained is given."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from objectives.metrics import METRICS
from optimizer.errors import InputError
from optimizer.families.network import NetworkFamily
from optimizer.spec import StudySpec
from optimizer.training.finetune import FinetuneSettings, finetune
from optimizer.vision.classifier import ImageClassifier
from optimizer.vision.data import ImageData, Images, load_images, stratified_indices
from optimizer.vision.examples import ImageExamples, image_examples
from optimizer.vision.network import Network
from optimizer.workloads.baseline import check_baseline
from optimizer.workloads.loading import hash_weights
from optimizer.workloads.predict import predict, predictions_of
from optimizer.workloads.workload import Progress, Workload, check_device
from search_spaces.bank.files import write_entry

SEARCH_FROM_TRAIN = 2000  # images, at most a fifth of train
BATCH, STEPS, EPOCHS = 64, 320, (2, 60)
TRAINED_ON = 10_000  # images at most: minutes on two cores, and a baseline worth pruning
HELD_OUT = 1000


def load_image_workload(spec: StudySpec, *, cache_dir: Path, progress: Progress) -> Workload:
    """Load the data, train the network or take it from the cache, refuse a broken baseline. Raises `InputError`."""
    device = check_device(spec.device)
    progress(f"loading {spec.task}", 0, 0)
    data = load_images(spec.task, directory=None if spec.data is None else Path(spec.data))
    roles, rest = _roles(data, spec)
    network = Network(
        name=spec.model,
        shape=data.shape,
        classes=data.classes,
        round_to=spec.round_to,
        mean=data.normalisation.mean,
        spread=data.normalisation.spread,
    )
    model = network.build().to(device)
    if not spec.allow_untrained:
        _train_once(model, spec, rest, cache_dir / "trained", progress)
    search_logits = predict(model, roles["search"])
    metric = METRICS["accuracy"]
    if not spec.allow_untrained:
        check_baseline(predictions_of(search_logits), roles["search"].labels, metric, None)
    return Workload(
        family=NetworkFamily.of(network, model),
        model=model,
        tokenizer=None,
        metric=metric,
        **roles,
        train=lambda: rest,
        search_logits=search_logits,
        sequence_length=1,
        weights_hash=hash_weights(model),
        device=device,
        notes=("search examples were cut from train and kept out of the training",),
    )


def _roles(data: ImageData, spec: StudySpec) -> tuple[dict[str, ImageExamples], ImageExamples]:
    """Return calibration, search and verification examples, and what of train is left to train on."""
    labels = data.train.labels.numpy()
    wanted = spec.search_examples or min(SEARCH_FROM_TRAIN, len(labels) // 5)
    _check_size("--search-examples", wanted, len(labels) // 2)
    _check_size("--verification-examples", spec.verification_examples or 0, len(data.test))
    searched = stratified_indices(labels, wanted, 0)
    pool = np.setdiff1d(np.arange(len(labels)), searched)
    calibrating = pool[stratified_indices(labels[pool], min(spec.calibration_examples, len(pool) // 2), 0)]
    held = stratified_indices(data.test.labels.numpy(), spec.verification_examples or len(data.test), 0)
    roles = {
        "calibration": _examples("calibration", data.train, calibrating),
        "search": _examples("search", data.train, searched),
        "verification": _examples("verification", data.test, held),
    }
    return roles, _examples("train", data.train, pool)


def _examples(role: str, images: Images, indices: np.ndarray[tuple[int], np.dtype[np.intp]]) -> ImageExamples:
    chosen = torch.from_numpy(indices)
    return image_examples(role, images.pixels[chosen], images.labels[chosen].numpy())


def _check_size(option: str, wanted: int, most: int) -> None:
    if wanted > most:
        raise InputError(option, f"asks for {wanted} images, but {most} can be given")


def _train_once(model: ImageClassifier, spec: StudySpec, pool: ImageExamples, folder: Path, progress: Progress) -> None:
    """Train in place, or take the weights that an earlier study of the same network and images left."""
    settings = _settings(min(TRAINED_ON, len(pool)), spec.seed)
    recipe = [spec.model, spec.task, pool.hash, repr(settings), TRAINED_ON]
    digest = sha256(json.dumps(recipe).encode()).hexdigest()[:24]
    path = folder / f"{spec.model}-{digest}.safetensors"
    if not path.exists():
        rng = np.random.default_rng(spec.seed)
        order = rng.permutation(len(pool))
        held = min(HELD_OUT, len(pool) // 10)
        finetune(
            model,
            pool.subset(order[held : held + TRAINED_ON]),
            held_out=pool.subset(order[:held]),
            metric=METRICS["accuracy"],
            settings=settings,
            progress=_told(progress, f"training {spec.model} on {spec.task}, once"),
        )
        write_entry(path, {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()})
    _load(model, path)


def _settings(examples: int, seed: int) -> FinetuneSettings:
    """Return how to train on so many images: about `STEPS` steps, whatever their number."""
    least, most = EPOCHS
    epochs = min(most, max(least, round(STEPS * BATCH / examples)))
    return FinetuneSettings(learning_rate=2e-3, batch_size=BATCH, epochs=epochs, patience=epochs, seed=seed)


def _told(progress: Progress, text: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(text, done, total)


def _load(model: nn.Module, path: Path) -> None:
    model.load_state_dict(load_file(path))
    model.eval()
