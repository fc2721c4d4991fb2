"""Roots hold where files are opened: what becomes a link after a study was admitted is not followed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api.places import Places
from optimizer.errors import InputError
from optimizer.progress import Event
from optimizer.spec import StudySpec


def spec_of(model: Path | str, **more: object) -> StudySpec:
    return StudySpec.model_validate({"model": str(model), "task": "t", "epsilon": 0.1, **more})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / "model").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    return tmp_path / "root"


def test_what_becomes_a_link_after_admission_is_not_followed(place: object, client: TestClient, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    shutil.copytree(place.assets / "model", root / "model")
    place.settings = place.settings.model_copy(update={"roots": (root, place.assets / "data")})
    with place.client() as client:
        assert client.post("/v1/studies", json=place.request(name="s", model=str(root / "model"))).status_code == 201
        (root / "model").rename(root / "moved")
        (root / "model").symlink_to(place.assets / "model")
        place.work()
        study = client.get("/v1/studies/s").json()
    assert study["state"] == "failed"
    assert "below a directory that the operator allows" in study["error"]


def test_a_link_inside_the_roots_is_stored_as_what_it_leads_to(place: object, client: TestClient) -> None:
    link = place.assets / "by-link"
    link.unlink(missing_ok=True)
    link.symlink_to(place.assets / "model")
    made = client.post("/v1/studies", json=place.request(model=str(link))).json()
    assert made["spec"]["model"] == str((place.assets / "model").resolve())


@pytest.mark.parametrize("name", ["owner/name", "name"])
def test_a_hub_id_is_no_directory_of_the_worker(
    name: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Places(spec_of("owner/name", data=name if "/" in name else None), [root])
    (tmp_path / "outside" / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "outside")
    for spec in (spec_of(name), spec_of("bert-base", data=name)):
        with pytest.raises(InputError, match="below a directory"):
            Places(spec, [root])


def test_links_in_a_place_are_looked_at_as_well(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside" / "secret").write_text("x")
    (root / "model" / "inner").symlink_to(root)
    Places(spec_of(root / "model"), [root])
    (root / "model" / "model.safetensors").symlink_to(tmp_path / "outside" / "secret")
    with pytest.raises(InputError, match="a link in model leads elsewhere"):
        Places(spec_of(root / "model"), [root])


def test_a_place_that_is_exchanged_while_it_is_read_is_noticed_once_it_has_been_read(root: Path) -> None:
    heard: list[str] = []
    listen = Places(spec_of(root / "model"), [root]).watched(lambda event: heard.append(event.stage))
    listen(Event(stage="load"))
    (root / "model").rename(root / "moved")
    (root / "model").mkdir()
    listen(Event(stage="load"))
    with pytest.raises(InputError, match="model: its place was exchanged"):
        listen(Event(stage="bank"))
    assert heard == ["load", "load"]


def test_nothing_is_local_without_roots(root: Path) -> None:
    Places(spec_of("bert-base"), [])
    with pytest.raises(InputError):
        Places(spec_of(root / "model"), [])
