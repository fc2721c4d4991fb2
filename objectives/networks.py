"""FLOPs of any network by running it once: two per multiply-accumulate of every matrix product and convolution.

The laws are those of torch's flop counter, here charged to the module that is running. Attention is counted in its
plain form, since the counter does not know all fused kernels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import BaseTorchFunctionMode
from torch.utils.flop_counter import flop_registry

from objectives.dispatch import Dispatch, is_compound
from objectives.guard import measuring


class UncountableModelError(ValueError):
    """A model with a matrix product that the count does not know; the text names the module."""


Inputs = Tensor | Sequence[Tensor] | Mapping[str, Tensor]


def count_network_flops(model: nn.Module, example_inputs: Inputs) -> float:
    """Return the FLOPs of one example; the first dimension of the inputs counts examples.

    Raises `UncountableModelError` where a module or function is not understood.
    """
    return sum(flops_by_layer(model, example_inputs).values())


def flops_by_layer(model: nn.Module, example_inputs: Inputs) -> dict[str, float]:
    """Return the FLOPs of one example by path of the module that spends them. Raises `UncountableModelError`."""
    counter = _Counter()
    handles = [handle for path, module in model.named_modules() for handle in counter.follow(path, module)]
    try:
        with measuring(model), _taking_apart(), sdpa_kernel(SDPBackend.MATH), _unfused(model), counter:
            _call(model, example_inputs)
    finally:
        for handle in handles:
            handle.remove()
    _check_understood(model, counter)
    examples = len(_first(example_inputs))
    return {path: flops / examples for path, flops in counter.flops.items()}


@contextmanager
def _taking_apart() -> Iterator[None]:
    """Have torch itself take compound operators apart; in inference mode it leaves that to the counter."""
    with torch.inference_mode(mode=False), torch.no_grad():
        yield


def _unfused(model: nn.Module) -> AbstractContextManager[object]:
    """Keep torch from running a whole layer as one operator, where the model has a layer that can be run so."""
    has_fused = any(isinstance(module, _FUSED) for module in model.modules())
    return BaseTorchFunctionMode() if has_fused else nullcontext()


class _Counter(Dispatch):
    """Charges every product to the innermost module that is running."""

    def __init__(self) -> None:
        super().__init__()
        self.flops: Counter[str] = Counter()
        self.run: set[str] = set()
        self.added: set[int] = set()  # places in memory of tensors that are looked up in or added
        self._running: list[str] = [""]

    def follow(self, path: str, module: nn.Module) -> list[Any]:
        def enter(*_: object) -> None:
            self.run.add(path)
            self._running.append(path)

        def leave(*_: object) -> None:
            self._running.pop()

        return [module.register_forward_pre_hook(enter), module.register_forward_hook(leave, always_call=True)]

    def __torch_dispatch__(
        self, func: Any, types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:  # Any: torch's operators are untyped
        named = kwargs or {}
        if func._overloadpacket in _NO_PRODUCT:
            tensors = args[0] if isinstance(args[0], list | tuple) else args[:2]
            self.added |= {_place(tensor) for tensor in tensors if isinstance(tensor, Tensor)}
        law = _LAWS.get(func._overloadpacket)
        if law is None and is_compound(func):
            with self:  # the operators that it consists of
                return func.decompose(*args, **named)
        result = func(*args, **named)
        if law is not None:
            self.flops[self._running[-1]] += law(*args, **named, out_val=result)
        return result


def _place(tensor: Tensor) -> int:
    return 0 if tensor.layout is not torch.strided else tensor.untyped_storage().data_ptr()


def _sparse_product(*tensors: Tensor, **_: object) -> int:
    left, right = tensors[-2:]
    return 2 * left._nnz() * right.shape[-1]  # compressed rows multiply what they hold, and no zeros


_SPARSE = (torch.ops.aten._sparse_mm, torch.ops.aten._sparse_addmm)
_LAWS: Mapping[Any, Callable[..., int]] = {**flop_registry, **dict.fromkeys(_SPARSE, _sparse_product)}

_RESIZED = ("upsample_bicubic2d", "upsample_bilinear2d", "_upsample_bicubic2d_aa", "_upsample_bilinear2d_aa")
_NO_PRODUCT = {
    getattr(torch.ops.aten, name) for name in ("add", "cat", "embedding", "gather", "index", "index_select", *_RESIZED)
}  # of tables and positions
_FUSED = (nn.MultiheadAttention, nn.TransformerEncoder, nn.TransformerEncoderLayer)
_LOOKED_UP = (nn.EmbeddingBag, nn.LayerNorm)  # hold matrices that they do not multiply


def _check_understood(model: nn.Module, counter: _Counter) -> None:
    """Refuse a module that ran and holds a matrix, or packed weights, but multiplied nothing that was seen."""
    for path, module in model.named_modules():
        if path not in counter.run or counter.flops[path] or isinstance(module, _LOOKED_UP):
            continue
        own = [p for p in module.parameters(recurse=False) if _place(p) not in counter.added]
        holds_matrix = any(sum(size > 1 for size in p.shape) > 1 for p in own)
        is_packed = hasattr(module, "in_features") and not any(module.children())
        if holds_matrix or is_packed:
            raise UncountableModelError(f"{path} is a {type(module).__name__}: its matrix products are not known here")


def _call(model: nn.Module, inputs: Inputs) -> object:
    if isinstance(inputs, Mapping):
        return model(**inputs)
    return model(inputs) if isinstance(inputs, Tensor) else model(*inputs)


def _first(inputs: Inputs) -> Tensor:
    if isinstance(inputs, Mapping):
        return next(iter(inputs.values()))
    return inputs if isinstance(inputs, Tensor) else inputs[0]
