"""Chains: models whose layers each read what the one before writes, so that they can be run one at a time.

A layer's other arguments, such as masks and positions, must not depend on layers. Then a model runs with all layers but
one in name only, and gives that one the arguments that it always gets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from search_spaces.transforms.passes import Answers, Batch, frozen_weights

HIDDEN = "hidden_states"  # what layers call their first argument where it is given by name


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the layer `index`, the `number`-th one of it in this run of the model."""

    index: int
    number: int
    forward: Callable[..., Any]  # Any: a tensor, or a tuple that begins with one
    arguments: tuple[Any, ...]
    named: Mapping[str, Any]

    @property
    def is_readable(self) -> bool:
        """Whether it is given hidden states where layers usually are."""
        return isinstance(self.arguments[0] if self.arguments else self.named.get(HIDDEN), Tensor)

    @property
    def hidden(self) -> Tensor:
        """The hidden states that the layer reads."""
        hidden: Tensor = self.arguments[0] if self.arguments else self.named[HIDDEN]
        return hidden

    @property
    def others(self) -> list[Tensor]:
        """The other tensors that it is given."""
        return [each for each in tree_leaves((self.arguments[1:], self._more)) if isinstance(each, Tensor)]

    def run(self, hidden: Tensor) -> Any:
        """Return what the layer writes for other hidden states."""
        if self.arguments:
            return self.forward(hidden, *self.arguments[1:], **self.named)
        return self.forward(**{HIDDEN: hidden}, **self._more)

    @property
    def _more(self) -> dict[str, Any]:
        return {name: value for name, value in self.named.items() if self.arguments or name != HIDDEN}


Behaviour = Callable[[Call], Any]


def states_of(written: Any) -> Tensor:
    """Return the hidden states that a layer writes."""
    states: Tensor = written if isinstance(written, Tensor) else written[0]
    return states


def replaced(written: Any, states: Tensor) -> Any:
    """Return what a layer writes with other hidden states."""
    return states if isinstance(written, Tensor) else (states, *written[1:])


@contextmanager
def behaving(model: nn.Module, layers: Sequence[str], behave: Behaviour) -> Iterator[None]:
    """Have `behave` answer for the layers at `layers` inside the block."""
    counts = [0] * len(layers)

    def answer(index: int, forward: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        counts[index] += 1
        return behave(Call(index, counts[index] - 1, forward, arguments, named))

    with ExitStack() as stack:
        for index, layer in enumerate(map(model.get_submodule, layers)):
            stack.callback(_restore, layer, vars(layer).get("forward"))
            layer.forward = partial(answer, index, layer.forward)
        yield


def _restore(layer: nn.Module, own: Callable[..., Any] | None) -> None:
    """Give a layer its class's forward back, or its own one where somebody had given it one before."""
    del layer.forward
    if own is not None:
        layer.forward = own


@dataclass(frozen=True, slots=True)
class Chain:
    """The `layers` of a model that are one, and what runs `before` and `behind` them of the paths asked for.

    `forms` are what layers write beside hidden states, None where they write these alone. `is_single`: every
    layer is called once. The hidden states of one layer have so many `nbytes` in the batch that was tried.
    """

    layers: tuple[str, ...]
    forms: tuple[Any, ...]
    before: tuple[str, ...]
    behind: tuple[str, ...]
    is_single: bool
    nbytes: int

    def idle(self, call: Call, states: Tensor | None = None) -> Any:
        """Return what a layer writes that passes hidden states on, by default those that it reads."""
        passed = call.hidden if states is None else states
        return passed if self.forms[call.index] is None else (passed, *self.forms[call.index])

    def within(self, index: int, paths: Sequence[str]) -> tuple[str, ...]:
        """Return those of the paths that lie in a layer."""
        return tuple(path for path in paths if path.startswith(f"{self.layers[index]}."))


def chain_of(
    model: nn.Module, layers: Sequence[str], paths: Sequence[str], batch: Batch, answers: Answers
) -> Chain | None:
    """Return the chain that the modules at `layers` are, tried on a batch; None where they are none.

    `paths` are the modules that someone is interested in: each must belong to one layer, or run before or behind all.
    """
    outside = [path for path in paths if not any(path.startswith(f"{layer}.") for layer in layers)]
    tried = _Tried(len(layers))
    handles = [model.get_submodule(path).register_forward_hook(partial(tried.note, path)) for path in outside]
    try:
        with frozen_weights(model), torch.enable_grad(), behaving(model, layers, tried.answer):
            answer = answers(model, batch)
            if answer.requires_grad:
                torch.autograd.backward(answer.sum())
    finally:
        for handle in handles:
            handle.remove()
    is_single = tried.calls == len(layers)
    places = tried.places
    if not tried.holds or tried.calls % len(layers) or (outside and not is_single):
        return None
    if any(places.get(path) not in (["before"], ["behind"]) for path in outside):
        return None
    before = tuple(path for path in outside if places[path] == ["before"])
    behind = tuple(path for path in outside if places[path] == ["behind"])
    return Chain(tuple(layers), tuple(tried.forms), before, behind, is_single, tried.nbytes // len(layers))


@dataclass
class _Tried:
    """What the trial of a chain shows."""

    layers: int
    calls: int = 0
    nbytes: int = 0
    holds: bool = True
    forms: list[Any] = field(default_factory=list)
    places: dict[str, list[str]] = field(default_factory=dict)
    _written: Tensor | None = None

    def answer(self, call: Call) -> Any:
        """Run a layer, whose hidden states go on as if nothing had made them."""
        if not (call.is_readable and call.index == self.calls % self.layers):
            self.holds = False
            return call.forward(*call.arguments, **call.named)
        is_fresh = not call.hidden.requires_grad if call.index == 0 else call.hidden is self._written
        written = call.run(call.hidden)
        is_known = isinstance(written, Tensor) or (isinstance(written, tuple) and isinstance(written[0], Tensor))
        rest = None if isinstance(written, Tensor) else written[1:]
        if not (is_fresh and is_known) or any(t.requires_grad for t in call.others):
            self.holds = False
            return written
        self.holds &= not any(isinstance(each, Tensor) for each in tree_leaves(rest))
        if self.calls < self.layers:
            self.forms.append(rest)
        self.calls += 1
        self.nbytes += states_of(written).nbytes
        self._written = states_of(written).detach().requires_grad_().clone()
        if call.index < self.layers - 1:
            self._written.register_hook(self._forbid)  # type: ignore[no-untyped-call]
        return replaced(written, self._written)

    def note(self, path: str, *_: object) -> None:
        """Note when a module runs that belongs to no layer."""
        place = "before" if not self.calls else "between" if self.calls % self.layers else "behind"
        known = self.places.setdefault(path, [])
        if place not in known:
            known.append(place)

    def _forbid(self, _: Tensor) -> None:
        """Learn that something else than the next layer reads a layer."""
        self.holds = False
