"""What was computed and written before is computed alike and read still: outcomes, bank, database, export."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import torch
from known_studies import HERE, answers, bank_numbers, digits_study, encoder_study, outcome, run
from safetensors.torch import load_file
from tiny_encoders import FAMILIES

from optimizer.fronts.fronts import front_of
from search_spaces.config import Config
from studies.opening import open_store


def known(study: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads((HERE / "outcomes.json").read_text())[study]
    return found


def numbers() -> dict[str, torch.Tensor]:
    return load_file(HERE / "numbers.safetensors")


def test_configs_keep_their_digests() -> None:
    for study in ("encoder", "digits", "old database"):
        for candidate in known(study):
            assert Config.from_json(json.dumps(candidate["config"])).digest == candidate["digest"]


def test_a_study_of_an_encoder_proposes_and_finds_what_it_did(tmp_path: Path) -> None:
    assert outcome(run(encoder_study(tmp_path), tmp_path, "encoder"), "encoder") == known("encoder")


def test_a_study_of_images_proposes_and_finds_what_it_did(tmp_path: Path) -> None:
    assert outcome(run(digits_study(), tmp_path, "digits"), "digits") == known("digits")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_bank_ranks_and_solves_as_it_did(family: str, tmp_path: Path) -> None:
    found = bank_numbers(tmp_path, family)
    wanted = {name: tensor for name, tensor in numbers().items() if name.startswith(f"{family}.")}
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        torch.testing.assert_close(found[name], tensor, atol=1e-5, rtol=1e-4)


def test_an_old_database_shows_the_same_front(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "old.sqlite")) as connection:
        connection.executescript((HERE / "old_database.sql").read_text())
    with closing(open_store(f"sqlite:///{tmp_path}/old.sqlite")) as store:
        study = store.study("encoder")
        assert outcome(store, "encoder") == known("old database")
        front = front_of(study, store.candidates(study.id))
    assert front.items
    assert all(member.verification and member.verification.n == 240 for member in front.items)


def test_an_old_export_answers_as_it_did() -> None:
    torch.testing.assert_close(answers(HERE / "old_export"), numbers()["export.logits"], atol=1e-5, rtol=1e-4)
