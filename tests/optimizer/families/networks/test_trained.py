"""A network that needs training is trained once, and again where what an earlier study left is damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from optimizer.families.networks.classifier import ImageClassifier
from optimizer.families.networks.models import new_model
from optimizer.families.networks.trained import train_once
from optimizer.tasks.images.examples import ImageExamples
from optimizer.training.augment import Augmentation
from optimizer.training.history import DenseTraining, total


def test_a_network_is_trained_once_and_again_where_its_file_is_damaged(tmp_path: Path) -> None:
    pixels = torch.randn(40, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    pool = ImageExamples("train", pixels, np.arange(40) % 2, "hash")
    epochs: list[int] = []
    spent: list[DenseTraining] = []

    def trained(augmentation: Augmentation | None = None) -> dict[str, torch.Tensor]:
        model = ImageClassifier(new_model("mlp-small", (1, 8, 8), 2, seed=0))
        spent.append(
            train_once(
                model,
                pool,
                name="n",
                learning_rate=0.01,
                seed=0,
                augmentation=augmentation,
                folder=tmp_path,
                progress=lambda n, _: epochs.append(n),
            )
        )
        return model.state_dict()

    first, calls = trained(), len(epochs)
    assert calls
    again = trained()
    assert len(epochs) == calls, "the second study trains nothing"
    assert all(torch.equal(again[name], tensor) for name, tensor in first.items())
    assert [each.is_new for each in spent] == [True, False]
    assert spent[0].history == spent[1].history
    assert total(spent[0].history).seconds > 0
    (kept,) = tmp_path.iterdir()
    half = kept.read_bytes()[:100]
    kept.unlink()
    kept.write_bytes(half)
    anew = trained()
    assert len(epochs) > calls
    torch.testing.assert_close(anew, first)
    calls, augmented = len(epochs), trained(Augmentation(flips=False, seed=0))
    assert len(epochs) > calls, "a network trained in another way is not taken"
    assert any(not torch.equal(augmented[name], tensor) for name, tensor in first.items())
