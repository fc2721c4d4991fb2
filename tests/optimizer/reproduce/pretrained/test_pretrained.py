"""The published study of pretrained networks in miniature, from the preset to tables, figures and sentences."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from objectives.energy.spent import Joules, Spent
from optimizer.errors import UnknownNameError
from optimizer.reproduce.claims import Claim
from optimizer.reproduce.presets import read_preset
from optimizer.reproduce.pretrained.choose import Chosen, Judge, choose_bits, choose_ranks, choose_rate, kept, raised
from optimizer.reproduce.pretrained.energy import Energy
from optimizer.reproduce.pretrained.experiment import PretrainedExperiment, PretrainedReproduction
from optimizer.reproduce.pretrained.form import Form, Splits, stored_bytes, strongest
from optimizer.reproduce.pretrained.preset import PretrainedPreset, PretrainedScale
from optimizer.reproduce.pretrained.records import PretrainedKey, PretrainedRecord
from optimizer.reproduce.pretrained.retrain import stops_at
from optimizer.reproduce.pretrained.sentences import NOT_DECIDED, Span, judged, ordered
from optimizer.reproduce.reproduce import Asked, reproduce
from optimizer.tasks.images.data import Images
from search_spaces.transforms.bits.mantissa import spare_bits

PRESET = PretrainedPreset.model_validate(read_preset("pretrained-energy"))
CHOSEN = ("baseline", "pretrained", "bits-once", "bits-held", "pruned", "bits+low-rank")


def miniature(place: Path, **asked: Any) -> PretrainedExperiment:
    size = PretrainedScale(
        runs=1, epochs=2, train_examples=96, test_examples=120, base_epochs=3, rank_steps=3, rank_rounds=1,
        step_seconds=0.001, image_size=None, models=("mlp-small",),
    )  # fmt: skip
    chosen = tuple(PRESET.configuration(label) for label in CHOSEN)
    orders = PRESET.orders[:1]
    update = {"scales": {**PRESET.scales, "quick": size}, "configurations": chosen, "orders": orders, "batch_size": 32}
    return PretrainedExperiment(preset=PRESET.model_copy(update=update), asked=Asked(**asked), cache_dir=place)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[PretrainedReproduction, Path]:
    output = tmp_path_factory.mktemp("pretrained")
    result = reproduce(miniature(output), output)
    assert isinstance(result, PretrainedReproduction)
    return result, output


def records(output: Path) -> dict[str, PretrainedRecord]:
    lines = (output / "runs.jsonl").read_text(encoding="utf-8").splitlines()
    found = [PretrainedRecord.model_validate_json(line) for line in lines]
    return {record.key.configuration: record for record in found}


def test_bits_that_are_held_are_saved_and_bits_once_fill_again(done: tuple[PretrainedReproduction, Path]) -> None:
    rows = {row.configuration: row for row in done[0].rows}
    once, held = rows["bits-once"], rows["bits-held"]
    assert once.bits == held.bits and once.compression == held.compression == held.bits / 32
    assert once.untrained_accuracy == held.untrained_accuracy
    assert once.stored_ratio == pytest.approx(1, abs=0.1)
    assert held.stored_ratio == pytest.approx(1 - held.bits / 32, abs=0.01)
    assert rows["bits+low-rank"].compression >= held.compression
    assert rows["bits+low-rank"].stored_ratio <= held.stored_ratio


def test_energy_has_its_parts_and_the_pue_a_column_of_its_own(
    done: tuple[PretrainedReproduction, Path],
) -> None:
    for row in done[0].rows:
        if row.configuration == "pretrained":
            assert row.training_j is None and row.training_energy_change is None
            continue
        assert row.training_j and row.cpu_j and row.ram_j and row.datacenter_j and row.gpu_j is None
        assert row.training_j.mean == pytest.approx(row.cpu_j.mean + row.ram_j.mean)
        assert row.datacenter_j.mean == pytest.approx(1.58 * row.training_j.mean)
    header = (done[1] / "digits-mlp-small.md").read_text(encoding="utf-8").splitlines()[4]
    assert "| together, J (modelled) | × 1.58, J (modelled) |" in header


def test_every_table_and_figure_is_written(done: tuple[PretrainedReproduction, Path]) -> None:
    result, output = done
    names = {Path(file).name for file in result.files}
    drawn = {f"pretrained-energy-figure-{number}.{kind}" for number in range(2, 7) for kind in ("svg", "png")}
    assert names >= drawn | {"digits-mlp-small-figure-1.svg", "pretrained-energy.html", "pretrained-energy-tables.md"}
    assert all(Path(file).stat().st_size for file in result.files)
    tables = (output / "pretrained-energy-tables.md").read_text(encoding="utf-8")
    assert [line for line in tables.splitlines() if line.startswith("## ")] == [
        "## Table 2: networks", "## Table 6: bits zeroed", "## Table 7: pruning", "## Table 8: low rank",
    ]  # fmt: skip
    assert "| mlp-small on digits | pruned |" in tables
    assert "| vgg16 | pruned | – | – | – | – | – | – | – | – | 1.74 % | 70.12 % | 61.00 % |" in tables
    with (output / "digits-mlp-small.csv").open(encoding="utf-8") as file:
        assert [row["configuration"] for row in csv.DictReader(file)] == list(CHOSEN)


def test_sentences_say_what_zeroed_bits_cannot_do(done: tuple[PretrainedReproduction, Path]) -> None:
    said = "\n".join(done[0].sentences)
    record = records(done[1])["bits-once"]
    assert "zeroed bits run on the same float32 kernels" in said
    assert f"seven of eight bits of the exponent are left: {record.search_curve[24]:.2%}" in said
    assert "neither training nor choice has seen" in said
    assert "digits stands in for imagenet-1k" in said
    assert "published at most -50.0 % (section 3.6: more than halved, of other networks); " in said
    assert any("24 of 32 bits leave the sign" in remark for remark in done[0].remarks)


def test_what_is_reported_is_of_images_that_chose_nothing(done: tuple[PretrainedReproduction, Path]) -> None:
    experiment = miniature(done[1])
    key = next(iter(experiment.plan()))
    assert isinstance(key, PretrainedKey)
    bench = experiment.bench(key)
    search, verification = (
        {image.numpy().tobytes() for image in part.pixels} for part in (bench.search, bench.verification)
    )
    assert len(bench.search) == len(bench.verification) == 60
    assert not search & verification


def test_a_training_that_diverges_is_a_row_without_epochs(done: tuple[PretrainedReproduction, Path]) -> None:
    experiment = miniature(done[1])
    key = next(each for each in experiment.plan() if each.configuration == "bits-once")
    assert isinstance(key, PretrainedKey)
    record = experiment.execute(key.model_copy(update={"learning_rate": 1e30}))
    assert not record.epochs
    assert record.accuracy == record.untrained_accuracy == records(done[1])["bits-once"].untrained_accuracy
    assert "bits-once: the training loss is NaN or infinite" in record.notes[-1]
    both = [records(done[1])["baseline"], record]
    assert experiment.rows(both)[1].training_time_change is None


def test_an_interrupted_command_writes_what_is_finished_and_resumes(
    done: tuple[PretrainedReproduction, Path], tmp_path: Path
) -> None:
    lines = (done[1] / "runs.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "runs.jsonl").write_text("".join(lines[:3]), encoding="utf-8")
    told: list[str] = []

    class Interrupted(PretrainedExperiment):
        """Ctrl-C in the fourth run; figures are drawn elsewhere."""

        def execute(self, _key: PretrainedKey) -> PretrainedRecord:
            raise KeyboardInterrupt

        def write_more(self, *_: object) -> list[Path]:
            return []

        def write_together(self, *_: object) -> list[Path]:
            return []

    whole = miniature(tmp_path)
    stopped = Interrupted(preset=whole.preset, asked=whole.asked, cache_dir=tmp_path, progress=told.append)
    with pytest.raises(KeyboardInterrupt):
        reproduce(stopped, tmp_path)
    assert told == [f"{tmp_path} has the tables of 3 finished runs; the same command resumes"]
    page = (tmp_path / "digits-mlp-small.md").read_text(encoding="utf-8")
    assert "| bits-once |" in page and "| pruned |" not in page


def test_the_paper_scale_is_planned_with_the_published_settings() -> None:
    experiment = PretrainedExperiment(preset=PRESET, asked=Asked(scale="paper"), cache_dir=Path())
    keys = list(experiment.plan())
    assert len(keys) == 9 * len(PRESET.configurations)
    assert {key.dataset for key in keys} == {"imagenet-1k"}
    assert {key.model for key in keys} == {network.name for network in PRESET.networks}
    settings = PretrainedKey.model_validate(keys[0].model_dump())
    assert (settings.learning_rate, settings.momentum, settings.weight_decay) == (0.01, 0.9, 1e-4)
    assert (settings.patience, settings.min_delta, settings.reading, settings.tolerance) == (3, 0.05, "absolute", 0.01)


def test_quick_keeps_every_technique_on_three_networks() -> None:
    asked = Asked(dataset="fashion_mnist")
    keys = list(PretrainedExperiment(preset=PRESET, asked=asked, cache_dir=Path()).plan())
    assert {key.model for key in keys} == {"resnet18", "vgg11", "mlp-medium"}
    with pytest.raises(UnknownNameError, match="model"):
        PretrainedExperiment(preset=PRESET, asked=Asked(model="bert"), cache_dir=Path())


def test_every_printed_number_has_its_place() -> None:
    printed = {(claim.metric, claim.where): claim.value for claim in PRESET.printed("vgg16")}
    assert printed["compression", "table 7"] == 0.61
    assert printed["accuracy", "section 3.4"] == 0.625
    assert printed["rank_mean", "table 8"] == 191.62
    assert len(list(PRESET.printed("resnet50"))) == 15
    assert not list(PRESET.printed("mlp-medium"))
    assert all(round(32 * network.bits_compression) == network.bits for network in PRESET.networks)


def test_pruning_removes_what_torch_would() -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(12, 5))
    masks = strongest(model, 0.37)
    layers = [(model[0], "weight"), (model[2], "weight")]
    prune.global_unstructured(layers, pruning_method=prune.L1Unstructured, amount=0.37)
    assert torch.equal(masks["0"], model.get_buffer("0.weight_mask").bool())
    assert torch.equal(masks["2"], model.get_buffer("2.weight_mask").bool())


def test_a_low_rank_network_is_that_of_the_truncated_decomposition() -> None:
    model = nn.Sequential(nn.Conv2d(4, 8, 3), nn.Flatten(), nn.Linear(32, 16, bias=False))
    splits = Splits(model)
    lowered = splits.lowered({"0": 5, "2": 7})
    images = torch.randn(3, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    expected = nn.Sequential(nn.Conv2d(4, 8, 3), nn.Flatten(), nn.Linear(32, 16, bias=False))
    expected.load_state_dict(model.state_dict())
    for index, rank in ((0, 5), (2, 7)):
        weight = expected.get_parameter(f"{index}.weight")
        u, s, v = torch.linalg.svd(weight.detach().flatten(1), full_matrices=False)
        weight.data.copy_((u[:, :rank] * s[:rank] @ v[:rank]).view_as(weight))
    assert torch.allclose(lowered(images), expected(images), atol=1e-5)
    assert splits.saving({"0": 5, "2": 7}) == pytest.approx(1 - (5 * (8 + 36) + 7 * (16 + 32)) / (8 * 36 + 16 * 32))
    assert splits.pay({"0": 7, "2": 7}) == {"2": 7}
    assert raised(splits, {"0": 3, "2": 4}) == {"0": 3, "2": 8}


@pytest.fixture(scope="module")
def blobs() -> tuple[nn.Module, Images]:
    """Four classes and a network that tells them apart by large weights, to which small ones add nothing."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(200) % 4
    pixels = nn.functional.one_hot(labels, 8).float() * 3 + torch.randn(200, 8, generator=generator) * 0.3
    layer = nn.Linear(8, 8)
    layer.weight.data.copy_(torch.eye(8) * 1.7 + torch.randn(8, 8, generator=generator) * 0.01)
    layer.bias.data.zero_()
    return nn.Sequential(nn.Flatten(), layer).eval(), Images(pixels.view(200, 1, 2, 4), labels)


