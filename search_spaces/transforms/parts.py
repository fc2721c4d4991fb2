"""Parts: a model is differentiated part by part, so that only what one part computes is in memory.

Where the layers of a model form a chain, it is run once; what every layer reads goes to disk, and so does the gradient
of the answers by what the last layer writes. Then each layer, the last one first, is run again on what it read, and
its gradient by that is what the layer before it goes on from. All values are those of one pass through the whole model,
for one forward pass more. A run that is killed goes on with the layer that it was at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from json import dumps
from pathlib import Path
from shutil import disk_usage
from typing import Any

import torch
from torch import Tensor, nn

from search_spaces.resident import leaving, release, trim_memory
from search_spaces.transforms.chain import Behaviour, Call, Chain, behaving, chain_of, replaced, states_of
from search_spaces.transforms.passes import Batch, frozen_weights
from search_spaces.transforms.states import FELT, READ, States
from search_spaces.transforms.transform import Dense

TOGETHER = 1 << 30  # bytes: sums over all layers that may be in memory together
SPARE = 1.25  # times the states must fit on the disk, for what else is written meanwhile
Step = tuple[Batch, Callable[[], None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a model, with those of the `paths` asked for that it runs.

    `steps()` yields the batches, each with what runs the part on it forward and backward: the modules at `paths` are
    called, and gradients of a random projection of every example's answers reach what they write. So many parts are
    `left` after this one.
    """

    model: nn.Module
    paths: tuple[str, ...]
    left: int = 0
    steps: Callable[[], Iterator[Step]]


def parts(dense: Dense, missing: Callable[[], Sequence[str]], *, room: int, scratch: Path) -> Iterator[Part]:
    """Yield the parts that run the modules `missing`, in the order in which they must be run, each to its end.

    The whole model is one part where what is summed up, `room` bytes, may be in memory together, where it is no chain,
    or where the disk lacks room for `scratch`: a folder for what a part leaves for the next ones.
    """
    paths = missing()
    chain = None
    first = next(iter(dense.batches()), None)
    if room > TOGETHER and first is not None:
        release(dense.model)
        with leaving(dense.model, dense.layout.layers):
            chain = chain_of(dense.model, dense.layout.layers, paths, first, dense.answers)
        trim_memory()
    if first is None or chain is None or not _fits(dense, chain, first, scratch):
        yield whole(dense, paths)
    else:
        yield from _Layers(dense, chain, scratch).parts(missing)


def _fits(dense: Dense, chain: Chain, first: Batch, scratch: Path) -> bool:
    """Whether the disk has room for what all layers read, which grows with the inputs, or holds a part of it."""
    if scratch.exists():
        return True
    inputs = sum(_numbers(batch) for batch in dense.batches()) / _numbers(first)
    place = next(parent for parent in scratch.parents if parent.exists())
    return disk_usage(place).free > SPARE * len(chain.layers) * chain.nbytes * inputs


def _numbers(batch: Batch) -> int:
    return sum(each.numel() for each in batch.values())


def whole(dense: Dense, paths: Sequence[str]) -> Part:
    """Return the whole model as one part."""

    def steps() -> Iterator[Step]:
        generator = torch.Generator().manual_seed(0)
        return ((batch, partial(_answered, dense, batch, generator)) for batch in dense.batches())

    return Part(model=dense.model, paths=tuple(paths), steps=steps)


def _answered(dense: Dense, batch: Batch, generator: torch.Generator) -> None:
    """Run a model, and back from a random projection of its answers: its squared gradient is on average that of all."""
    with frozen_weights(dense.model), torch.enable_grad():
        outputs = dense.answers(dense.model, batch)
        signs = torch.randint(0, 2, outputs.shape, generator=generator).to(outputs) * 2 - 1
        torch.autograd.backward((outputs * signs).sum())


class _EndedError(Exception):
    """Raised inside a model's run when the layer of interest has been run."""


