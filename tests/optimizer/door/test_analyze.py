"""`analyze` in Python: modules and paths in, a table out, what was not measured beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from analyzed_networks import SHAPE, network, save_networks

from optimizer import analyze
from optimizer.errors import InputError


def test_modules_are_measured_beside_the_parent() -> None:
    models = {"lean": network(4, 6), "leaner": network(2, 3), "other": torch.nn.Linear(2, 2)}
    table = analyze(models, parent=network(), inputs=SHAPE, batch_sizes=(1, 2), seconds=0.02, threads=1)
    assert list(table["model"]) == ["unpruned"] * 2 + ["lean"] * 2 + ["leaner"] * 2
    assert (table["parent"] == "unpruned").all()
    assert table["flops_reduction_percent"].is_monotonic_increasing
    assert [each["model"] for each in table.attrs["failures"]] == ["other"]
    assert "95 % confidence" in table.attrs["sentences"][0]


def test_paths_and_an_example_serve_as_well(tmp_path: Path) -> None:
    place = save_networks(tmp_path, {"N_D_UNPRUNED": (8, 12), "N_D_r_PD1_GPR-50_x": (4, 6)})
    example = torch.zeros(1, *SHAPE)
    table = analyze(place, build=network, inputs=example, batch_sizes=(1,), seconds=0.02, threads=1)
    assert list(table["ratio"].dropna()) == [50]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"models": {"a": 3}}, "a must be a module, not an int"),
        ({"models": [3]}, "must be a module or a path"),
        ({"models": "nowhere"}, "is no file"),
        ({"models": [network()], "parent": network(), "inputs": 3.0}, "inputs: must be a shape"),
        ({"models": [network()]}, "nothing says which unpruned model"),
        ({"models": [network()], "parent": network()}, "nobody says what unpruned takes"),
    ],
)
def test_what_cannot_be_measured_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        analyze(**given)  # type: ignore[arg-type]
