"""One run: compress the pretrained network by a configuration, train it again, measure what it cost and what it is."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from objectives.device import device_name, device_of
from optimizer.errors import MachineError
from optimizer.precision import computing_in, native_dtype
from optimizer.reproduce.answered import packed
from optimizer.reproduce.pretrained.bench import Bench
from optimizer.reproduce.pretrained.choose import raised
from optimizer.reproduce.pretrained.form import Form, stored_bytes, strongest
from optimizer.reproduce.pretrained.preset import PretrainedConfiguration
from optimizer.reproduce.pretrained.records import EpochRecord, PretrainedKey, PretrainedRecord, StepRecord
from optimizer.reproduce.pretrained.retrain import retrain
from optimizer.reproduce.pretrained.step import FEW, measure_step
from optimizer.tasks.images.data import Images
from optimizer.tasks.images.scores import predictions
from optimizer.training.images import image_batch
from search_spaces.transforms.bits.mantissa import WORD

BFLOAT16_BITS = 16  # below those of float32 that it has
NO_KERNEL = (
    "this processor has no bfloat16 arithmetic: the network is not trained in it, one step on {few} images is timed "
    "beside float32, and accuracy is that of weights of 16 bits on float32 kernels"
)

DIVERGED = "{label}: {error}; its accuracy is that of the compressed network before this training"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a configuration compresses by, in numbers, and the curve by which they were chosen."""

    bits: int = 0
    kept: dict[str, Tensor] = field(default_factory=dict)
    ranks: dict[str, int] = field(default_factory=dict)
    rate: float = 0.0
    curve: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrained:
    """A network after its training, its answers before it, and what the training took."""

    model: nn.Module
    setting: Setting
    held: Form
    untrained: Tensor
    search_drop: float
    epochs: tuple[EpochRecord, ...]
    is_stopped: bool
    rounds: int
    notes: tuple[str, ...]


def execute(
    key: PretrainedKey, configuration: PretrainedConfiguration, bench: Bench, *, step_seconds: float
) -> PretrainedRecord:
    """Compress, train and measure one run; on one machine the same run gives the same weights. Raises `InputError`."""
    device = device_of(bench.dense)
    is_run = configuration.bits != "executed" or native_dtype(device) == torch.bfloat16
    dtype = torch.bfloat16 if configuration.bits == "executed" else torch.float32
    done = _retrained(key, configuration, bench, dtype=dtype if is_run else torch.float32, trains=is_run)
    labels = bench.verification.labels
    right = _answers(done.model, bench.verification, done.held.dtype) == labels
    setting = done.setting
    kept = {path: 1 - float(mask.float().mean()) for path, mask in setting.kept.items()}
    return PretrainedRecord(
        key=key,
        accuracy=float(right.float().mean()),
        right=packed(right.numpy()),
        examples=len(labels),
        bits=setting.bits,
        rates=kept,
        ranks=setting.ranks,
        split_layers=len(bench.splits.shapes),
        rank_rounds=done.rounds,
        compression=_compression(setting, bench),
        stored_bytes=stored_bytes(done.model),
        dense_bytes=stored_bytes(bench.dense),
        search_curve=setting.curve,
        search_drop=done.search_drop,
        untrained_accuracy=float((done.untrained == labels).float().mean()),
        largest_class=float(labels.bincount().max()) / len(labels),
        epochs=done.epochs,
        is_stopped=done.is_stopped,
        step=_step(key, configuration, bench, done, dtype, seconds=step_seconds, is_run=is_run),
        train_examples=len(bench.train),
        search_examples=len(bench.search),
        device=device_name(device),
        notes=(*bench.notes, *done.notes, *(() if is_run else (NO_KERNEL.format(few=FEW),))),
    )


