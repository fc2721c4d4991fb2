"""ONNX: the pruned model as a graph that onnxruntime runs, checked against torch before it is handed over."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from optimizer.errors import InputError, MachineError

FILE = "model.onnx"
TOLERANCE = 1e-4


class _Logits(nn.Module):
    """The classifier as a function of plain tensors."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return the logits `(batch, labels)`."""
        logits: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


def write_onnx(model: Any, directory: Path) -> Path:
    """Write `model.onnx` with free batch and length, and check that onnxruntime gives torch's logits.

    Raises `InputError` where the onnx extra is not installed, `MachineError` where the two disagree.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401 - torch's exporter needs it
    except ImportError as error:
        raise InputError("--format", "onnx needs more packages: pip install 'pruning-optimizer[onnx]'") from error
    if not hasattr(model, "config"):
        raise InputError("--format", "onnx is written of text encoders; export an image network as safetensors")
    path = directory / FILE
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length")
    ids, mask = _request(int(model.config.vocab_size), 2, 9)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter speaks of its own future
        torch.onnx.export(
            _Logits(model).eval(),
            (ids, mask),
            str(path),
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_shapes={"input_ids": {0: batch, 1: length}, "attention_mask": {0: batch, 1: length}},
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for rows, tokens in ((1, 5), (3, 17)):
        ids, mask = _request(int(model.config.vocab_size), rows, tokens)
        with torch.inference_mode():
            wanted = model(input_ids=ids, attention_mask=mask).logits.numpy()
        got = session.run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})[0]
        if not np.allclose(got, wanted, atol=TOLERANCE):
            raise MachineError(
                f"onnxruntime differs from torch by {np.abs(got - wanted).max():.2g}; nothing was written"
            )
    return path


def _request(vocabulary: int, rows: int, tokens: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(rows)
    ids = torch.randint(0, vocabulary, (rows, tokens), generator=generator)
    mask = torch.ones_like(ids)
    mask[-1, tokens // 2 :] = 0
    return ids, mask