def test_settings_hold_up_to_the_tolerance_and_no_further(blobs: tuple[nn.Module, Images]) -> None:
    model, images = blobs
    judge = Judge.of(model, images, 0.01)
    bits, rate = choose_bits(model, judge), choose_rate(model, judge)
    needed = judge.needed / len(images)
    assert judge.needed == judge.right(model) - 2
    assert len(bits.curve) == 32 and bits.curve[bits.bits] >= needed
    assert bits.bits == 31 or bits.curve[bits.bits + 1] < needed
    assert rate.rate >= 0.8 and rate.curve[round(100 * rate.rate)] >= needed > rate.curve[-1]
    ranks = choose_ranks(Splits(model), Judge(images, 0), steps=None).ranks
    assert ranks == {"1": 1}
    assert choose_ranks(Splits(model), judge, steps=None).ranks == {}  # four classes need a rank that saves nothing


def test_what_was_chosen_is_kept(tmp_path: Path) -> None:
    first = kept(tmp_path / "bits.json", Chosen, lambda: Chosen(bits=7, ranks={"a": 3}))
    assert kept(tmp_path / "bits.json", Chosen, lambda: Chosen(bits=8)) == first


def test_a_form_holds_masks_and_bits_and_storage_shrinks_by_them() -> None:
    model = nn.Linear(40, 25, bias=False)
    mask = torch.zeros(25, 40, dtype=torch.bool)
    mask[:5] = True
    holder = nn.Sequential(model)
    assert stored_bytes(holder) == 4000
    Form(bits=16, kept={"0": mask}).impose(holder)
    assert spare_bits(holder.parameters()) == 16
    assert stored_bytes(holder) == 200 * 2 + 1000 // 8


