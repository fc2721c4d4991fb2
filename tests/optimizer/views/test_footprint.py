"""What a study has spent, told in other units, and multiplied by what is looked up."""

from __future__ import annotations

from pathlib import Path

import pytest
from stored_studies import put_study

from objectives.energy.spent import CPU, RAM, Joules, Spent
from optimizer.errors import InputError, UnknownNameError
from optimizer.fronts.result import result_of
from optimizer.views.footprint import footprint, grams_of, intensity_of
from optimizer.views.member import RunResult
from optimizer.views.spent import with_spent
from studies.opening import open_store

GIB = 2**30


def spent(joules: float, *, own: float = 2.0) -> Spent:
    parts = {CPU: Joules(joules=joules, source="rapl", counts_all=True)}
    parts |= {RAM: Joules(joules=100.0, source="modelled", counts_all=False)}
    return Spent(seconds=10.0, own_cpu_s=own, all_cpu_s=8.0, resident_bytes=GIB, peak_cuda_bytes=None, parts=parts)


@pytest.fixture
def result(tmp_path: Path) -> RunResult:
    """Of a study whose search was resumed."""
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    study = put_study(store, "s", candidates=[(0.0, 0.5)])
    for stage, joules in (("load", 400.0), ("search", 1000.0), ("search", 3000.0)):
        study = store.update_study(study.id, context=with_spent(study, stage, spent(joules)))
    found = result_of(study, store)
    store.close()
    return found


def test_joules_add_up_over_stages_and_resumes_and_are_multiplied_when_they_are_shown(result: RunResult) -> None:
    found = footprint(result, region="World-2018", pue=1.5)
    assert [(stage.stage, stage.seconds) for stage in found.stages] == [("load", 10.0), ("search", 20.0)]
    assert found.joules == 4400.0 + 300.0
    assert found.own_joules == 1100.0 + 300.0  # a quarter of what the counter has, all of what is modelled
    assert (found.wh, found.kwh) == pytest.approx((4700 / 3600, 4700 / 3.6e6))
    assert found.grams == pytest.approx(1400 * 1.5 / 3.6e6 * 475)
    assert found.sources == {CPU: "rapl", RAM: "modelled"}
    assert footprint(result, region="world-2000-2017").grams == pytest.approx(1400 / 3.6e6 * 527.93)


@pytest.mark.parametrize("pue", [0.9, float("nan"), float("inf")])
def test_a_data_centre_takes_no_less_than_its_computers(result: RunResult, pue: float) -> None:
    with pytest.raises(InputError, match="must be at least 1"):
        footprint(result, region="world-2018", pue=pue)


def test_studies_of_older_versions_have_no_footprint(result: RunResult) -> None:
    with pytest.raises(InputError, match="kept no joules"):
        footprint(result.model_copy(update={"spent": ()}), region="world-2018")


def test_countries_are_found_by_name_or_code_and_unknown_ones_refused_with_near_names() -> None:
    pytest.importorskip("codecarbon")
    by_code, by_name = intensity_of("DEU"), intensity_of("germany")
    assert by_code == by_name
    assert 100 < by_code.g_per_kwh < 700
    assert by_code.source.startswith("codecarbon ")
    assert int(by_code.years) >= 2020
    with pytest.raises(UnknownNameError, match=r"region: unknown name 'Germny'; did you mean 'germany'"):
        intensity_of("Germny")
    assert grams_of(3.6e6, by_code) == by_code.g_per_kwh


def test_without_the_extra_two_averages_of_the_world_are_known_and_the_refusal_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from optimizer.views import footprint as module

    for cached in (module._by_name, module._countries):
        cached.cache_clear()
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    try:
        assert intensity_of("world-2018").g_per_kwh == 475
        with pytest.raises(UnknownNameError, match=r"'germany'.*pip install 'pruning-optimizer\[carbon\]'"):
            intensity_of("germany")
    finally:
        for cached in (module._by_name, module._countries):
            cached.cache_clear()
