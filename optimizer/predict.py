"""Predict: a model's answers on examples, batched by length, returned in the examples' order.

On a CPU several batches run at once, on a share of the threads each: the layers of a small model are so small that
threads which work on one layer together mostly wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from objectives.device import device_of
from optimizer.tasks.task import Task, ask
from optimizer.tasks.texts.examples import AnyExamples
from search_spaces.resident import trim_memory

Places = NDArray[np.intp]

TOKENS = 512  # of a batch on a CPU: enough for full speed, and few enough to pad little
EXAMPLES = 32  # of a batch on a CPU, on average
ON_GPU = 256  # examples of a batch
SHARED = 8  # machines have 1, 2, 4 or 8 threads: so many batches, or a multiple, keep them equally busy
BETWEEN_TRIMS = 32  # batches


def predict(
    model: nn.Module,
    examples: AnyExamples,
    task: Task,
    *,
    batch_size: int | None = None,
    order: Places | None = None,
    before: Callable[[Places], None] = lambda _: None,
) -> NDArray[np.float32]:
    """Return the task's answers `(n, …)` in the examples' order. The model must be in evaluation mode.

    Batches are cut from the examples sorted by length, or from an `order` `(n,)` of their places.
    `before` is called with the places of every batch, in the thread that answers it.
    """
    device = device_of(model)
    order = np.argsort(examples.lengths, kind="stable") if order is None else order

    def answers(places: Places) -> Tensor:
        before(places)
        with torch.inference_mode():
            (batch,) = examples.batches(batch_size=len(places), device=device, order=places)
            return task.answers(ask(model, batch), batch)

    batches = _cut(order, examples, device) if batch_size is None else _split(order, batch_size)
    by_length = torch.cat(_mapped(answers, batches, _workers(model, len(batches)))).float().cpu().numpy()
    found = np.empty_like(by_length)
    found[order] = by_length
    return found


def _cut(order: Places, examples: AnyExamples, device: torch.device) -> list[Places]:
    """Return the order in batches of equally many tokens; their number is the same on any number of threads."""
    tokens = examples.lengths[order] * examples.inputs_each
    if device.type != "cpu":
        return _split(order, max(1, ON_GPU // examples.inputs_each))
    number = max(-(-int(tokens.sum()) // TOKENS), -(-len(order) * examples.inputs_each // EXAMPLES))
    if number > SHARED // 2:
        number += -number % SHARED
    ends = np.cumsum(tokens)
    return [b for b in np.split(order, np.searchsorted(ends, ends[-1] * np.arange(1, number) / number)) if len(b)]


def _split(order: Places, batch_size: int) -> list[Places]:
    return np.array_split(order, -(-len(order) // batch_size))


def _workers(model: nn.Module, batches: int) -> int:
    """Return how many batches run at once: one where the model may keep a state while it runs."""
    is_stateless = hasattr(model, "base_model_prefix")  # a class of transformers
    on_cpu = device_of(model).type == "cpu"
    return min(torch.get_num_threads(), batches) if is_stateless and on_cpu else 1


def _mapped(answers: Callable[[Places], Tensor], batches: list[Places], workers: int) -> list[Tensor]:
    if workers == 1:
        return [answers(batch) for batch in batches]
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(workers, initializer=_on_threads, initargs=(threads // workers,)) as pool:
        try:
            return list(_trimmed(pool.map(answers, batches)))
        finally:
            torch.set_num_threads(threads)


def _trimmed(found: Iterable[Tensor]) -> Iterator[Tensor]:
    """Pass answers on, and return freed memory now and then: a thread's heap keeps a hole for every size of batch."""
    for done, answer in enumerate(found, start=1):
        if done % BETWEEN_TRIMS == 0:
            trim_memory()
        yield answer


def _on_threads(threads: int) -> None:
    torch.get_num_threads()  # the first call in a thread takes over the process's number
    torch.set_num_threads(threads)
