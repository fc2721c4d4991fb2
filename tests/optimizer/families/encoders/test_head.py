from __future__ import annotations

from pathlib import Path

import torch
from tiny_encoders import tiny
from toy_examples import toy_examples
from transformers import PreTrainedModel

from objectives.metrics import METRICS
from optimizer.families.encoders import head
from optimizer.predict import predict
from optimizer.tasks.classification import Classification
from optimizer.tasks.texts.examples import Examples
from optimizer.training.finetune import FinetuneSettings
from optimizer.training.history import DenseTraining, total


class NoTokenizer:
    def save_pretrained(self, place: Path) -> None:
        pass


def trained(cache: Path, train: Examples) -> tuple[PreTrainedModel, DenseTraining, list[str]]:
    said: list[str] = []
    torch.manual_seed(0)
    model, training = head.with_trained_head(
        tiny("bert"),
        NoTokenizer(),
        train,
        Classification(),
        cache_dir=cache,
        progress=lambda text, _done, _total: said.append(text),
        settings=FinetuneSettings(learning_rate=3e-3, epochs=3),
    )
    return model, training, said


def test_a_head_is_trained_once_and_then_taken_from_the_cache(tmp_path: Path) -> None:
    train, unseen = toy_examples(600, seed=1), toy_examples(200, seed=2)
    first, training, said = trained(tmp_path, train)
    assert said
    assert training.is_new
    assert len(training.history) in (2, 3)  # patience may end it
    assert total(training.history).joules > 0
    assert METRICS["accuracy"].value(predict(first, unseen, Classification()).argmax(axis=1), unseen.labels) > 0.9
    second, kept, said = trained(tmp_path, train)
    assert said == []
    assert (kept.history, kept.is_new) == (training.history, False)
    assert not second.training
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name
    *_, said = trained(tmp_path, toy_examples(600, seed=3))
    assert said  # other examples, another head
