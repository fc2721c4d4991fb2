"""Proof: a row is tried on the user's own model before anything is pruned by it.

Heads and neurons are removed by the row, another share in every layer and then all of the last layer, and in the dense
model the columns that read them are set to zero. What every layer writes must then be the same, for padded and for
unpadded inputs. A model can run without some of its heads and still compute something else, for instance where a count
of heads stayed as it was.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn

from search_spaces.layouts.layout import Axis, Layout, UnprunableModelError
from search_spaces.layouts.requests import Inputs, logits_of, real_tokens
from search_spaces.layouts.surgery import share_structure, shrink
from search_spaces.layouts.tapped import tapped
from search_spaces.resident import leaving, release

TOLERANCE = 1e-5  # of the norm of what a layer writes, in float32
LARGE = 1 << 30  # bytes of weights of a large model: one unit in eight stays, as what stays is copied, else one in two


def prove(model: nn.Module, layout: Layout, requests: list[Inputs]) -> None:
    """Raise `UnprunableModelError` naming the first layer whose outputs differ; the model is left as it is.

    What differs in float32 is compared again in float64 on the CPU: very deep models lose digits, and so do GPUs.
    """
    try:
        path = _first_difference(model, layout, requests)
        if path:
            exact = copy.deepcopy(model).cpu().double()
            path = _first_difference(exact, layout, [{n: t.cpu() for n, t in request.items()} for request in requests])
    except (RuntimeError, TypeError, AttributeError, ValueError) as error:
        raise _disproved(type(model).__name__, f"fails without some of its heads or neurons ({error})") from error
    if path:
        raise _disproved(path, "computes something else without some of its heads or neurons")


def _first_difference(model: nn.Module, layout: Layout, requests: list[Inputs]) -> str | None:
    is_large = sum(each.nbytes for each in model.parameters()) > LARGE
    one_in = 8 if is_large else 2
    for kept in (_unequal_shares(layout, one_in), _without_last_layer(layout)):
        small = _smaller(model, layout, kept, is_large=is_large)
        for request in requests:
            with _unread(model, layout, kept), _sparing(model, layout, is_large=is_large):
                wanted = _outputs(model, layout, request)
            found = _outputs(small, layout, request)
            for path, output in wanted.items():
                if not _agree(found[path], output):
                    return path
    if is_large:
        release(model)
    return None


def _sparing(model: nn.Module, layout: Layout, *, is_large: bool) -> AbstractContextManager[None]:
    """Have one layer of a large model in memory at a time."""
    return leaving(model, layout.layers) if is_large else nullcontext()


def _smaller(model: nn.Module, layout: Layout, kept: Mapping[str, Tensor], *, is_large: bool) -> nn.Module:
    """Return the model without the other units; a block without any gives the bias of its dense output layer."""
    small = share_structure(model)
    for layer in sorted({group.layer for group in layout.groups}):
        shrink(small, layout, {g.name: kept[g.name] for g in layout.groups if g.layer == layer and g.name in kept})
        if is_large:
            release(model)
    for name in (name for name, units in kept.items() if not len(units)):
        path = layout.blocks[name].output
        if (bias := model.get_submodule(path).bias) is not None:
            small.get_submodule(path).bias = bias
    return small


def _disproved(path: str, what: str) -> UnprunableModelError:
    return UnprunableModelError(
        f"{path} {what}: its architecture keeps its parts elsewhere than this version knows; report the model's "
        "config.json"
    )


def _unequal_shares(layout: Layout, one_in: int) -> dict[str, Tensor]:
    """Return units to keep by group: from every group at least one and not all, where it has two."""
    return {
        group.name: torch.arange(index % 2, group.units, one_in)[: max(1, group.units // one_in - index % 3)]
        for index, group in enumerate(layout.groups)
        if group.units > 1
    }


def _without_last_layer(layout: Layout) -> dict[str, Tensor]:
    last = max(group.layer for group in layout.groups)
    return {
        group.name: torch.arange(0) for group in layout.groups if group.layer == last and group.name in layout.blocks
    }


@contextmanager
def _unread(model: nn.Module, layout: Layout, kept: Mapping[str, Tensor]) -> Iterator[None]:
    """Set to zero, inside the block, the inputs that removed units give to the layers that read them."""
    handles = []
    for (path, axis), entries in layout.kept_entries(kept).items():
        if axis is Axis.COLUMNS:
            reader = model.get_submodule(path)
            mask = torch.zeros(layout.sizes[path, axis]).to(next(reader.parameters()))
            mask[entries] = 1
            handles.append(reader.register_forward_pre_hook(lambda _, inputs, mask=mask: (inputs[0] * mask,)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _outputs(model: nn.Module, layout: Layout, request: Inputs) -> dict[str, Tensor]:
    """Return what every layer that reads units writes, in the order of the calls, and at last the logits."""
    readers = [path for group in layout.groups for path in group.consumers]
    with torch.no_grad(), tapped(model, readers) as seen:
        logits = logits_of(model(**request))
    real = {path: output[real_tokens(request, output)] for path, output in seen.items()}  # nobody reads padding
    return real | {"the classifier": logits}


def _agree(found: Tensor, wanted: Tensor) -> bool:
    return found.shape == wanted.shape and bool((found - wanted).norm() <= TOLERANCE * wanted.norm())
