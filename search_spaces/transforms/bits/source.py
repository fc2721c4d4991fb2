"""Rounded: the weights of few bits that the candidates of one dense model need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path

from torch import Tensor, nn

from search_spaces.layouts.layout import Axis, Side
from search_spaces.layouts.modeling_pruned import CODES, FROM_RANK, SCALES
from search_spaces.layouts.stored import Stored, packed, read_stored, store
from search_spaces.transforms.bits.layers import bit_groups, dense_bits, paths_of
from search_spaces.transforms.bits.rounding import rounded
from search_spaces.transforms.bits.solve import solved
from search_spaces.transforms.entries import read_entry, write_entry
from search_spaces.transforms.moments import READ, WIDEST, Moments, part
from search_spaces.transforms.recent import Recent
from search_spaces.transforms.transform import Dense, Progress, Source

VERSION = 1  # raise when rounding changes what it computes
IN_MEMORY = 256 << 20  # bytes of stored weights: a candidate is built for every question asked of it
Stays = Mapping[Side, Tensor]  # the entries that the transforms before left, of the sides that they shrank
Read = Callable[[], Tensor]  # the moments of what a layer reads


class Rounded(Source):
    """The weights of one dense model's layers in few bits, whatever the transforms before have left of them.

    Linear layers in 8 and 4 bits are solved by the moments of what they read, and kept on disk.
    """

    def __init__(self, dense: Dense, root: Path) -> None:
        super().__init__(root / dense.key(f"bits {VERSION}").digest)
        self._dense, self._moments = dense, Moments(dense, root)
        self._layers = dict(dense.model.named_modules())
        self._stored: Recent[Stored] = Recent(IN_MEMORY)
        self._digests: dict[str, str] = {}

    def fill(self, progress: Progress = lambda _done, _total: None) -> None:
        """Gather the moments of the layers that are solved."""
        self._moments.fill(self._solved)
        progress(len(self._solved), len(self._solved))

    def lower(self, layer: nn.Module, path: str, bits: int, stays: Stays) -> None:
        """Give a layer of a model that is made a weight of so many bits, or two where it is split, in place."""
        if bits >= dense_bits(self._dense, path):
            return
        read = partial(self._read, path, stays) if path in self._solved else None
        dense, rows = self._layers[path], stays.get((path, Axis.ROWS))
        weight = layer.get_parameter("weight").detach()
        if rows is not None and _is_of(weight, dense.get_parameter("weight").detach(), rows):
            store(layer, self._in_bits(dense, path, bits, read and partial(self._read, path, {})).rows(rows))
        else:
            store(layer, self._in_bits(layer, path, bits, read))
        if hasattr(layer, FROM_RANK):
            second = layer.get_submodule(FROM_RANK)
            through = read and partial(_through, layer.get_parameter("weight").detach(), read)
            store(second, self._in_bits(second, f"{path}.{FROM_RANK}", bits, through))

    @cached_property
    def _solved(self) -> list[str]:
        """The paths of the layers that are solved."""
        paths = [path for group in bit_groups(self._dense) for path in paths_of(group.name)]
        layers = ((path, self._layers[path]) for path in paths)
        return [path for path, layer in layers if isinstance(layer, nn.Linear) and layer.in_features <= WIDEST]

    def _read(self, path: str, stays: Stays) -> Tensor:
        moments = self._moments.of(path)[READ].to(self._layers[path].get_parameter("weight").device)
        return part(moments, stays.get((path, Axis.COLUMNS)))

    def _in_bits(self, layer: nn.Module, path: str, bits: int, read: Read | None) -> Stored:
        """Return a layer's weight in so many bits, made anew where it is none of those seen last."""
        weight = layer.get_parameter("weight").detach()
        digest = self._digest(path, weight)
        if read is None or bits == 16:
            return self._stored.get((path, bits, digest), partial(rounded, weight, bits))
        place = self.folder / path / f"{digest[:24]}-{bits}.safetensors"
        return self._stored.get((path, bits, digest), partial(_kept, place, weight, bits, read))

    def _digest(self, path: str, weight: Tensor) -> str:
        """Return the hash of a weight, that of the dense model's layer taken once."""
        dense = self._layers[path].get_parameter("weight") if path in self._layers else None
        is_dense = dense is not None and (weight.data_ptr(), weight.shape) == (dense.data_ptr(), dense.shape)
        if is_dense and path in self._digests:
            return self._digests[path]
        digest = sha256(weight.cpu().contiguous().numpy().tobytes()).hexdigest()
        if is_dense:
            self._digests[path] = digest
        return digest


def _kept(place: Path, weight: Tensor, bits: int, read: Read) -> Stored:
    """Return a weight as it is solved, from disk where it was solved before."""
    entry = read_entry(place)
    if entry is not None:
        return read_stored(entry[CODES].to(weight.device), entry[SCALES].to(weight.device))
    made = solved(weight, read(), bits)
    write_entry(place, packed(made))
    return made


def _is_of(weight: Tensor, dense: Tensor, rows: Tensor) -> bool:
    """Whether a weight is so many rows of the dense one: each row is rounded alone."""
    return weight.shape[1:] == dense.shape[1:] and weight.equal(dense[rows.to(dense.device)])


def _through(weight: Tensor, read: Read) -> Tensor:
    """Return the moments of what a layer of this weight writes, whose own inputs have those of `read`."""
    return weight @ read() @ weight.T
