"""Model: what Python code may give as a model: a name, a directory, a text classifier with its tokenizer, a network."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from torch import nn

from optimizer.door.folder import Folder
from optimizer.errors import InputError, a_kind
from optimizer.families.networks.names import IMAGE_MODEL_NAMES, reads_images
from optimizer.families.networks.processor import Processor
from optimizer.quiet import quiet_transformers
from search_spaces.layouts.named import encoder_part
from search_spaces.layouts.rows import ROWS

WITH_TOKENIZER = "give it with its tokenizer: optimize((model, tokenizer), …)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model by its `name`, which is only a label where a `module` or `saved` holds the model itself.

    A loaded text classifier is saved with its tokenizer, and enters like any directory: the same checks, its own copy
    of the weights, in their own types. `saved` keeps the directory for as long as it is needed. An image network of
    transformers may come with its image `processor`.
    """

    name: str
    module: nn.Module | None = None
    saved: Folder | None = None
    processor: Processor | None = None

    @property
    def checkpoint(self) -> Path | None:
        """The directory of a text classifier that was given loaded."""
        return self.saved.path if self.saved else None

    @property
    def is_named(self) -> bool:
        """Whether it is only named, by a name or a directory."""
        return bool(self.name) and self.module is None and self.saved is None

    @property
    def is_of_images(self) -> bool:
        """Whether it can only be an image network."""
        return self.module is not None or self.name in IMAGE_MODEL_NAMES or self._is_directory_of_images

    @property
    def prepares(self) -> Processor | None:
        """What prepares its images, given with it or saved in its directory. Raises `InputError` for a broken one."""
        if not self._is_directory_of_images:
            return self.processor
        from optimizer.families.networks.load import origin_in  # models of texts need none of it

        return origin_in(Path(self.name)).processor

    @property
    def _is_directory_of_images(self) -> bool:
        return self.module is None and Path(self.name).is_dir() and reads_images(Path(self.name))


def taken_model(model: object, tokenizer: Any = None) -> Model:  # Any: transformers is untyped
    """Return a model as it was given. Raises `InputError` for what is none, and for a text model without tokenizer."""
    if isinstance(model, tuple) and len(model) == 2 and tokenizer is None:
        return taken_model(*model)
    if isinstance(model, str | PathLike):
        if tokenizer is not None:
            raise InputError("tokenizer", f"{model} brings its own; give a tokenizer with a loaded model only")
        return Model(name=str(fspath(model)))
    if isinstance(model, nn.Module):
        return _loaded(model, tokenizer)
    inner = getattr(model, "model", None)
    if isinstance(inner, nn.Module):  # a pipeline of transformers
        own = getattr(model, "tokenizer", None) or getattr(model, "image_processor", None)
        return _loaded(inner, tokenizer or own)
    raise InputError(
        "model", f"cannot be {a_kind(model)}; give a name, a directory, (model, tokenizer), or a network as nn.Module"
    )


def _loaded(model: nn.Module, tokenizer: Any) -> Model:
    name = type(model).__name__
    if hasattr(model, "merge_and_unload"):
        raise InputError("model", f"{name} is an adapter around a model; give model.merge_and_unload()")
    if "pixel_values" in getattr(tokenizer, "model_input_names", ()):
        channels = int(getattr(encoder_part(getattr(model, "config", None)), "num_channels", 3))
        return Model(name=name, module=model, processor=Processor(tokenizer, channels))
    if tokenizer is not None:
        return Model(name=name, saved=_saved(model, tokenizer))
    row = ROWS.get(getattr(getattr(model, "config", None), "model_type", ""))
    if row is not None and row.reads == "tokens":
        raise InputError("model", f"{name} reads tokens; {WITH_TOKENIZER}")
    return Model(name=name, module=model)


def _saved(model: nn.Module, tokenizer: Any) -> Folder:
    if not hasattr(model, "save_pretrained") or not hasattr(tokenizer, "save_pretrained"):
        raise InputError("model", "a model with a tokenizer must be of transformers; give any other network without it")
    place = Folder()
    save: Any = model.save_pretrained
    with quiet_transformers():
        save(place.path)
        tokenizer.save_pretrained(place.path)
    return place
