"""What verification can conclude, said of metrics that count examples and of those that do not."""

from __future__ import annotations

import pytest

from objectives.metrics import METRICS
from objectives.metrics.ranking import RANKINGS
from optimizer.selection.power import what_can_be_concluded
from optimizer.spec import StudySpec

SPEC = StudySpec(model="phrases-mini", task="phrases", epsilon=0.01)


@pytest.mark.parametrize("name", sorted(METRICS))
def test_discordant_examples_are_spoken_of_where_the_metric_counts_them(name: str) -> None:
    said = what_can_be_concluded(1821, SPEC, METRICS[name])
    assert ("discordant" in said) == METRICS[name].is_mean
    assert ("not certified" in said) == (name in ("pearson", "spearman"))
    assert "n=1,821" in said


def test_a_mean_of_shares_can_be_certified_with_enough_examples() -> None:
    ndcg = RANKINGS["ndcg@10"]
    assert "n=1,821 a drop of at most 0.0075 in ndcg@10 can be certified" in what_can_be_concluded(1821, SPEC, ndcg)
    assert "only a gain of at least 0.0064" in what_can_be_concluded(280, SPEC, ndcg)


def test_where_only_a_gain_would_certify_it_is_said_what_to_do() -> None:
    said = what_can_be_concluded(436, SPEC, METRICS["accuracy"])
    assert "`verification_data`" in said
    assert "`optimize certify`" in said
    assert "certify`" not in what_can_be_concluded(436, SPEC.model_copy(update={"label_error": 0}), METRICS["accuracy"])
    assert "verification_data" not in what_can_be_concluded(1821, SPEC, METRICS["accuracy"])
