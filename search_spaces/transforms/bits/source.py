"""Rounded: the stored weights that the candidates of one dense model need."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from torch import Tensor, nn

from search_spaces.layouts.layout import Side
from search_spaces.layouts.stored import Stored
from search_spaces.transforms.bits.layers import dense_bits
from search_spaces.transforms.bits.rounding import rounded
from search_spaces.transforms.transform import Dense, Source

VERSION = 1  # raise when rounding changes what it computes
IN_MEMORY = 256 << 20  # bytes of stored weights: a candidate is built for every question asked of it
Stays = Mapping[Side, Tensor]  # the entries that the transforms before left, of the sides that they shrank


class Rounded(Source):
    """The weights of one dense model's layers in few bits, whatever the transforms before have left of them."""

    def __init__(self, dense: Dense, root: Path) -> None:
        super().__init__(root / dense.key(f"bits {VERSION}").digest)
        self._dense = dense
        self._stored: OrderedDict[tuple[str, int, str], Stored] = OrderedDict()

    def dense_bits(self, path: str) -> int:
        """Return the bits of a layer's weight in the dense model's file."""
        return dense_bits(self._dense, path)

    def stored(self, layer: nn.Module, path: str, bits: int, stays: Stays) -> Stored:  # noqa: ARG002
        """Return the weight of a layer of a model that is made, in so many bits."""
        weight = layer.get_parameter("weight").detach()
        key = path, bits, sha256(weight.cpu().contiguous().numpy().tobytes()).hexdigest()
        if key not in self._stored:
            self._stored[key] = rounded(weight, bits)
        self._stored.move_to_end(key)
        while len(self._stored) > 1 and sum(stored.nbytes for stored in self._stored.values()) > IN_MEMORY:
            self._stored.popitem(last=False)
        return self._stored[key]
