"""Moments: what layers read and write, by how much the answers depend on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from search_spaces.layouts.layout import Layout
from search_spaces.transforms.moments import FELT, READ, WRITTEN, gather
from search_spaces.transforms.parts import whole
from search_spaces.transforms.transform import Dense

COUNTS = torch.tensor([2.0, 1.0, 0.0])  # of the positions: no answer depends on the last one


class Reading(nn.Module):
    """One answer per example, whose gradients are plain to see."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.rest, self.last = nn.Conv2d(4, 3, 1), nn.ReLU(inplace=True), nn.Linear(3, 1)
        self.unread = nn.Linear(4, 5)

    def forward(self, seen: Tensor) -> Tensor:
        self.unread(seen)
        written = self.conv(seen.movedim(-1, 1)[..., None])
        read = self.rest(written)[..., 0].movedim(1, -1)  # overwrites what the convolution wrote
        answer: Tensor = self.last(read).squeeze(-1) @ COUNTS[:, None]
        return answer


@pytest.fixture
def dense() -> Dense:
    torch.manual_seed(0)
    seen = [torch.randn(6, 3, 4) for _ in range(2)]

    def batches() -> Iterator[dict[str, Tensor]]:
        return ({"seen": each} for each in seen)

    return Dense(
        model=Reading().eval(),
        find_layout=lambda: cast("Layout", None),
        weights_hash="w",
        examples_hash="e",
        batches=batches,
        loss=lambda model, batch: model(batch["seen"]).sum(),
        answers=lambda model, batch: model(batch["seen"]),
    )


def test_a_position_counts_as_much_as_the_answers_depend_on_it(dense: Dense) -> None:
    found, model = gather(whole(dense, ["conv", "last", "unread"])), cast("Reading", dense.model)
    seen = torch.cat([batch["seen"] for batch in dense.batches()])
    with torch.no_grad():
        written = seen @ model.conv.weight[..., 0, 0].T  # without its bias
        read = (written + model.conv.get_parameter("bias")).relu()
        felt = COUNTS[:, None] * model.last.weight[0] * (read > 0)
    for path, moment, rows, weights in (
        ("last", READ, read, COUNTS[:, None].expand(12, 3, 1)),
        ("conv", WRITTEN, written, felt.norm(dim=-1, keepdim=True)),
        ("unread", READ, seen, torch.ones(12, 3, 1)),
    ):
        expected = (rows * weights).flatten(0, 1).T @ rows.flatten(0, 1) / weights.sum()
        torch.testing.assert_close(found[path][moment], expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found["last"][FELT], COUNTS.square().mean().reshape(1, 1))
    torch.testing.assert_close(found["conv"][FELT], felt.flatten(0, 1).T @ felt.flatten(0, 1) / 36)
    assert not found["unread"][FELT].any()
    assert all(parameter.grad is None for parameter in model.parameters())
