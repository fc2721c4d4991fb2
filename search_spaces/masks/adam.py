"""Adam under masks: masked weights are put back to zero while the step that moved them still has them in the cache.

A step reads and writes every weight and its moments once; a pass of its own over the weights behind it would cost a
fifth of that again where a batch is small.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim.adam import adam

from search_spaces.masks.masks import PIECE, Masks


class MaskedAdam(torch.optim.Adam):
    """Torch's fused Adam whose every step ends with the masks applied.

    Layers with one mask entry per weight are stepped in pieces, each masked at once; all others after the whole step.
    On other devices than the CPU nothing is in pieces: there each piece is a launch.
    """

    def __init__(self, masks: Masks, *, lr: float) -> None:
        self.masks = masks
        super().__init__(masks.model.parameters(), lr=lr, fused=True)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Take one step. Closures are not evaluated again and refused with a `ValueError`."""
        if closure is not None:
            raise ValueError("a step under masks takes no closure")
        in_pieces = {name: self._gradient_of(name) for name in self.masks.masked if self._is_stepped_in_pieces(name)}
        for name in in_pieces:
            self.masks.layers[name].weight.grad = None  # what has no gradient is not stepped
        super().step()
        for name, gradient in in_pieces.items():
            self.masks.layers[name].weight.grad = gradient
            self._step_in_pieces(name, gradient)
        self.masks.apply(name for name in self.masks.masked if name not in in_pieces)

    def _is_stepped_in_pieces(self, name: str) -> bool:
        weight = self.masks.layers[name].weight
        has_moments = bool(self.state.get(weight))  # torch makes them in the first step
        return self.masks.is_in_pieces(name) and has_moments and weight.grad is not None

    def _gradient_of(self, name: str) -> Tensor:
        gradient = self.masks.layers[name].weight.grad
        assert gradient is not None
        return gradient

    def _step_in_pieces(self, name: str, gradient: Tensor) -> None:
        state, settings = self.state[self.masks.layers[name].weight], self.defaults
        along = (tensor.view(-1).split(PIECE) for tensor in (gradient, state["exp_avg"], state["exp_avg_sq"]))
        for piece, of_gradient, mean, square in zip(self.masks.pieces(name), *along, strict=True):
            adam(
                [piece.weight],
                [of_gradient],
                [mean],
                [square],
                [],
                [state["step"].clone()],  # counted up by every piece
                fused=True,
                amsgrad=False,
                beta1=settings["betas"][0],
                beta2=settings["betas"][1],
                lr=settings["lr"],
                weight_decay=0.0,
                eps=settings["eps"],
                maximize=False,
            )
            piece.apply()
        state["step"] += 1
