"""Halves: the candidates of a search compute in bfloat16, in about half of the time, where a processor has it.

What they answer there decides which of them are verified. Verification, and with it every figure of a member, is of
float32. Divergences from the dense model's answers, which stay those of float32, include what rounding adds: it was
0.00002 nat of a MiniLM, where candidates diverge by 0.001 to 0.1 (`benchmarks/halves.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import nn

from optimizer.evaluation.evaluate import Answering, DenseAnswers
from optimizer.precision import native_dtype
from optimizer.workload import Workload
from search_spaces.layouts.named import has_row
from search_spaces.layouts.surgery import share_structure

MOST = 1e-3  # nat, of the dense model's answers from its own in float32: as much as 8 bits by token cost them
NAT = "nat"  # the unit of divergences that can be held against that


@dataclass(frozen=True)
class Halved:
    """Gives a model's answers in bfloat16."""

    answering: Answering

    def __call__(self, model: nn.Module) -> nn.Module:
        """Return the model as it answers, its weights in bfloat16. The model itself is not changed."""
        half = share_structure(self.answering(model))
        for module in half.modules():
            for name, weight in module._parameters.items():
                if weight is not None and weight.is_floating_point():
                    module._parameters[name] = nn.Parameter(weight.detach().bfloat16(), requires_grad=False)
        return half


def in_halves(dense: DenseAnswers, workload: Workload, *, has_few_bits: bool) -> tuple[DenseAnswers, str]:
    """Return what candidates are compared with when they compute in bfloat16, or as it was where they cannot.

    The note says how far the dense model's answers move, or why candidates compute in float32.
    """
    if why := what_forbids(workload, has_few_bits=has_few_bits):
        return dense, f"candidates compute in float32: {why}"
    halves = replace(dense, answering=Halved(dense.answering), precision="bfloat16")
    try:
        moved = dense.divergence_of(dense.answers_of(halves.answering(workload.model), dense.screening))
    except ValueError:
        return dense, "candidates compute in float32: in bfloat16 the dense model's answers are not finite"
    if moved > MOST:
        return dense, f"candidates compute in float32: in bfloat16 the dense model's answers diverge by {moved:.2g} nat"
    return halves, f"candidates compute in bfloat16, in which the dense model's answers diverge by {moved:.2g} nat"


def what_forbids(workload: Workload, *, has_few_bits: bool) -> str | None:
    """Return why candidates of a workload cannot compute in bfloat16; None where they can."""
    if not has_row(workload.model, "tokens"):
        return "bfloat16 is for text encoders"
    if has_few_bits:
        return "weights of few bits are rounded already"
    if workload.task.divergence_unit != NAT:
        return "answers of this task are numbers that bfloat16 rounds to equal ones"
    if native_dtype(workload.device) != torch.bfloat16:
        return "this processor has no bfloat16 arithmetic"
    return None