def _retrained(
    key: PretrainedKey, configuration: PretrainedConfiguration, bench: Bench, *, dtype: torch.dtype, trains: bool
) -> Retrained:
    """Train the compressed network; while a low rank loses too much on the search images, raise ranks and try again."""
    setting = _setting(configuration, bench)
    for rounds in range(1, key.rank_rounds + 1):
        model = bench.splits.lowered(setting.ranks) if setting.ranks else copy.deepcopy(bench.dense)
        at_start = 0 if configuration.bits == "after" else setting.bits
        Form(bits=at_start, kept=setting.kept).impose(model)
        held = Form(bits=setting.bits if configuration.bits == "held" else 0, kept=setting.kept, dtype=dtype)
        untrained, drop = _answers(model, bench.verification, dtype), _search_drop(model, bench)
        epochs, is_stopped, notes = tuple[EpochRecord, ...](), False, tuple[str, ...]()
        if configuration.trains and trains:
            epochs, is_stopped, notes = _train(model, held, key, bench)
        if configuration.bits == "after":
            Form(bits=setting.bits).impose(model)
        higher = raised(bench.splits, setting.ranks) if setting.ranks else {}
        if higher == setting.ranks or rounds == key.rank_rounds or bench.judge.right(model) >= bench.judge.needed:
            break
        setting = replace(setting, ranks=higher)
    return Retrained(
        model=model.eval(),
        setting=setting,
        held=held,
        untrained=untrained,
        search_drop=drop,
        epochs=epochs,
        is_stopped=is_stopped,
        rounds=rounds,
        notes=notes,
    )


def _train(
    model: nn.Module, held: Form, key: PretrainedKey, bench: Bench
) -> tuple[tuple[EpochRecord, ...], bool, tuple[str, ...]]:
    """Train in place; a training that diverges is a result without epochs, and leaves the weights as they were."""
    before = copy.deepcopy(model.state_dict())
    try:
        epochs, is_stopped = retrain(model, held, key, bench.train, bench.search)
    except MachineError as error:
        model.load_state_dict(before)
        return (), False, (DIVERGED.format(label=key.configuration, error=error),)
    return epochs, is_stopped, ()


def _setting(configuration: PretrainedConfiguration, bench: Bench) -> Setting:
    """Return what was chosen for each technique by itself."""
    curve: tuple[float, ...] = ()
    bits, rate, ranks = 0, 0.0, dict[str, int]()
    if configuration.low_rank:
        ranks = dict(bench.ranks.ranks)
    if configuration.pruned:
        rate, curve = bench.rate.rate, bench.rate.curve
    if configuration.bits == "executed":
        bits = BFLOAT16_BITS
    elif configuration.bits:
        bits, curve = bench.bits.bits, bench.bits.curve
    kept = strongest(bench.dense, rate) if configuration.pruned else {}
    return Setting(bits=bits, kept=kept, ranks=ranks, rate=rate, curve=curve)


def _compression(setting: Setting, bench: Bench) -> float:
    """Return the share saved as the paper counts it; of two techniques together, of what the other leaves."""
    removed = sum(int((~mask).sum()) for mask in setting.kept.values())
    weights = sum(mask.numel() for mask in setting.kept.values())
    pruned = removed / weights if weights else 0.0
    lowered = bench.splits.saving(setting.ranks) if setting.ranks else 0.0
    return 1 - (1 - setting.bits / WORD) * (1 - pruned) * (1 - lowered)


def _step(
    key: PretrainedKey,
    configuration: PretrainedConfiguration,
    bench: Bench,
    done: Retrained,
    dtype: torch.dtype,
    *,
    seconds: float,
    is_run: bool,
) -> StepRecord | None:
    if not configuration.trains:
        return None
    size = min(key.batch_size if is_run else FEW, len(bench.train))
    batch = image_batch(bench.train, device_of(bench.dense), np.arange(size))
    return measure_step(bench.dense, done.model, replace(done.held, dtype=dtype), key, batch, seconds=seconds)


def _answers(model: nn.Module, images: Images, dtype: torch.dtype) -> Tensor:
    with computing_in(dtype, device_of(model)):
        return predictions(model, images)


def _search_drop(model: nn.Module, bench: Bench) -> float:
    return (bench.judge.right(bench.dense) - bench.judge.right(model)) / len(bench.search)
