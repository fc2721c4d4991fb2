from __future__ import annotations

import numpy as np
from prunable_models import bank_of

from optimizer.sensitivity import PASSES_PER_GROUP, harm_table, measure_sensitivity
from search_spaces.config import Config, Form
from search_spaces.groups import freeze


def harm(config: Config) -> float:
    """A made-up divergence: the second layer is ten times as sensitive."""
    shares = {name: kept / (4 if "heads" in name else 48) for name, kept in config.kept}
    return sum((10 if "1" in name else 1) * 0.01 * (1 - share) ** 2 for name, share in shares.items())


def test_few_passes_give_a_table_that_never_rises_with_the_level(tmp_path: object) -> None:
    _, groups, _ = bank_of(tmp_path)  # type: ignore[arg-type]
    asked: list[Config] = []
    measured = measure_sensitivity(groups, lambda c: asked.append(c) or harm(c), form=Form.RECONSTRUCTED)
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
    measured = measure_sensitivity(groups, harm, form=Form.RECONSTRUCTED)
    assert len(measured["layer.1.neurons"]) >= len(measured["layer.0.neurons"])


def test_noise_is_made_monotone_and_frozen_groups_cost_no_pass(tmp_path: object) -> None:
    _, groups, _ = bank_of(tmp_path)  # type: ignore[arg-type]
    frozen = freeze(groups, frozenset({"layer.0.heads"}))
    asked: list[Config] = []
    rng = np.random.default_rng(0)
    measured = measure_sensitivity(frozen, lambda c: asked.append(c) or float(rng.random()), form=Form.SLICED)
    assert harm_table(frozen[0], measured["layer.0.heads"]).tolist() == [0.0]
    assert all(config.as_dict()["layer.0.heads"] == 4 for config in asked)
    assert np.all(np.diff(harm_table(frozen[1], measured["layer.0.neurons"])) <= 0)
