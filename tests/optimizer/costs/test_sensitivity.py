from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from prunable_models import bank_of

from optimizer.costs.sensitivity import PASSES_PER_GROUP, harm_table, measure_sensitivity, remembered
from search_spaces.groups import freeze


def harm(group: str, level: int) -> float:
    """A made-up divergence: the second layer is ten times as sensitive."""
    share = level / (4 if "heads" in group else 48)
    return (10 if "1" in group else 1) * 0.01 * (1 - share) ** 2


def test_few_passes_give_a_table_that_never_rises_with_the_level(tmp_path: object) -> None:
    _, groups, _ = bank_of(tmp_path)  # type: ignore[arg-type]
    asked: list[tuple[str, int]] = []
    measured = measure_sensitivity(groups, lambda *one: asked.append(one) or harm(*one))
    assert len(asked) <= PASSES_PER_GROUP * len(groups)
    assert len(set(asked)) == len(asked)
    for group in groups:
        table = harm_table(group, measured[group.name])
        assert table[-1] < 1e-12
        assert np.all(np.diff(table) <= 0)
        for level, value in measured[group.name].items():
            assert abs(table[group.levels.index(level)] - value) < 1e-9 + 1e-3 * value


def test_sensitive_groups_get_more_passes(tmp_path: object) -> None:
    _, groups, _ = bank_of(tmp_path)  # type: ignore[arg-type]
    measured = measure_sensitivity(groups, harm)
    assert len(measured["layer.1.neurons"]) >= len(measured["layer.0.neurons"])


def test_noise_is_made_monotone_and_frozen_groups_cost_no_pass(tmp_path: object) -> None:
    _, groups, _ = bank_of(tmp_path)  # type: ignore[arg-type]
    frozen = freeze(groups, frozenset({"layer.0.heads"}))
    asked: list[tuple[str, int]] = []
    rng = np.random.default_rng(0)
    measured = measure_sensitivity(frozen, lambda *one: asked.append(one) or float(rng.random()))
    assert harm_table(frozen[0], measured["layer.0.heads"]).tolist() == [0.0]
    assert "layer.0.heads" not in {name for name, _ in asked}
    assert np.all(np.diff(harm_table(frozen[1], measured["layer.0.neurons"])) <= 0)


def test_an_interrupted_table_resumes_at_the_pass_where_it_stopped(tmp_path: Path) -> None:
    _, groups, _ = bank_of(tmp_path)
    whole = measure_sensitivity(groups, harm)
    asked: list[tuple[str, int]] = []

    def interrupted(group: str, level: int) -> float:
        if len(asked) == 5:
            raise KeyboardInterrupt
        asked.append((group, level))
        return harm(group, level)

    with pytest.raises(KeyboardInterrupt):
        measure_sensitivity(groups, remembered(tmp_path / "kept.json", interrupted))
    rest: list[tuple[str, int]] = []
    resumed = measure_sensitivity(
        groups, remembered(tmp_path / "kept.json", lambda *one: rest.append(one) or harm(*one))
    )
    assert resumed == whole
    assert not set(rest) & set(asked)
    assert len(rest) + len(asked) == sum(len(table) - 1 for table in whole.values())


def test_a_table_of_a_study_that_froze_a_group_is_completed_by_the_next(tmp_path: Path) -> None:
    _, groups, _ = bank_of(tmp_path)
    frozen = freeze(groups, frozenset({"layer.0.heads"}))
    measure_sensitivity(frozen, remembered(tmp_path / "kept.json", harm))
    measured = measure_sensitivity(groups, remembered(tmp_path / "kept.json", harm))
    assert measured == measure_sensitivity(groups, harm)
    for group in groups:
        assert len(harm_table(group, measured[group.name])) == len(group.levels)