class _Layers:
    """The layers of a chain, one after another."""

    def __init__(self, dense: Dense, chain: Chain, scratch: Path) -> None:
        self._dense, self._chain, self._states = dense, chain, States(scratch)

    def parts(self, missing: Callable[[], Sequence[str]]) -> Iterator[Part]:
        chain, last = self._chain, len(self._chain.layers)
        with self._states.locked():
            if not (paths := missing()):  # another process had the lock
                return
            within = [chain.within(index, paths) for index in range(last)]
            behind, before = (tuple(path for path in each if path in paths) for each in (chain.behind, chain.before))
            lowest = -1 if before else next((index for index, inside in enumerate(within) if inside), last)
            at = self._states.reached(self._digest())
            if at is None or behind or any(within[at:]):
                generator = torch.Generator().manual_seed(0)
                yield self._part(behind, partial(self._through, generator), left=last - lowest)
                release(self._dense.model)
                trim_memory()
                self._states.reach(at := last)
            for index in reversed(range(max(lowest, 0), at)):
                yield self._part(within[index], partial(self._again, index), left=index - lowest)
                release(self._dense.model.get_submodule(chain.layers[index]))
                trim_memory()
                self._states.reach(index)
            if before:
                yield self._part(before, self._before, left=0)
            self._states.remove()

    def _part(self, paths: tuple[str, ...], run: Callable[[int, Batch], None], *, left: int) -> Part:
        def steps() -> Iterator[Step]:
            return ((batch, partial(run, number, batch)) for number, batch in enumerate(self._dense.batches()))

        return Part(model=self._dense.model, paths=paths, left=left, steps=steps)

    def _through(self, generator: torch.Generator, number: int, batch: Batch) -> None:
        """Run the model; keep what its layers read, and the gradient by what the last one writes."""
        last, ends = len(self._chain.layers), list[Tensor]()

        def behave(call: Call) -> Any:
            written = call.run(call.hidden)
            states = states_of(written).detach()
            if call.index + 1 < last:
                self._states.write(READ, call.index + 1, number, call.number, states)
            else:
                ends.append(states)
            return replaced(written, states.requires_grad_().clone())  # as no leaf it may be overwritten

        with self._behaving(behave), leaving(self._dense.model, self._chain.layers):
            _answered(self._dense, batch, generator)
        for which, end in enumerate(ends):
            self._states.write(FELT, last, number, which, _gradient(end))
        trim_memory()

    def _again(self, index: int, number: int, batch: Batch) -> None:
        """Run a layer on what it read, and back."""
        chain, is_felt = self._chain, index > 0 or bool(self._chain.before)

        def behave(call: Call) -> Any:
            if call.index != index:
                return chain.idle(call)
            read = self._states.read(READ, index, number, call.number, call.hidden) if index else call.hidden.detach()
            written = states_of(call.run(read.requires_grad_().clone() if is_felt else read))
            felt = self._states.read(FELT, index + 1, number, call.number, written)
            if written.requires_grad:
                torch.autograd.backward(written, felt)
            if is_felt:
                self._states.write(FELT, index, number, call.number, _gradient(read))
            if chain.is_single:
                raise _EndedError
            return chain.idle(call, written.detach())

        self._run(batch, behave)

    def _before(self, number: int, batch: Batch) -> None:
        """Run what is before the first layer, and back."""

        def behave(call: Call) -> Any:
            torch.autograd.backward(call.hidden, self._states.read(FELT, 0, number, call.number, call.hidden))
            raise _EndedError

        self._run(batch, behave)

    def _run(self, batch: Batch, behave: Behaviour) -> None:
        model = self._dense.model
        with suppress(_EndedError), frozen_weights(model), torch.enable_grad(), self._behaving(behave):
            self._dense.answers(model, batch)

    def _behaving(self, behave: Behaviour) -> AbstractContextManager[None]:
        return behaving(self._dense.model, self._chain.layers, behave)

    def _digest(self) -> str:
        """Return what the states depend on besides model and examples, which the folder is named by."""
        shapes = [{name: list(each.shape) for name, each in batch.items()} for batch in self._dense.batches()]
        return sha256(dumps([self._chain.layers, bool(self._chain.before), shapes]).encode()).hexdigest()


def _gradient(leaf: Tensor) -> Tensor:
    return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