@pytest.mark.parametrize(
    ("losses", "absolute", "relative"),
    [
        ([1.0, 0.9, 0.8, 0.7], None, None),
        ([0.5, 0.47, 0.46, 0.46], 4, None),
        ([4.0, 3.9, 3.81, 3.79, 3.7], None, None),
        ([4.0, 3.9, 3.85, 3.81], None, 4),
        ([1.0, math.nan, math.nan, math.nan], 4, 4),
    ],
)
def test_the_two_readings_of_the_minimum_improvement(
    losses: list[float], absolute: int | None, relative: int | None
) -> None:
    assert stops_at(losses, 3, 0.05, "absolute") == absolute
    assert stops_at(losses, 3, 0.05, "relative") == relative


def test_energy_of_an_epoch_names_the_source_of_every_part() -> None:
    parts = {
        "CPU": Joules(joules=3.0, source="rapl", counts_all=True),
        "RAM": Joules(joules=2.0, source="modelled", counts_all=False),
    }
    spent = Spent(seconds=1.0, own_cpu_s=1.0, all_cpu_s=1.0, resident_bytes=1, peak_cuda_bytes=None, parts=parts)
    energy = Energy.of(spent)
    assert (energy.gpu, energy.total, energy.source) == (None, 5.0, "CPU rapl, memory modelled")
    gpu = replace(spent, parts={**parts, "GPU": Joules(joules=1.0, source="nvml-counter", counts_all=True)})
    assert Energy.of(gpu).source == "GPU nvml-counter, CPU rapl, memory modelled"


def test_a_bound_or_an_order_is_decided_by_whole_intervals_only() -> None:
    halved = Claim(configurations=("a",), metric="m", at_most=-0.5, where="w")
    verdicts = [judged(halved, Span(-0.5, *ends)) for ends in ((-0.7, -0.5), (-0.6, -0.4), (-0.4, 0.1), (None, None))]
    assert verdicts == ["ours agrees", NOT_DECIDED, "ours disagrees", "ours agrees"]
    others = [Span(0, 0, 0), Span(0.1, 0.05, 0.2)]
    assert ordered(Span(-0.3, -0.4, -0.1), others) == "ours agrees"
    assert ordered(Span(0.1, 0.02, 0.2), others) == "ours disagrees"
    assert ordered(Span(-0.1, -0.4, 0.1), others) == NOT_DECIDED
    assert ordered(Span(-0.1, None, None), others) == "one run decides nothing"
