"""Saved models: what a directory must and must not contain, checked before anything in it is loaded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

from optimizer.errors import InputError, a_kind
from optimizer.families.encoders.weights import INDEX, WHOLE
from optimizer.manifest import FILE as MANIFEST
from optimizer.manifest import Manifest, file_hash, read_manifest
from search_spaces import layouts
from search_spaces.transforms.table import BITS, RANK, TRANSFORMS

CODE = Path(layouts.__file__).with_name("modeling_pruned.py")  # written into exports; transformers runs it, we do not
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
GRAPH = ".onnx"
INTEGER_OPERATORS = (
    b"DequantizeLinear",
    b"DynamicQuantizeLinear",
    b"MatMulInteger",
    b"ConvInteger",
    b"MatMulNBits",
    b"QLinear",
)
ADAPTERS = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin")


def check_directory(directory: Path, families: Sequence[str]) -> dict[str, Any]:
    """Return the configuration.

    Raises `InputError` unless the directory holds a safetensors model of one of the families, without code other than
    ours, quantization or an adapter.
    """
    if adapters := [name for name in ADAPTERS if (directory / name).exists()]:
        raise InputError(
            "model",
            f"{directory} holds an adapter ({', '.join(adapters)}), which is not applied here; merge it "
            "(peft: merge_and_unload(), then save_pretrained) or remove its files",
        )
    config = _read_config(directory)
    if "pruned" in config or "auto_map" in config or (directory / MANIFEST).exists():
        _check_own(directory, config)
    if config.get("model_type") not in families:
        raise InputError(
            "model",
            f"models of type {config.get('model_type')!r} are not supported; families are {', '.join(families)}. "
            "Another architecture needs a row that says which linear layers hold its heads and its neurons; an image "
            "network given in Python, optimize(spec, model=…), is traced instead",
        )
    if told := [name for name in ("is_decoder", "add_cross_attention") if config.get(name)]:
        raise InputError(
            "model",
            f"{directory} is a decoder ({told[0]} in config.json): tokens see only those before them, or the output "
            "of a second model is read. Decoders are not supported yet; give an encoder",
        )
    if config.get("quantization_config"):
        raise InputError(
            "model",
            f"{directory} is quantized (quantization_config in config.json), which is not supported yet; "
            "give the checkpoint it was made from",
        )
    if config.get("chunk_size_feed_forward"):
        raise InputError(
            "model",
            f"{directory} reads only texts of a multiple of {config['chunk_size_feed_forward']} tokens; set "
            "chunk_size_feed_forward in its config.json to 0, which gives the same answers",
        )
    if not any((directory / name).exists() for name in (WHOLE, INDEX)):
        raise InputError("model", _without_weights(directory))
    return config


def _check_own(directory: Path, config: dict[str, Any]) -> None:
    """Raise `InputError` unless an export is ours: named by its manifest, or saved again with the very same code.

    Nothing of that code is run: this package has its own.
    """
    manifest = check_export(directory) if (directory / MANIFEST).exists() else None
    if manifest and "pruned" not in config:
        raise InputError(
            "model",
            f"{directory} was exported by an earlier version, which wrote no shapes; export the candidate again",
        )
    code = directory / CODE.name
    if not manifest and not ("pruned" in config and code.exists() and code.read_bytes() == CODE.read_bytes()):
        raise InputError("model", f"{directory} requires custom model code, which is never run; choose another")
    if not manifest and (made := _made_by(config)):
        raise InputError("model", _final(directory, made))


def check_export(directory: Path) -> Manifest:
    """Return the manifest of an export. Raises `InputError` for other weights, and where it cannot be pruned again."""
    manifest = read_manifest(directory)
    if not (directory / WHOLE).exists() or file_hash(directory / WHOLE) != manifest.weights_sha256:
        raise InputError("model", f"{directory / WHOLE} is not the file that was exported; export it again")
    if strange := [name for name in manifest.applied if name not in TRANSFORMS]:
        raise InputError(
            "model", f"{directory} was made by {strange[0]!r}, which this version does not know; update it"
        )
    if final := [name for name in manifest.applied if TRANSFORMS[name].lasting]:
        raise InputError("model", _final(directory, final[0]))
    return manifest


def _made_by(config: dict[str, Any]) -> str | None:
    """Return the transform whose model was saved again, of those that another study cannot undo."""
    if config.get("stored_weights"):
        return BITS
    return RANK if any("low_rank" in shape for shape in config["pruned"].values()) else None


def _final(directory: Path, name: str) -> str:
    return (
        f"{directory} was made by {name!r}: {TRANSFORMS[name].lasting}; give the model that it was made from, or an "
        "export of units"
    )


def _read_config(directory: Path) -> dict[str, Any]:
    path = directory / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("model", f"{directory} has no config.json; give the directory of a saved model") from None
    except (OSError, ValueError) as error:
        raise InputError("model", f"{path} cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise InputError("model", f"{path} holds {a_kind(config)}; it must hold an object")
    return config


def refuse_graph(name: str) -> None:
    """Raise `InputError` for a name that is that of a file with an ONNX graph."""
    if (file := Path(name)).suffix == GRAPH and file.is_file():
        raise InputError("model", _of_graph(file) if file.stat().st_size else f"{file} is empty")


def _of_graph(file: Path) -> str:
    """Return why a graph is not pruned, and what to give instead; its operators are named in it in plain letters."""
    with file.open("rb") as opened, mmap(opened.fileno(), 0, access=ACCESS_READ) as held:
        is_quantized = any(held.find(kind) >= 0 for kind in INTEGER_OPERATORS)
    quantized = ", quantized already" if is_quantized else ""
    return f"{file} is an ONNX graph{quantized}, which is not pruned; give the checkpoint that it was exported from"


def _without_weights(directory: Path) -> str:
    if graphs := sorted(path for path in directory.rglob(f"*{GRAPH}") if path.stat().st_size):
        return _of_graph(graphs[0])
    pickles = sorted(path.name for pattern in PICKLES for path in directory.glob(pattern))
    if not pickles:
        return f"{directory} has no {WHOLE}"
    return (
        f"{directory} holds pickles only ({', '.join(pickles)}), which can run code when loaded; load it where you "
        "trust it and save it again with save_pretrained(…), which writes safetensors"
    )
