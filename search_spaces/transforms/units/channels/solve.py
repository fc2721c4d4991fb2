"""The solve: what a reader's weights must become so that the kept channels replace the removed ones.

At every position the removed channels are predicted from the kept ones as inputs of an encoder's layers are
(`bank/solve.py`), and every tap of the reader takes over. The constant c adds W_R c, summed over taps, to
the outputs: the bias takes it, or the mean of the batch norm behind. Where neither is there,
moments about zero leave no constant. At zero-padded borders the constant is approximate.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from search_spaces.transforms.units.bank.solve import predicted
from search_spaces.transforms.units.channels.reading import Reading, as_weight, read_weight


@dataclass(frozen=True, slots=True)
class Refit:
    """A reader's solved weight, all rows, in its layer's layout; `shift` `(out,)` goes to the bias or into `norm`."""

    weight: Tensor
    shift: Tensor | None = None
    norm: str | None = None


def refit_reader(layer: nn.Module, reading: Reading, columns: Tensor, *, taps: int) -> Refit:
    """Return the weights of `layer` for the input `columns` that stay, ascending; `taps` inputs make one channel."""
    weight = read_weight(layer, taps).cpu()
    stays = torch.zeros(weight.shape[1], dtype=torch.bool)
    stays[columns.cpu() // taps] = True
    kept, removed = stays.nonzero().flatten(), (~stays).nonzero().flatten()
    takes_shift = not getattr(layer, "transposed", False) and (layer.bias is not None or reading.norm is not None)
    across = predicted(reading.covariance if takes_shift else reading.raw, kept, removed).to(weight.dtype)
    lost = weight[:, removed]
    solved = weight[:, kept] + torch.einsum("ort,rk->okt", lost, across)
    if not takes_shift:
        return Refit(as_weight(solved, layer))
    constant = reading.mean[removed] - across @ reading.mean[kept]
    # a norm behind a biased layer hears of the shift through the bias
    norm = reading.norm if layer.bias is None else None
    return Refit(as_weight(solved, layer), lost.sum(dim=2) @ constant, norm)
