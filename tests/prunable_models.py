"""A tiny model with a bank, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from tiny_encoders import tiny
from torch import Tensor, nn
from transformers import PreTrainedModel

from search_spaces.groups import Group
from search_spaces.layouts.named import named_layout
from search_spaces.transforms.key import BankKey
from search_spaces.transforms.units.bank.bank import LayerBank
from search_spaces.transforms.units.criteria import CRITERIA


def batches() -> list[dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    made = []
    for length in (5, 9, 14):
        mask = torch.ones(16, length, dtype=torch.long)
        mask[::3, length // 2 :] = 0
        ids = torch.randint(2, 50, (16, length), generator=generator)
        made.append(
            {"input_ids": ids, "attention_mask": mask, "labels": torch.randint(0, 3, (16,), generator=generator)}
        )
    return made


def possible(groups: Sequence[Group], kept: Mapping[str, int]) -> dict[str, int]:
    """The counts to keep, at least one where an architecture cannot do without, at most as many as there are."""
    return {group.name: min(max(kept[group.name], group.levels[0]), group.units) for group in groups}


def logits(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    return model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits


def first_logit(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    return logits(model, batch)[:, :1]


def summed_loss(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    return nn.functional.cross_entropy(logits(model, batch), batch["labels"], reduction="sum")


def bank_of(
    root: Path, family: str = "bert", criterion: str = "obs"
) -> tuple[PreTrainedModel, tuple[Group, ...], LayerBank]:
    model = tiny(family)
    layout = named_layout(model)
    key = BankKey(weights=family, examples="e", criterion=CRITERIA[criterion].name, damping=0.01, dtype="float32")
    bank = LayerBank(
        root,
        key,
        model=model,
        layout=layout,
        criterion=CRITERIA[criterion],
        calibration=batches,
        loss=summed_loss,
        answers=first_logit,
    )
    return model, layout.groups, bank
