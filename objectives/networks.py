"""FLOPs of any network by running it once: two per multiply-accumulate of every matrix product and convolution.

Every matrix product passes through a handful of torch functions, called by a layer or by the model's own code;
each has its law here, the same as torch's flop counter uses. The module that is running is charged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from objectives.flops import UncountableModelError
from objectives.guard import measuring

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
        with measuring(model), counter:
            _call(model, example_inputs)
    finally:
        for handle in handles:
            handle.remove()
    _check_understood(model, counter)
    examples = len(_first(example_inputs))
    return {path: flops / examples for path, flops in counter.flops.items()}


class _Counter(TorchFunctionMode):
    """Charges every product to the innermost module that is running."""

    def __init__(self) -> None:
        super().__init__()
        self.flops: Counter[str] = Counter()
        self.run: set[str] = set()
        self._running: list[str] = [""]

    def follow(self, path: str, module: nn.Module) -> list[Any]:
        def enter(*_: object) -> None:
            self.run.add(path)
            self._running.append(path)

        def leave(*_: object) -> None:
            self._running.pop()

        return [module.register_forward_pre_hook(enter), module.register_forward_hook(leave, always_call=True)]

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in _UNKNOWN:
            raise UncountableModelError(f"{self._running[-1] or 'the model'} calls {func.__name__}, not known here")
        result = func(*args, **(kwargs or {}))
        if func in _LAWS:
            self.flops[self._running[-1]] += _LAWS[func](result, *args, **(kwargs or {}))
        return result


def _linear(_: Tensor, inputs: Tensor, weight: Tensor, *__: object, **___: object) -> int:
    return 2 * inputs.numel() * weight.shape[0]


def _convolution(output: Tensor, _: Tensor, weight: Tensor, *__: object, **___: object) -> int:
    return 2 * output.numel() * prod(weight.shape[1:])


def _transposed(_: Tensor, inputs: Tensor, weight: Tensor, *__: object, **___: object) -> int:
    return 2 * inputs.numel() * prod(weight.shape[1:])


def _product(output: Tensor, left: Tensor, *_: object, **__: object) -> int:
    return 2 * output.numel() * left.shape[-1]


def _sparse_product(_: Tensor, left: Tensor, right: Tensor, *__: object, **___: object) -> int:
    return 2 * left._nnz() * right.shape[-1]  # compressed rows multiply what they hold, and no zeros


def _added_product(output: Tensor, _: Tensor, left: Tensor, *__: object, **___: object) -> int:
    return 2 * output.numel() * left.shape[-1]


def _attention(output: Tensor, query: Tensor, key: Tensor, *_: object, **__: object) -> int:
    # QKᵀ and AV, each query against each key
    queries = query.numel() // query.shape[-1]
    return 2 * queries * key.shape[-2] * (query.shape[-1] + output.shape[-1])


_LAWS: Mapping[Any, Callable[..., int]] = {
    F.linear: _linear,
    **dict.fromkeys((F.conv1d, F.conv2d, F.conv3d), _convolution),
    **dict.fromkeys((F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d), _transposed),
    **dict.fromkeys((torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.bmm, Tensor.bmm), _product),
    **dict.fromkeys((torch.mm, Tensor.mm), _product),
    torch.sparse.mm: _sparse_product,
    **dict.fromkeys((torch.addmm, Tensor.addmm, torch.baddbmm, Tensor.baddbmm), _added_product),
    F.scaled_dot_product_attention: _attention,
}

_UNKNOWN = frozenset(
    {torch.einsum, torch.tensordot, F.bilinear, F.multi_head_attention_forward, torch.lstm, torch.gru, torch.rnn_tanh}
    | {torch.rnn_relu, torch.chain_matmul, torch.linalg.multi_dot}
)

_LOOKED_UP = (nn.Embedding, nn.EmbeddingBag, nn.LayerNorm)  # hold matrices that they do not multiply


def _check_understood(model: nn.Module, counter: _Counter) -> None:
    """Refuse a module that ran and holds a matrix, or packed weights, but multiplied nothing that was seen."""
    for path, module in model.named_modules():
        if path not in counter.run or counter.flops[path] or isinstance(module, _LOOKED_UP):
            continue
        holds_matrix = any(sum(size > 1 for size in p.shape) > 1 for p in module.parameters(recurse=False))
        if holds_matrix or hasattr(module, "in_features"):
            raise UncountableModelError(f"{path} is a {type(module).__name__}: its matrix products are not known here")


def _call(model: nn.Module, inputs: Inputs) -> object:
    if isinstance(inputs, Mapping):
        return model(**inputs)
    return model(inputs) if isinstance(inputs, Tensor) else model(*inputs)


def _first(inputs: Inputs) -> Tensor:
    if isinstance(inputs, Mapping):
        return next(iter(inputs.values()))
    return inputs if isinstance(inputs, Tensor) else inputs[0]
