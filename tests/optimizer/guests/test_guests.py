"""Guests: models from elsewhere are verified and measured beside a study's front, each once, and never on it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_checkpoints import save_data, save_tiny, tokenizer

from optimizer.errors import InputError
from optimizer.fronts import front_of
from optimizer.guests import received
from optimizer.guests.received import Asked, House, receive
from optimizer.handover.export import export_candidate
from optimizer.result import result_of
from optimizer.run import optimize
from optimizer.spec import StudySpec
from studies.opening import open_store
from studies.records import StudyState
from studies.store import StudyStore

WEIGHTS, PT = "model.safetensors", {"format": "pt"}


class Place(NamedTuple):
    store: StudyStore
    root: Path

    def take(self, *names: str) -> received.Received:
        asked = Asked(named=[str(self.root / name) for name in names])
        return receive(asked, self.store.study("s"), self.store, cache_dir=self.root / "cache")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A finished study; `narrower` is the dense checkpoint with other weights, `export` a member of the front."""
    root = tmp_path_factory.mktemp("guests")
    save_tiny(root / "model")
    tokenizer(gives_types=True).save_pretrained(root / "model")
    save_data(root / "data", root / "model", {"train": 120, "validation": 120, "test": 120})
    spec = StudySpec(
        model=str(root / "model"),
        task="colours",
        data=str(root / "data"),
        text_columns=("sentence",),
        epsilon=0.6,
        trials=3,
        batch_sizes=(1, 2),
        further_lengths=(4,),
        measure_seconds=0.02,
        threads=1,
    )
    store = open_store(f"sqlite:///{root}/s.sqlite")
    result = optimize(spec, store=store, cache_dir=root / "cache", study="s")
    export_candidate(store, store.study("s"), result.front[0].candidate, root / "export", cache_dir=root / "cache")
    other = shutil.copytree(root / "model", root / "other")
    weights = load_file(other / WEIGHTS)
    save_file({name: tensor * 0.9 for name, tensor in weights.items()}, other / WEIGHTS, metadata=PT)
    return Place(store, root)


def test_models_are_verified_and_measured_beside_the_front_and_never_on_it(place: Place) -> None:
    before = front_of(place.store.study("s"), place.store.candidates(place.store.study("s").id))
    found = place.take("export", "other")
    assert [(guest.name, guest.form) for guest in found.guests] == [("export", "export"), ("other", "checkpoint")]
    assert not found.failures
    study = place.store.study("s")
    front = front_of(study, place.store.candidates(study.id))
    assert front.model_copy(update={"guests": ()}) == before
    exported, other = result_of(study, place.store).guests
    assert (exported, other) == front.guests
    (member,) = [each for each in front.items if each.candidate == before.items[0].candidate]
    assert member.verification and exported.n == member.verification.n == 120
    assert exported.drop == member.verification.drop
    assert exported.interval[0] <= exported.drop <= exported.interval[1]
    assert exported.flops == pytest.approx(member.flops)
    assert (exported.parameters, other.flops_ratio) == (member.parameters, 1)
    places = [(each.batch, each.length) for each in exported.latency]
    assert places[2:] == [(1, 4), (2, 4)] and [batch for batch, _ in places] == [1, 2, 1, 2]
    result = result_of(study, place.store)
    for of_study in (result.baseline, result.front[0]):
        assert of_study and [(each.batch, each.length) for each in of_study.latency] == places
    assert all(each.dense_seconds for each in exported.latency)
    assert exported.energy and exported.memory_ratio and exported.place == str((place.root / "export").resolve())


def test_the_same_files_are_not_run_again_and_other_ones_in_their_place_are(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.take("other")
    first = place.store.study("s").guests
    shutil.copytree(place.root / "other", place.root / "copy")
    with monkeypatch.context() as patch:
        patch.setattr(received, "House", None)
        place.take("other", "copy")
    assert place.store.study("s").guests == first
    weights = load_file(place.root / "copy" / WEIGHTS)
    save_file({name: tensor * 0.8 for name, tensor in weights.items()}, place.root / "copy" / WEIGHTS, metadata=PT)
    place.take("copy")
    assert {guest.name for guest in place.store.study("s").guests} == {*(guest.name for guest in first), "copy"}


def test_a_run_that_was_killed_before_measuring_does_not_verify_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(place.root / "other", place.root / "killed")
    (place.root / "killed" / "note.txt").write_text("another digest")
    with monkeypatch.context() as patch:
        patch.setattr(House, "_measure", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            place.take("killed")
    (kept,) = [guest for guest in place.store.study("s").guests if guest.name == "killed"]
    assert not kept.measurements
    assert "killed" not in {guest.name for guest in result_of(place.store.study("s"), place.store).guests}
    monkeypatch.setattr("optimizer.verify.Verifier.alone", None)
    place.take("killed")
    (measured,) = [guest for guest in place.store.study("s").guests if guest.name == "killed"]
    assert measured.measurements and measured.verification == kept.verification


def refused(place: Place, name: str) -> str:
    with pytest.raises(InputError) as error:
        place.take(name)
    return str(error.value)


def test_what_does_not_answer_the_task_is_refused_with_its_field(place: Place) -> None:
    labels = save_tiny(place.root / "labels", labels=("a", "b", "c"))
    tokenizer(gives_types=True).save_pretrained(labels)
    assert "models: none could be put beside 's'; labels: labels answers with the labels 'a'" in refused(
        place, "labels"
    )
    few = save_tiny(place.root / "few", labels=("LABEL_0", "LABEL_1"))
    tokenizer(gives_types=True).save_pretrained(few)
    assert "few gives outputs of 2, the study's model of 3" in refused(place, "few")
    vocabulary = shutil.copytree(place.root / "other", place.root / "words") / "tokenizer.json"
    vocabulary.write_text(vocabulary.read_text().replace('"w7"', '"mauve"'))
    assert "reads texts as other tokens" in refused(place, "words")
    assert "no file, no directory" in refused(place, "nothing")
    weights = load_file(shutil.copytree(place.root / "other", place.root / "broken") / WEIGHTS)
    nothing = {name: torch.full_like(tensor, np.nan) for name, tensor in weights.items()}
    save_file(nothing, place.root / "broken" / WEIGHTS, metadata=PT)
    assert "broken" in refused(place, "broken")
    before = place.store.study("s").guests
    assert not {"labels", "few", "words", "broken"} & {guest.name for guest in before}


def test_a_study_that_is_not_finished_takes_none(place: Place) -> None:
    running = replace(place.store.study("s"), state=StudyState.RUNNING)
    with pytest.raises(InputError, match=r"into: study 's' is running; let it finish first"):
        receive(Asked(named=[str(place.root / "other")]), running, place.store, cache_dir=place.root / "cache")
