"""Load an exported model: shapes from the manifest, weights from safetensors; neither pickles nor foreign code."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from optimizer.backends.names import CAPTURED, COMPILED, TORCH, check_backend
from optimizer.errors import InputError
from optimizer.families.encoders.loading import auto_class
from optimizer.families.networks.network import read_network
from optimizer.handover.onnx import session_for, session_in
from optimizer.manifest import Manifest, file_hash, read_manifest
from optimizer.pipeline import outlined
from optimizer.tasks.embeddings.pooling import MODULES
from optimizer.tasks.table import head_of
from optimizer.torchvision_ops import admit_torchvision
from search_spaces.config import Config, ConfigError, Form
from search_spaces.layouts import modeling_pruned
from search_spaces.layouts.layout import Layout
from search_spaces.layouts.named import named_layout
from search_spaces.layouts.stored import Stored, say_stored, weights_of
from search_spaces.transforms.table import BITS, TRANSFORMS, UNITS

WEIGHTS, CONFIG = "model.safetensors", "config.json"


def load_pruned(
    directory: str | Path,
    *,
    device: str | torch.device = "cpu",
    into: Callable[[], nn.Module] | None = None,
    backend: str = TORCH,
) -> Any:  # Any: a transformers class
    """Return an exported model in evaluation mode; call it like any transformers classifier.

    Call `model(input_ids=…, attention_mask=…).logits` for texts and `model(pixel_values=…).logits` for images, whose
    size and normalisation are in `preprocessor_config.json`. Weights are converted to float32, as in the study. For a
    network that was given to `optimize` as a module and is not of transformers, `into` makes the dense network, with
    any weights; it is then shrunk, filled, and returned, as `.net` unless its architecture has a row. With `backend`
    "onnxruntime" a session of the folder's model.onnx is returned, or of a graph that is made of the weights: it is
    called like the model and its answer has `.logits`. Raises `InputError` for a directory without an exported model,
    or with files that do not belong together, and for a backend that cannot run here.
    """
    place = Path(directory)
    manifest = read_manifest(place)
    check_backend(backend, device)
    if backend == COMPILED:
        raise InputError("backend", f"{COMPILED} is called on the loaded model: torch.compile(load_pruned(…))")
    if backend == CAPTURED:
        raise InputError(
            "backend", f"{CAPTURED} is how models are timed; torch.cuda.make_graphed_callables captures one"
        )
    if backend == TORCH:
        return _loaded(place, manifest, device, into)
    return session_in(place) or session_for(_loaded(place, manifest, device, into), read_network(place))


def _loaded(place: Path, manifest: Manifest, device: str | torch.device, into: Callable[[], nn.Module] | None) -> Any:
    if not (place / WEIGHTS).exists():
        raise InputError("directory", f"{place} has no {WEIGHTS}")
    if file_hash(place / WEIGHTS) != manifest.weights_sha256:
        raise InputError("directory", f"{place / WEIGHTS} is not the file that was exported; export it again")
    network = read_network(place)
    if network is None and into is not None:
        raise InputError("into", "is only for networks that were given as modules; omit it")
    try:
        tensors, stored = _read(place, manifest, torch.device(device))
        if network and (into or not (place / CONFIG).exists()):
            model: Any = network.build(into)
            find = partial(_layout_then, network.layout_of, model, manifest)
            model = _shrunk(model, manifest, find, tensors, is_own=into is not None)
        else:
            model = _encoder(place)
            done = {UNITS} if hasattr(model.config, "pruned") else set()  # older exports lack it
            model = _shrunk(model, manifest, partial(_layout_then, named_layout, model, manifest), tensors, done=done)
            _restore_buffers(model, torch.device(device))
        model.load_state_dict(tensors, strict=True, assign=True)
        say_stored(model, stored)
    except (RuntimeError, AttributeError, KeyError, TypeError, SafetensorError) as error:
        raise InputError("directory", f"the weights in {place} do not fit its manifest: {error}") from error
    return model.eval()


def _read(place: Path, manifest: Manifest, device: torch.device) -> tuple[dict[str, Tensor], dict[str, Stored]]:
    """Return the weights in float32 by name, and how the file stores those that it holds as codes."""
    tensors, stored = load_file(place / WEIGHTS, device=str(device)), dict[str, Stored]()
    if BITS in manifest.applied:
        tensors, stored = weights_of(tensors)
    return {n: tensor.float() if tensor.is_floating_point() else tensor for n, tensor in tensors.items()}, stored


def _encoder(place: Path) -> Any:
    admit_torchvision()
    import transformers

    config = transformers.AutoConfig.from_pretrained(place, local_files_only=True, trust_remote_code=False)
    config.dtype = torch.float32
    if hasattr(config, "stored_weights"):
        config.stored_weights = {}  # weights are loaded, not their codes
    head = head_of(config.architectures, is_folder=(place / MODULES).exists())
    with torch.device("meta"):  # the dense weights are never allocated
        if hasattr(config, "pruned"):
            model = getattr(modeling_pruned, config.architectures[0])(config)
        else:
            model = getattr(transformers, auto_class(head)).from_config(config)
    return head.wrapped(model, place)


def _layout_then(layout_of: Callable[[nn.Module], Layout], model: nn.Module, manifest: Manifest) -> Layout:
    """Return the groups that a manifest names: those that this version finds besides were dense."""
    return layout_of(model).only(manifest.applied.get(UNITS, {}))


def _shrunk(
    dense: nn.Module,
    manifest: Manifest,
    find_layout: Callable[[], Layout],
    tensors: Mapping[str, Tensor],
    *,
    done: Collection[str] = (),
    is_own: bool = False,
) -> nn.Module:
    """Return the model shrunk to the manifest's shapes by its transforms but those `done`."""
    first, *further = manifest.applied
    config = Config(
        tuple(manifest.applied[first].items()),
        Form(manifest.form),
        more=tuple((name, tuple(manifest.applied[name].items())) for name in further),
    )
    try:
        known = {name: TRANSFORMS[name].load() for name in manifest.applied}
        left = {"" if name == first else name: each for name, each in known.items() if name not in done}
        return outlined(dense, config, left, find_layout=find_layout, tensors=tensors)
    except KeyError as error:
        raise InputError("directory", f"it was made by {error}, which this version does not know; update it") from error
    except ConfigError as error:
        if not is_own:
            raise
        groups = ", ".join(config.levels)
        raise InputError("into", f"makes another network than the one exported, which had {groups}") from error


def _restore_buffers(model: Any, device: torch.device) -> None:
    """Compute buffers that are never saved, such as position ids and rotary frequencies, as transformers does."""
    for module in model.modules():
        kept_out, buffers = module._non_persistent_buffers_set, module.named_buffers(recurse=False)
        unsaved = [(name, buffer) for name, buffer in buffers if buffer.is_meta and name in kept_out]
        for name, buffer in unsaved:
            module.register_buffer(name, torch.zeros_like(buffer, device=device), persistent=False)
        if unsaved:
            model._init_weights(module)
