"""A workload of images: a network with its data set in four roles; an untrained network is trained first."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

from optimizer.dense import dense_answers
from optimizer.device import check_device
from optimizer.families.encoders.family import EncoderFamily, proved_layout
from optimizer.families.encoders.loading import name_labels
from optimizer.families.encoders.storage import Storage
from optimizer.families.networks.exported import Exported
from optimizer.families.networks.family import NetworkFamily, layout_of
from optimizer.families.networks.images import ImageRequests
from optimizer.families.networks.mask_training import PREFIX, mask_training
from optimizer.families.networks.names import CONFIG, IMAGE_MODEL_NAMES, check_image_directory
from optimizer.families.networks.network import Network
from optimizer.families.networks.origins import Dense, GivenModule, Origin, SavedModel, Untrained, WeightsFile
from optimizer.families.networks.processor import Processor, plain_processor
from optimizer.families.networks.trained import train_once
from optimizer.families.subject import Subject
from optimizer.given import NOTHING, Given
from optimizer.hub import fetch_model
from optimizer.spec import StudySpec
from optimizer.tasks.classification import Classification
from optimizer.tasks.images.data import ImageData, as_named, load_images
from optimizer.tasks.images.fresh import fresh_images
from optimizer.tasks.images.roles import roles_of
from optimizer.training.augment import augmentation_of
from optimizer.training.history import DenseTraining
from optimizer.weights import hash_weights
from optimizer.workload import Progress, Workload
from search_spaces.layouts.named import has_row
from search_spaces.transforms.table import trains

CUT = "search examples were cut from train and kept out of the training"


def load_image_workload(spec: StudySpec, *, cache_dir: Path, progress: Progress, given: Given = NOTHING) -> Workload:
    """Load data and network, train a network that needs it, refuse a broken baseline. Raises `InputError`."""
    device = check_device(spec.device)
    progress(f"loading {spec.task}", 0, 0)
    origin = origin_of(spec, given)
    processor = origin.processor
    data = as_named(given.images or _named_images(spec, origin, processor), origin.labels)
    dense = _dense(origin, data)
    masked = trains(spec.applied)
    network = _described(spec, dense, data)
    model = network.called(dense.net).to(device).eval()
    roles = roles_of(data, spec)
    rest = roles.rest
    training = mask_training(spec, model, rest, learning_rate=dense.learning_rate) if masked else None
    plain = plain_processor(data.normalisation, data.shape)
    requests = ImageRequests(network=network, device=device, processor=processor or plain)
    layout = None if masked else proved_layout(model, requests) if network.by_row else layout_of(network, model)
    trained: DenseTraining | None = None
    if dense.learning_rate is not None and not spec.allow_untrained:
        trained = train_once(
            model,
            rest,
            name=network.name,
            learning_rate=dense.learning_rate,
            seed=spec.seed,
            augmentation=augmentation_of(spec.augment, spec.seed),
            folder=cache_dir / "trained",
            progress=_told(progress, f"training {network.name} on {spec.task}, once"),
        )
    storage = Storage() if masked or dense.learning_rate is not None else dense.storage
    task = given.judged(Classification())
    names: dict[int, str] | None = {} if dense.learning_rate is None else None  # a class is called by its number
    search_answers = dense_answers(model, task, roles.search, names, allow_untrained=spec.allow_untrained)
    subject = Subject(
        model=model,
        weights_hash=hash_weights(model),
        device=device,
        calibration=roles.calibration,
        search=roles.search,
        task=task,
    )
    family: EncoderFamily | NetworkFamily = (
        EncoderFamily(subject, requests=requests, storage=storage, layout=layout)
        if network.by_row
        else NetworkFamily(requests, subject, storage=storage.within(PREFIX), layout=layout, training=training)
    )
    return Workload(
        subject=subject,
        family=family,
        verification=roles.verification,
        train=lambda: rest,
        search_answers=search_answers,
        fresh=lambda path, known: fresh_images(path, data, known, processor),
        brings_head=dense.learning_rate is None,
        trained=trained,
        notes=(
            *((CUT,) if dense.learning_rate else ()),
            *(note for part in (data, roles, dense, storage, family) for note in part.notes),
        ),
    )


def origin_of(spec: StudySpec, given: Given) -> Origin:
    """Return where the dense network of a study comes from: Python, a file of weights, a directory, or its name."""
    if given.model is not None:
        return GivenModule(given.model, given.processor)
    if spec.weights is not None:
        return WeightsFile(spec.model, Path(spec.weights))
    if spec.model in IMAGE_MODEL_NAMES:
        return Untrained(spec.model)
    return origin_in(Path(spec.model) if Path(spec.model).is_dir() else fetch_model(spec.model))


def origin_in(directory: Path) -> SavedModel | Exported:
    """Return the network in a directory. Raises `InputError` for one that cannot be pruned."""
    check_image_directory(directory)
    return SavedModel(directory) if (directory / CONFIG).exists() else Exported(directory)


def _dense(origin: Origin, data: ImageData) -> Dense:
    """Return the network for the images; a new head calls classes as the images do."""
    dense = origin.dense(data.shape, data.classes)
    if dense.learning_rate is not None and hasattr(dense.net, "config"):
        name_labels(dense.net, dict(enumerate(data.names)))
    return dense


def _described(spec: StudySpec, dense: Dense, data: ImageData) -> Network:
    mean, spread = data.normalisation.mean, data.normalisation.spread
    if before := dense.before:
        pruned = before.of_export(dense.net)
        return before.model_copy(update={"pruned": pruned, "round_to": spec.round_to, "mean": mean, "spread": spread})
    return Network(
        name=PurePath(spec.model).name,
        source=dense.source,
        config=_configuration(dense.net) if dense.source == "transformers" else None,
        shape=data.shape,
        classes=data.classes,
        round_to=spec.round_to,
        by_row=not trains(spec.applied) and has_row(dense.net, "pixels"),
        mean=mean,
        spread=spread,
        labels=data.names,
    )


def _configuration(net: Any) -> dict[str, Any]:  # Any: untyped
    """Return what transformers builds a network from, without the place that it came from."""
    said = json.loads(net.config.to_json_string(use_diff=False))
    return {name: value for name, value in said.items() if name != "_name_or_path"}


def _named_images(spec: StudySpec, origin: Origin, processor: Processor | None) -> ImageData:
    directory = None if spec.data is None else Path(spec.data)
    normalisation = processor.normalisation if processor else origin.normalisation
    return load_images(spec.task, directory=directory, normalisation=normalisation, prepare=processor)


def _told(progress: Progress, text: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(text, done, total)
