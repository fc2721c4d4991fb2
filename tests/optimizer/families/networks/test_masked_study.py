"""Masked weights in the main flow: trained once under a recipe, searched, verified, timed, exported and loaded."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from objectives.energy.choose import choose_meter
from objectives.energy.meter import CounterMeter
from objectives.measurement import Source
from objectives.size import count_parameters, size_bytes
from optimizer import load_pruned
from optimizer.errors import InputError
from optimizer.estimate import estimate
from optimizer.executors.parcel import pack, unpack
from optimizer.families.encoders.load import check_workload, load_workload
from optimizer.fronts.headline import headline
from optimizer.handover.export import export_candidate
from optimizer.loop.worth import Worth
from optimizer.manifest import read_manifest
from optimizer.pipeline import Pipeline
from optimizer.predict import predict
from optimizer.preparation.prepare import Prepared, prepare
from optimizer.progress import Event, Stages, ignore
from optimizer.run import optimize, resume
from optimizer.samplers import SAMPLERS, make_sampler
from optimizer.samplers.protocol import Told
from optimizer.search.proposer import StagedProposer
from optimizer.spec import StudySpec
from optimizer.tasks.classification import Classification
from search_spaces.config import Config, Form
from search_spaces.groups import check_config
from search_spaces.transforms.masks.schedules.table import SCHEDULES
from search_spaces.transforms.masks.space import ONE_SHOT, PATTERN
from search_spaces.transforms.masks.trained import TrainedNetworks
from studies.opening import open_store
from studies.records import Candidate, CandidateState, Origin, Outcome, Proposal, StudyState
from studies.sql.store import SqlStore


def spec_of(**changes: object) -> StudySpec:
    fields = {
        "model": "mlp-small",
        "task": "digits",
        "structure": "weights",
        "epsilon": 0.1,
        "trials": 10,
        "epochs": 8,
        "batch_sizes": (1,),
        "measure_seconds": 0.02,
        "threads": 1,
    }
    return StudySpec.model_validate({**fields, **changes})


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the dense network is trained once for all tests here."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def prepared(cache: Path) -> Prepared:
    workload = load_workload(spec_of(), cache_dir=cache, progress=lambda *_: None)
    return prepare(spec_of(), workload, cache_dir=cache, stages=Stages(ignore, lambda _: None))


@pytest.fixture(scope="module")
def finished(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SqlStore, Any]]:
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('store')}/s.sqlite")
    yield store, optimize(spec_of(), store=store, cache_dir=cache, study="masked")
    store.close()


def trained(cache: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (cache / "banks").rglob("*.safetensors")}


def masked(prepared: Prepared, schedule: str, scope: str, share: float) -> Config:
    masks = prepared.space.masks  # type: ignore[attr-defined]
    config: Config = masks.config(masks.point(schedule, scope, share))
    return config


def networks(prepared: Prepared) -> TrainedNetworks:
    (step,) = prepared.pipeline.steps
    assert isinstance(step.source, TrainedNetworks)
    return step.source


def zeros(model: nn.Module) -> int:
    return sum(int((layer.weight == 0).sum()) for layer in model.modules() if isinstance(layer, nn.Linear))


def test_a_study_of_masks_ends_with_a_verified_front_that_says_what_it_gains(finished: tuple) -> None:
    store, result = finished
    assert result.state == StudyState.COMPLETE
    assert result.candidates_evaluated == 10
    assert result.objectives == ("parameters",)
    for member in result.front:
        assert member.form == "masked"
        assert member.recipe.schedule in SCHEDULES
        assert member.parameters < result.baseline.parameters
        assert member.size_bytes < result.baseline.size_bytes
        assert member.flops <= result.baseline.flops
        (latency,) = member.latency
        assert latency.kernels in ("dense", "dead neurons removed", "compressed rows")
        assert not (latency.kernels == "dense" and latency.gain)
    said = headline(result)
    assert "parameters" in said
    assert ("no gain" in said) or ("×" in said)
    origins = [c.proposal.origin for c in store.candidates(1)][:10]  # tests of the same fixture may add their own
    assert origins == [Origin.LADDER] * 3 + [Origin.SAMPLER] * 7


def test_what_is_claimed_before_training_is_what_the_trained_network_has(finished: tuple, prepared: Prepared) -> None:
    store, _ = finished
    for candidate in store.candidates(1):
        network = networks(prepared).network_of(candidate.config)
        claimed = next(m.value for m in candidate.outcome.measurements if m.quantity == "parameters")
        assert claimed == count_parameters(network) - zeros(network)
        _, size = prepared.pipeline.sizes(network)
        assert size.value == prepared.space.costs["size"].total(candidate.config)
        smaller = prepared.build(candidate.config)
        images = prepared.workload.search
        assert np.allclose(
            predict(smaller, images, Classification()), predict(network, images, Classification()), atol=1e-5
        )


def test_a_finished_study_is_not_run_again(finished: tuple, cache: Path) -> None:
    store, result = finished
    before = trained(cache)
    assert resume("masked", store=store, cache_dir=cache).front == result.front
    assert trained(cache) == before


def test_a_killed_study_goes_on_with_the_networks_it_has_trained(finished: tuple, cache: Path, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    finishing = 0

    def kill(event: Event) -> None:
        nonlocal finishing
        finishing += event.candidate is not None
        if finishing == 4:
            raise KeyboardInterrupt

    spec, place = spec_of(seed=3), tmp_path / "cache"
    with pytest.raises(KeyboardInterrupt):
        optimize(spec, store=store, cache_dir=place, study="killed", listener=kill)
    before = trained(place)
    assert len(before) == 4
    result = resume("killed", store=store, cache_dir=place)
    after = trained(place)
    assert {name: after[name] for name in before} == before
    assert len(after) == len({c.config for c in store.candidates(1)}) == result.candidates_evaluated
    undisturbed = open_store(f"sqlite:///{tmp_path}/u.sqlite")
    optimize(spec, store=undisturbed, cache_dir=place, study="killed")
    assert trained(place) == after
    assert [c.config for c in undisturbed.candidates(1)] == [c.config for c in store.candidates(1)]


@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
def test_every_schedule_trains_to_the_counts_of_its_config_and_again_to_the_same_weights(
    schedule: str, prepared: Prepared
) -> None:
    config = masked(prepared, schedule, "one-ranking", 0.2)
    bank = networks(prepared)
    first = bank.network_of(config)
    for name, kept in config.kept:
        assert int((first.get_submodule(name).weight != 0).sum()) == kept
    (bank.folder / f"{config.digest}.safetensors").unlink()
    again = bank.network_of(config)
    stored = bank.network_of(config)
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])
        assert torch.equal(tensor, stored.state_dict()[name])
    taken = {m.quantity: m.value for m in prepared.pipeline.counted(config, first) if "training" in m.quantity}
    parts = {"training_energy", "training_energy_cpu", "training_energy_ram"}
    assert set(taken) == (set() if schedule == ONE_SHOT else {"training_time", "training_memory"} | parts)
    assert all(value > 0 for value in taken.values())


def test_a_one_shot_mask_keeps_the_trained_weights_and_a_pattern_two_of_four(prepared: Prepared) -> None:
    dense = prepared.workload.model
    for config in (masked(prepared, ONE_SHOT, "uniform", 0.3), masked(prepared, "set", PATTERN, 0.3)):
        network = networks(prepared).network_of(config)
        for name, _ in config.kept:
            weight, before = network.get_submodule(name).weight, dense.get_submodule(name).weight
            assert torch.equal(weight, before * (weight != 0))
    assert bool(((network.net[1].weight != 0).view(-1, 4).sum(dim=1) == 2).all())


def test_a_training_that_diverges_is_a_failed_candidate_and_leaves_no_file(cache: Path, prepared: Prepared) -> None:
    workload = prepared.workload
    family = copy.copy(workload.family)
    recipe = family.training.run.__self__  # type: ignore[attr-defined]
    broken = replace(recipe, images=replace(recipe.images, pixels=recipe.images.pixels * float("nan")))
    family.training = replace(family.training, run=broken.run, examples_hash="broken")  # type: ignore[attr-defined]
    fragile = prepare(
        spec_of(), replace(workload, family=family), cache_dir=cache, stages=Stages(ignore, lambda _: None)
    )
    outcome = fragile.evaluator.evaluate(masked(fragile, "set", "uniform", 0.3))
    assert outcome.state is CandidateState.FAILED
    assert "NaN or infinite" in str(outcome.reason)
    assert not list(networks(fragile).folder.glob("*"))


def test_networks_run_in_the_form_that_beats_dense_kernels_and_small_ones_in_none(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optimizer.measuring.execution.CHOICE_S", 0.3)
    spec = spec_of()
    model = prepared.build(masked(prepared, "set", "uniform", 0.5))
    assert prepared.pipeline.execution(model, spec).conditions == {"kernels": "dense"}
    wide = spec_of(model="mlp-medium", allow_untrained=True)
    large = load_workload(wide, cache_dir=tmp_path, progress=lambda *_: None)
    sparse = copy.deepcopy(large.model)
    with torch.no_grad():
        for layer in (sparse.net[1], sparse.net[3], sparse.net[5]):
            layer.weight[:, 5:] = 0
    execution = Pipeline.of(wide, large, tmp_path).execution(sparse, wide)
    assert execution.conditions == {"kernels": "compressed rows"}
    request = large.family.request()(2)
    with torch.inference_mode():
        assert torch.allclose(execution.model(**request).logits, sparse(**request).logits, atol=1e-5)


def test_an_exported_network_answers_as_the_candidate_did(
    finished: tuple, prepared: Prepared, cache: Path, tmp_path: Path
) -> None:
    store, _ = finished
    whole = [c for c in store.candidates(1) if c.state is CandidateState.COMPLETE]
    candidate = min(whole, key=lambda c: prepared.space.costs["parameters"].total(c.config))
    place = tmp_path / "exported"
    export_candidate(store, store.study("masked"), candidate.number, place, cache_dir=cache)
    loaded, small = load_pruned(place), prepared.build(candidate.config)
    images = prepared.workload.verification
    assert np.allclose(predict(loaded, images, Classification()), predict(small, images, Classification()), atol=1e-5)
    assert size_bytes(loaded) == size_bytes(small)
    manifest = read_manifest(place)
    assert manifest.form == "masked"
    assert manifest.member.recipe is not None
    assert manifest.member.recipe.words == candidate.config.recipe.in_words()
    assert manifest.sparsity is not None
    for name, share in manifest.sparsity.items():
        assert share == pytest.approx(float((loaded.get_submodule(name).weight == 0).float().mean()))
    assert candidate.config.recipe.in_words() in (place / "README.md").read_text()


def test_a_network_that_lost_neurons_is_exported_narrower(
    finished: tuple, prepared: Prepared, cache: Path, tmp_path: Path
) -> None:
    store, _ = finished
    config = masked(prepared, "imp", "one-ranking", 0.02)
    small = prepared.build(config)
    assert small.net[1].out_features < 16
    candidate = store.start_candidate(1, Proposal(config=config, origin=Origin.USER))
    outcome = prepared.evaluator.evaluate(config)
    of_a_worker = unpack(pack(prepared.evaluator)).evaluate(config)
    assert replace(of_a_worker, seconds=0) == replace(outcome, seconds=0)
    store.finish_candidate(candidate.id, replace(outcome, state=CandidateState.COMPLETE))
    flops = next(m.value for m in outcome.measurements if m.quantity == "flops")
    assert flops == 2 * sum(layer.weight.numel() for layer in small.net if isinstance(layer, nn.Linear))
    export_candidate(store, store.study("masked"), candidate.number, tmp_path / "narrow", cache_dir=cache)
    loaded = load_pruned(tmp_path / "narrow")
    assert loaded.net[1].out_features == small.net[1].out_features
    answers, wanted = (predict(m, prepared.workload.search, prepared.workload.task) for m in (loaded, small))
    assert np.allclose(answers, wanted, atol=1e-5)


def evaluated(number: int, proposal: Proposal, prepared: Prepared) -> Candidate:
    """A finished candidate with a made-up drop: the more is removed the worse, whatever the schedule."""
    removed = 1 - prepared.space.costs["parameters"].ratio(proposal.config)
    outcome = Outcome(state=CandidateState.COMPLETE, drop=removed**2 / 5, seen=287)
    return Candidate(id=number, study_id=1, number=number, proposal=proposal, state=outcome.state, outcome=outcome)


def proposals(prepared: Prepared, sampler: str, trials: int, history: Sequence[Candidate] = ()) -> list[Candidate]:
    spec, found = spec_of(sampler=sampler, trials=trials), list(history)
    told: Worth = Worth(spec, prepared)
    proposer = StagedProposer(
        prepared.space,
        seeds=prepared.ladder(trials),
        trials=trials,
        make_sampler=lambda: make_sampler(
            sampler, dimensions=prepared.space.dimensions, seed=1, budget=trials, objectives=2, constraints=1
        ),
        worth=told,
        refiner=prepared.refiner,
    )
    while len(found) < trials and (proposal := proposer.propose(found)) is not None:
        assert isinstance(proposal, Proposal)  # masked candidates are not refined
        found.append(evaluated(len(found), proposal, prepared))
        worth = told(found[-1])
        assert isinstance(worth, Told)
        assert prepared.space.at_point(worth.point) == proposal.config
    return found


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_every_sampler_searches_the_space_and_repeats_itself_after_a_kill(sampler: str, prepared: Prepared) -> None:
    trials = 24  # samplers begin to learn after ten
    found = proposals(prepared, sampler, trials)
    assert len({c.config for c in found}) == len(found) == trials
    for candidate in found:
        check_config(candidate.config, prepared.groups)
        assert candidate.config.form is Form.MASKED
    assert {c.proposal.origin for c in found} == {Origin.LADDER, Origin.SAMPLER}
    again = proposals(prepared, sampler, trials, found[: trials - 2])
    assert [c.config for c in again] == [c.config for c in found]


def test_the_ladder_has_every_schedule_and_keeps_the_limits(cache: Path, prepared: Prepared) -> None:
    seeds = [proposal.config for proposal in prepared.ladder(90)]
    assert len(set(seeds)) == len(seeds) == 30
    assert {config.recipe.schedule for config in seeds[:6] if config.recipe} == set(SCHEDULES)
    spec = spec_of(limits={"parameters_ratio": 0.3, "size_ratio": 0.5})
    limited = prepare(spec, prepared.workload, cache_dir=cache, stages=Stages(ignore, lambda _: None))
    assert limited.ladder(90)
    for config in (*(p.config for p in limited.ladder(90)), limited.space.at_point([0.2, 0.1, 0.5, 0.5, 1.0])):
        assert limited.space.costs["parameters"].ratio(config) <= 0.3
        assert limited.space.costs["size"].ratio(config) <= 0.5


def test_an_estimate_counts_the_trainings(cache: Path) -> None:
    few, many = (estimate(spec_of(trials=trials), cache_dir=cache) for trials in (10, 10_000))
    assert many.seconds > 20 * few.seconds
    assert few.groups == 3


def test_an_estimate_counts_the_windows_of_an_energy_counter(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optimizer.estimate.choose_meter", partial(choose_meter, meters={"cpu": ()}))
    without = estimate(spec_of(), cache_dir=cache)
    counter = CounterMeter(source=Source.RAPL, scope="", read=lambda: [0], joules_per_count=1, ranges=[None])
    monkeypatch.setattr("optimizer.estimate.choose_meter", partial(choose_meter, meters={"cpu": (lambda _: counter,)}))
    assert estimate(spec_of(), cache_dir=cache).seconds > without.seconds + 60


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model": "phrases-mini", "task": "phrases"}, "structure: 'weights' is for image networks"),
        ({"sampler": "iterative"}, "sampler: 'iterative' removes whole units"),
        ({"recover": "finetune"}, "recover: every masked candidate is already trained"),
        ({"search_precision": "bfloat16"}, "search_precision: masked networks answer in float32"),
        ({"augment": "crop"}, "augment: masked networks are trained without"),
        ({"criterion": "obs"}, "criterion: is not supported with masks"),
        ({"objectives": ("flops",)}, "objectives: flops of a masked network cannot be computed"),
        ({"objectives": ("parameters", "latency")}, "objectives: latency of"),
        ({"limits": {"energy_ratio": 0.5}}, "limits: energy of"),
        ({"structure": "units"}, "epochs: needs `structure=weights`"),
    ],
)
def test_what_cannot_be_asked_of_masks_is_refused_before_anything_is_loaded(
    changes: dict[str, object], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        check_workload(spec_of(**changes))


def test_one_epoch_is_too_few_for_a_schedule() -> None:
    with pytest.raises(ValidationError, match="epochs"):
        spec_of(epochs=1)
