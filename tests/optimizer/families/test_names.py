from __future__ import annotations

from pathlib import Path

import pytest

from optimizer.errors import InputError
from optimizer.families.encoders.models import check_model_name, locate
from optimizer.families.names import with_absolute_paths
from optimizer.spec import StudySpec


def test_what_is_on_this_machine_becomes_absolute_and_names_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "data", "bert-base"):
        (tmp_path / name).mkdir()
    (tmp_path / "weights.pth").touch()
    given = StudySpec(model="mine", weights="weights.pth", data="./data", task="t", epsilon=0)
    found = with_absolute_paths(given)
    assert (found.model, found.weights, found.data) == tuple(
        str(tmp_path / name) for name in ("mine", "weights.pth", "data")
    )
    assert with_absolute_paths(found) == found
    as_data = with_absolute_paths(StudySpec(model="bert-base", data="bert-base", task="t", epsilon=0))
    assert (as_data.model, as_data.data) == ("bert-base", str(tmp_path / "bert-base"))
    for model, data in (("bert-base", "owner/name"), ("owner/name", None), ("resnet18", "nowhere")):
        named = StudySpec(model=model, data=data, task="t", epsilon=0)
        assert with_absolute_paths(named) == named


def test_a_short_name_means_its_model_where_a_directory_is_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bert-base").mkdir()
    assert check_model_name("bert-base") is None
    with pytest.raises(InputError, match="the hub cannot be reached for 'google-bert/bert-base-uncased'"):
        locate("bert-base")
    with pytest.raises(InputError, match=r"bert-base has no config\.json"):
        check_model_name("./bert-base")
