"""Criteria, objectives and samplers of the caller's own: the study names them, and wants them again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from command_line import Done, run_here
from door_studies import QUICK
from fastapi.testclient import TestClient
from rich.console import Console

from api.cli.render import print_result
from api.http.app import create_app
from api.http.settings import Settings
from optimizer import Front, export_candidate, open_front, optimize, resume
from optimizer.errors import InputError
from optimizer.samplers.protocol import Told
from optimizer.samplers.replay import Problem
from optimizer.spec import StudySpec
from optimizer.views.member import FrontResult
from search_spaces.groups import Group
from search_spaces.transforms.units.evidence import Evidence, RankingError
from studies.opening import open_store


class Diagonal:
    """A sampler that walks along the diagonal of the cube, up to `far`."""

    def __init__(self, problem: Problem, far: float = 1.0) -> None:
        self.dimensions, self.far = problem.dimensions, far

    def ask(self, number: int, attempt: int = 0) -> tuple[float, ...]:
        return (self.far * (1 - (0.07 * (number + attempt)) % 1),) * self.dimensions

    def tell(self, told: Told) -> None:
        assert len(told.point) == self.dimensions


class Ordered:
    """A criterion that ranks units by their place, or by what `order` makes of the places."""

    name = "ordered"

    def __init__(self, order: Callable[[torch.Tensor], Any] = torch.clone) -> None:
        self.order = order

    def rank(self, group: Group, evidence: Evidence) -> torch.Tensor:
        assert len(evidence.readers(group))
        return self.order(torch.arange(group.units))


def queries(model: Any) -> int:
    """Rows of all query layers."""
    assert not model.training
    return sum(module.out_features for name, module in model.named_modules() if name.endswith("query"))


OWN: dict[str, Any] = {"criterion": Ordered(), "objectives": (queries, "flops"), "sampler": Diagonal}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("own")


@pytest.fixture(scope="module")
def kept(root: Path) -> dict[str, Any]:
    return {"store": open_store(f"sqlite:///{root}/s.sqlite"), "cache_dir": root / "cache"}


@pytest.fixture(scope="module")
def own(loaded: tuple[Any, Any], frame: pd.DataFrame, kept: dict[str, Any]) -> Front:
    """A study of own parts; its ladder is two candidates, the sampler proposes the others."""
    return optimize(loaded, frame, study="own", **OWN, **kept, **{**QUICK, "trials": 4, "epsilon": 0.9})


def test_own_parts_rank_measure_and_propose(own: Front, loaded: tuple[Any, Any], kept: dict[str, Any]) -> None:
    assert own.result.objectives == ("queries", "flops")
    assert "given in Python: criterion ordered" in own.result.notes
    assert any(member.origin == "sampler" for member in own.candidates)
    dense = own.result.baseline
    assert dense is not None
    assert dense.own == {"queries": queries(loaded[0].eval())}
    small = own.recommend(weights={"queries": 1.0})
    assert small.own["queries"] == queries(small.model.net) < dense.own["queries"]
    console = Console(width=200, record=True, file=StringIO())
    print_result(own.result, console, resume="")
    shown = f"{small.own['queries']:g} ×{small.own_ratios['queries']:.3f}"
    assert re.search(rf"#{small.candidate} .* {shown}\n", console.export_text())
    weights = {name: weight for name, weight in small.model.net.named_parameters() if "query.weight" in name}
    for name, rows in weights.items():
        assert torch.equal(rows, loaded[0].get_parameter(name)[: len(rows)])  # the first units stay
    assert own.table()["queries_ratio"].tolist() == [member.own["queries"] / dense.own["queries"] for member in own]
    assert own.to_optuna().trials[0].values[1] == own.candidates[0].own_ratios["queries"]
    assert len(own.refilter(objectives=["queries"], max_queries_ratio=small.own_ratios["queries"])) == 1
    assert "queries_ratio" in own._repr_html_()


def test_own_costs_filter_and_recommend_at_every_door(own: Front, root: Path) -> None:
    def typed(*arguments: str) -> Done:
        return run_here(["--storage", f"sqlite:///{root}/s.sqlite", *arguments], environment={}, directory=root)

    expected = own.refilter(objectives=["queries"]).view
    shown = typed("front", "own", "--objectives", "queries", "--json")
    assert FrontResult.model_validate_json(shown.stdout) == expected
    refused = typed("front", "own", "--objectives", "querys")
    assert refused.returncode == 2
    assert "--objectives: unknown name 'querys'; did you mean 'queries'" in refused.stderr
    cheapest = own.recommend(order=["queries"]).member
    for rule, *asked in (("lexicographic", "--order", "queries"), ("weights", "--weight", "queries:1")):
        found = json.loads(typed("recommend", "own", "--rule", rule, *asked, "--json").stdout)
        assert found["member"]["own"] == cheapest.own
    exported = typed("export", "own", str(cheapest.candidate), "small")
    assert exported.returncode == 2
    assert "criterion: the study's 'ordered' was given in Python" in exported.stderr

    settings = Settings(storage=f"sqlite:///{root}/s.sqlite", cache_dir=root / "cache", artifacts=root / "artifacts")
    with TestClient(create_app(settings), base_url="http://127.0.0.1:8000") as client:
        answer = client.get("/v1/studies/own/front", params={"objectives": "queries"})
        assert FrontResult.model_validate_json(answer.content) == expected
        assert client.get("/v1/studies/own/front", params={"objectives": "querys"}).status_code == 422
        chosen = client.get("/v1/studies/own/recommendation", params={"rule": "lexicographic", "order": "queries"})
        assert chosen.json()["member"]["own"] == cheapest.own


def test_a_stored_study_wants_its_own_parts_again(
    own: Front, loaded: tuple[Any, Any], frame: pd.DataFrame, kept: dict[str, Any], tmp_path: Path
) -> None:
    stored = StudySpec.stored(kept["store"].study("own").spec)
    assert (stored.criterion, stored.sampler, stored.objectives) == ("ordered", "Diagonal", ("queries", "flops"))
    given: dict[str, Any] = {"data": frame, "model": loaded, "epsilon": 0.95, "progress": False, **kept}
    for field in OWN:
        some = {name: part for name, part in OWN.items() if name != field}
        with pytest.raises(InputError, match=rf"{field}: the study's '\w+' was given in Python; give it there again"):
            resume("own", **some, **given)
    with pytest.raises(InputError, match=r"sampler: the study has 'Diagonal', not 'own sampler'; give the same"):
        resume("own", **{**OWN, "sampler": lambda problem: Diagonal(problem)}, **given)
    with pytest.raises(
        InputError, match="sampler: 'own' has 'Diagonal', not 'tpe'; leave it out, or start a new study"
    ):
        resume("own", **{**OWN, "sampler": "tpe"}, **given)
    number = own.table()["candidate"][0]
    study = kept["store"].study("own")
    with pytest.raises(InputError, match="criterion: the study's 'ordered' was given in Python"):
        export_candidate(kept["store"], study, number, tmp_path / "out", cache_dir=kept["cache_dir"])
    again = open_front("own", frame, model=loaded, criterion=Ordered(), **kept)
    assert (tmp_path / "out" / "README.md") in again[number].export(tmp_path / "out")
    assert "| queries |" in (tmp_path / "out" / "README.md").read_text()
    other = open_front("own", frame, model=loaded, criterion=Ordered(lambda places: places.flip(0)), **kept)
    with pytest.raises(RankingError, match=r"ordered ranks \S+ otherwise than it did before; give another"):
        _ = other[number].model


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({**OWN, "sampler": partial(Diagonal, far=9.0), "trials": 3}, r"must return \d+ numbers between 0 and 1"),
        ({"criterion": Ordered(lambda places: places[:1])}, r"criterion: ordered must rank the \d+ units"),
        ({"criterion": 3}, "criterion: must be a name or a Criterion with a method `rank`, got an int"),
        ({"objectives": ("flop",)}, "objectives.0: Input should be 'flops'"),
        ({"objectives": (3,)}, "objectives: must be names or functions of a model, got an int"),
        ({"objectives": lambda model: "many"}, "own objectives must return a number, got 'many'"),
        ({"objectives": lambda model: float("nan")}, "must return a finite number of at least 0, got nan"),
        ({"objectives": lambda model: 0}, "is 0 for the dense model; costs are compared as ratios"),
    ],
)  # fmt: skip
def test_what_is_no_part_is_refused(
    own: Front,
    loaded: tuple[Any, Any],
    frame: pd.DataFrame,
    kept: dict[str, Any],
    part: dict[str, Any],
    message: str,
) -> None:
    store, before = kept["store"], len(kept["store"].studies())
    with pytest.raises(InputError, match=message):
        optimize(loaded, frame, **kept, **{**QUICK, **part})
    assert len(store.studies()) == before + ("sampler" in part)  # a sampler is heard when the search has begun
