"""Another checkpoint as teacher: what it must have in common with the model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from test_halving import FIELDS
from tiny_checkpoints import LABELS, SPECIAL, WORDS, save_data, save_tiny
from tiny_teachers import saved, wider
from transformers import AutoModelForSequenceClassification

from optimizer.errors import InputError
from optimizer.families.encoders.load import check_workload, load_workload
from optimizer.run import optimize
from optimizer.spec import StudySpec
from studies.opening import open_store


def with_config(change: Callable[[dict], object]) -> Callable[[Path, Path], None]:
    def save(_model: Path, place: Path) -> None:
        config = json.loads((place / "config.json").read_text())
        change(config)
        (place / "config.json").write_text(json.dumps(config))

    return save


def reversed_labels(config: dict) -> None:
    config["id2label"] = dict(enumerate(reversed(LABELS)))
    config["label2id"] = {name: index for index, name in config["id2label"].items()}


def without_head(model: Path, place: Path) -> None:
    AutoModelForSequenceClassification.from_pretrained(model).bert.save_pretrained(place)


def other_tokenizer(_model: Path, place: Path) -> None:
    file = place / "tokenizer.json"
    described = json.loads(file.read_text())
    words = [*SPECIAL, *reversed(WORDS)]
    described["model"]["vocab"] = {word: index for index, word in enumerate(words)}
    file.write_text(json.dumps(described))


def untrained(_model: Path, place: Path) -> None:
    torch.manual_seed(5)
    twin = AutoModelForSequenceClassification.from_pretrained(place)
    torch.nn.init.zeros_(twin.classifier.weight)
    twin.save_pretrained(place)


def of_two_labels(_model: Path, place: Path) -> None:
    save_tiny(place, labels=LABELS[:2])


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("assets")
    save_tiny(root / "model")
    save_data(root / "data", root / "model", {"train": 300, "validation": 130, "test": 120})
    return root


def spec_with(assets: Path, **changes: object) -> StudySpec:
    named = {"model": str(assets / "model"), "data": str(assets / "data"), "teacher": str(assets / "model")}
    return StudySpec.model_validate({**FIELDS, **named, **changes})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (with_config(reversed_labels), "answers with the labels 'blue', 'green', 'red' in this order, the model with"),
        (of_two_labels, "has 2 labels, the data have 3"),
        (without_head, "has no head for this task; give a checkpoint that was trained for it"),
        (other_tokenizer, "reads the training texts as other tokens; give a checkpoint with the model's own"),
        (untrained, "no better than always giving the same answer"),
        (lambda _model, place: (place / "config.json").unlink(), "config.json"),
    ],
)
def test_a_teacher_that_does_not_fit_is_refused_before_anything_is_stored(
    change: Callable[[Path, Path], None], said: str, assets: Path, tmp_path: Path
) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    with pytest.raises(InputError, match=f"^teacher: .*{said}") as refused:
        optimize(
            spec_with(assets, teacher=str(saved(assets / "model", tmp_path / "t", change))),
            store=store,
            cache_dir=tmp_path / "cache",
        )
    assert refused.value.field == "teacher"
    assert not store.studies()
    store.close()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"recover": "none", "recover_epochs": 1}, "with `recover` alone"),
        ({"teacher": "nowhere"}, "unknown name 'nowhere'"),
        ({"model": "resnet18", "data": None, "task": "digits", "teacher": "resnet34"}, "an architecture without"),
        ({"model": "resnet18", "data": None, "task": "digits", "teacher": "nowhere"}, "unknown name 'nowhere'"),
    ],
)
def test_a_teacher_that_cannot_be_is_refused_before_anything_is_loaded(
    changes: dict[str, object], said: str, assets: Path
) -> None:
    with pytest.raises(InputError, match=f"^teacher: .*{said}"):
        check_workload(spec_with(assets, **changes))


def test_layers_teach_where_they_are_as_wide_as_the_models(assets: Path, tmp_path: Path) -> None:
    spec = spec_with(assets, teacher=str(saved(assets / "model", tmp_path / "wide", wider)))
    teacher = load_workload(spec, cache_dir=tmp_path, progress=lambda *_: None).teacher
    assert teacher is not None
    assert teacher.has_layers
    assert "its outputs and what its layers write" in teacher.note
