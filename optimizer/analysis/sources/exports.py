"""Our own exports: a directory with a manifest."""

from __future__ import annotations

from pathlib import Path

from optimizer.analysis.inputs import Inputs, image, text
from optimizer.analysis.sources.source import Described, Loaded, of_module
from optimizer.manifest import FILE

TOKENS, MASK, TYPES = "input_ids", "attention_mask", "token_type_ids"


class Exports:
    """A directory that `optimize export` wrote."""

    name = "export"

    def takes(self, place: Path) -> bool:
        """Whether it has a manifest."""
        return (place / FILE).is_file()

    def load(self, place: Path, described: Described) -> Loaded:
        """Return the model, its weights checked against the manifest."""
        from optimizer.families.networks.network import read_network  # these load transformers
        from optimizer.handover.loading import load_pruned

        network = read_network(place)
        model = load_pruned(place, device=described.device, into=described.build if network else None)
        return of_module(
            model, described.inputs or _inputs(model, network.shape if network else None, described), described
        )


def _inputs(model: object, shape: tuple[int, int, int] | None, described: Described) -> Inputs:
    if shape is not None:
        return image(shape)
    has_types = getattr(getattr(model, "config", None), "type_vocab_size", 0) > 1
    return text([TOKENS, MASK, *([TYPES] if has_types else [])], described.length)
