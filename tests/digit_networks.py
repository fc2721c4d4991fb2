"""Small networks trained for seconds on scikit-learn's scanned digits: real weights for the tests of channels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

Batch = tuple[Tensor, Tensor]


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))), inplace=True)


class ResidualCnn(nn.Module):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(width)
        self.block1 = Block(width)
        self.widen = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.block2 = Block(2 * width)
        self.head = nn.Linear(2 * width * 4, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn(self.stem(x)))
        x = F.relu(self.widen(self.block1(x)))
        return self.head(F.max_pool2d(self.block2(x), 2).flatten(1))


@dataclass(frozen=True)
class Trained:
    """A trained network with calibration batches and held-out digits."""

    model: nn.Module
    calibration: list[Batch]
    images: Tensor
    labels: Tensor


def mlp() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))


def trained(model: nn.Module, *, epochs: int, rate: float) -> Trained:
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16
    labels = torch.tensor(digits.target)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    train, held_out = order[:1200], order[1200:]
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    model.train()
    generator = torch.Generator().manual_seed(1)
    for _ in range(epochs):
        for rows in train[torch.randperm(len(train), generator=generator)].split(64):
            optimizer.zero_grad()
            F.cross_entropy(model(images[rows]), labels[rows]).backward()
            optimizer.step()
    model.eval()
    calibration = [(images[rows], labels[rows]) for rows in train[:512].split(128)]
    return Trained(model, calibration, images[held_out], labels[held_out])


def summed_loss(model: nn.Module, batch: Batch) -> Tensor:
    return F.cross_entropy(model(batch[0]), batch[1], reduction="sum")


def images_of(batches: list[Batch]) -> Iterator[Tensor]:
    return (images for images, _ in batches)
