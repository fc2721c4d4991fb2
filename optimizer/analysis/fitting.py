"""Whether a model can take a batch: the sizes that its graph allows, and the memory that it needs."""

from __future__ import annotations

from objectives.device import device_of
from objectives.guard import measuring
from objectives.latency import forward_pass
from objectives.memory import peak_memory_bytes
from objectives.room import free_bytes
from optimizer.analysis.sources.source import Loaded

FULL = ("can't allocate memory", "not enough memory", "bad allocation", "Failed to allocate memory", "out of memory")
GIB = 2**30


def is_full(error: RuntimeError | MemoryError) -> bool:
    """Whether an error says that memory ran out."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in FULL)


def refusal(loaded: Loaded, batch: int) -> str | None:
    """Return why a model cannot take a batch, None where it can.

    What a pass holds besides the weights grows with the batch. It is counted on one example, without what a kernel
    needs for itself.
    """
    batches = loaded.inputs.batches
    if batches is not None and batch not in batches:
        return f"its graph takes batches of {', '.join(map(str, batches))} alone"
    model = loaded.measured.model
    if loaded.measured.traffic is not None:  # not torch's tensors
        return None
    device = device_of(model)
    if loaded.example_bytes is None:
        inputs = {name: tensor.to(device) for name, tensor in loaded.inputs.request()(1).items()}
        with measuring(model):
            weights = sum(each.nbytes for each in (*model.parameters(), *model.buffers()))
            loaded.example_bytes = peak_memory_bytes(forward_pass(model, inputs), model) - weights
    needed, free = batch * loaded.example_bytes, free_bytes(device)
    if needed <= free:
        return None
    return f"a batch of {batch} needs {needed / GIB:.1f} GiB, and {free / GIB:.1f} GiB are free"
