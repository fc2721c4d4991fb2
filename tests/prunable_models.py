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
from search_spaces.transforms.passes import Answers
from search_spaces.transforms.transform import Dense
from search_spaces.transforms.units.bank import UnitBank


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


def logits(model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    found: Tensor = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    return found


def first_logit(model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    return logits(model, batch)[:, :1]


def summed_loss(model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    return nn.functional.cross_entropy(logits(model, batch), batch["labels"], reduction="sum")


def columns_of(units: Tensor, unit_size: int) -> Tensor:
    """The row or column indices of units: `(k,)` -> `(k * unit_size,)`."""
    return (units[:, None] * unit_size + torch.arange(unit_size)).flatten()


class TinyBank(UnitBank):
    """A bank that also gives what it solved for a group, whose reader has a weight and a bias."""

    def solved(self, group: Group, level: int) -> tuple[Tensor, Tensor]:
        found = self.refit(group.consumers[0], columns_of(self.kept_units(group, level), group.unit_size))
        assert found.bias is not None
        return found.weight, found.bias


def dense_of(
    model: PreTrainedModel,
    *,
    criterion: str = "obs",
    examples: Sequence[dict[str, Tensor]] | None = None,
    answers: Answers = first_logit,
) -> Dense:
    return Dense(
        model=model,
        find_layout=lambda: named_layout(model),
        weights_hash=str(model.config.model_type),
        examples_hash="e",
        batches=lambda: batches() if examples is None else examples,
        loss=summed_loss,
        answers=answers,
        criterion=criterion,
    )


def bank_of(
    root: Path, family: str = "bert", criterion: str = "obs", examples: Sequence[dict[str, Tensor]] | None = None
) -> tuple[PreTrainedModel, tuple[Group, ...], TinyBank]:
    dense = dense_of(tiny(family), criterion=criterion, examples=examples)
    return dense.model, dense.layout.groups, TinyBank(dense, root)
