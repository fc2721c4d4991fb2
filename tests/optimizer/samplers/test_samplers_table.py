"""Names become samplers in one table; a wrong name or count is refused; only what is needed is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from optimizer.errors import UnknownNameError
from optimizer.samplers import SAMPLERS, make_sampler
from optimizer.samplers.replay import Problem
from optimizer.spec import SamplerName

ROOT = Path(__file__).parents[3]
COUNTS = {"dimensions": 4, "seed": 0, "budget": 100, "objectives": 2, "constraints": 1}


def test_the_table_holds_every_sampler_a_spec_can_name_but_algorithm_1() -> None:
    assert set(SAMPLERS) == set(get_args(SamplerName)) - {"iterative"}


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_name_makes_its_own_class(name: str) -> None:
    assert type(make_sampler(name, **COUNTS)).__name__ == SAMPLERS[name][1]


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="sampler: unknown name 'nsga'; did you mean 'nsga"):
        make_sampler("nsga", **COUNTS)


@pytest.mark.parametrize(
    ("count", "value"), [("dimensions", 0), ("seed", -1), ("budget", 0), ("objectives", 0), ("constraints", -1)]
)
def test_a_count_out_of_range_is_refused(count: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{count} must be at least {value + 1}, got {value}"):
        make_sampler("random", **COUNTS | {count: value})


@pytest.mark.parametrize(("budget", "population"), [(1, 8), (20, 8), (80, 8), (100, 10), (300, 30)])
def test_a_population_is_a_tenth_of_the_budget_but_never_below_eight(budget: int, population: int) -> None:
    assert Problem(**COUNTS | {"budget": budget}).population == population


def test_other_purposes_have_other_seeds() -> None:
    problem = Problem(**COUNTS)
    keys = [(), (0,), (1,), (0, 0), (0, 1), (1, 0), (0, 0, 0)]
    assert len({problem.sequence(*key).generate_state(1)[0] for key in keys}) == len(keys)


@pytest.mark.parametrize(
    ("made", "absent"),
    [
        ("random", {"optuna", "pymoo", "torch"}),
        ("tpe", {"pymoo", "torch"}),
        ("gp", {"optuna", "pymoo", "torch"}),
        ("pymoo-nsga2", {"optuna", "torch"}),
    ],
)
def test_only_what_is_asked_for_is_imported(made: str, absent: set[str]) -> None:
    code = f"""
import sys
from optimizer.samplers import make_sampler
assert not {{"optuna", "pymoo"}} & set(sys.modules)
make_sampler({made!r}, **{COUNTS})
sys.exit(", ".join({absent!r} & set(sys.modules)) or 0)
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr.strip()) == (0, "")
