"""The command line as a user types it: exit codes, what goes to which stream."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from command_line import Cli
from rich.filesize import decimal
from tiny_checkpoints import LABELS, save_data, save_tiny
from transformers.utils import logging as of_transformers

from api.cli import app

SIZES = {"train": 300, "validation": 260, "test": 240}


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("assets")
    save_tiny(root / "model")
    save_data(root / "data", root / "model", SIZES)
    return root


def test_libraries_warn_nowhere_however_late_they_are_imported(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(os, "environ", {})
    caplog.set_level(logging.getLogger("transformers").level, logger="transformers")  # restored afterwards
    app._quiet_libraries()
    assert of_transformers._get_default_logging_level() == logging.ERROR


@dataclass(frozen=True)
class Typed:
    """Two studies of one process of its own, of which the second was interrupted."""

    cli: Cli
    printed: str
    said: str
    code: int


@pytest.fixture(scope="module")
def typed(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Typed:
    cli = Cli(tmp_path_factory.mktemp("cli"), assets)
    process = cli.start(*cli.study("--study", "first", "--json"), then=cli.study("--study", "s", trials=25))
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and number_of_studies(cli.root / "s.sqlite") < 2:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    printed, said = process.communicate(timeout=200)
    return Typed(cli, printed, said, process.returncode)


@pytest.fixture(scope="module")
def finished(typed: Typed) -> tuple[Cli, dict[str, object]]:
    return typed.cli, json.loads(typed.printed)


def test_a_run_prints_one_object_with_everything_promised(finished: tuple[Cli, dict[str, object]]) -> None:
    _, result = finished
    promised = (
        "schema_version study epsilon seed metric objectives conditions baseline front shortlist_size knee hypervolume "
        "least_violating candidates_evaluated stopped_early seconds"
    )
    assert set(promised.split()) <= set(result)
    member = result["front"][0]  # type: ignore[index]
    promised = (
        "candidate config origin accuracy drop drop_interval verification flops flops_ratio latency latency_ratio "
        "energy_j energy_ratio energy_interval energy_source parameters size_bytes peak_memory_bytes"
    )
    assert set(promised.split()) <= set(member)
    promised = (
        "n accuracy drop interval interval_members upper_95 verdict blocked_by labels bought shrunken_drop "
        "shrunken_interval chance_above backend answers_changed"
    )
    assert set(member["verification"]) == set(promised.split())
    assert set(member["latency"][0]) == {
        "batch", "length", "backend", "seconds", "dense_seconds", "ratio", "ratio_interval", "gain", "ratio_torch",
        "ratio_torch_interval", "gain_torch", "fastest", "source", "kernels",
    }  # fmt: skip


def test_every_reading_command_answers_in_words_and_in_json(finished: tuple[Cli, dict[str, object]]) -> None:
    cli, result = finished
    for arguments in (
        ["studies"],
        ["show", "first"],
        ["show", "1"],
        ["front", "first", "--epsilon", "0.5"],
        ["cache", "list"],
    ):
        words, data = cli(*arguments), cli(*arguments, "--json")
        assert words.returncode == data.returncode == 0, words.stderr + data.stderr
        assert words.stdout.strip()
        assert isinstance(json.loads(data.stdout), dict)
    assert json.loads(cli("show", "first", "--json").stdout) == result


def test_the_front_has_a_column_of_the_measured_peak_memory(finished: tuple[Cli, dict[str, object]]) -> None:
    cli, result = finished
    member = result["front"][0]  # type: ignore[index]
    assert member["peak_memory_bytes"] > 0
    for command in ("show", "front"):
        words = cli(command, "first").stdout
        assert "peak memory" in words.split("Knee")[0]
        assert f"{decimal(member['peak_memory_bytes'])} ×{member['memory_ratio']:.3f}" in words


def test_a_process_of_its_own_answers_and_refuses_alike(finished: tuple[Cli, dict[str, object]]) -> None:
    cli, _ = finished
    for arguments, code in ((["show", "first", "--json"], 0), (cli.study("--sampler", "tpx"), 2)):
        here, there = cli(*arguments), cli(*arguments, process=True)
        assert here.returncode == there.returncode == code
        assert (here.stdout, here.stderr) == (there.stdout, there.stderr)


def test_a_filtered_front_says_what_is_not_known(finished: tuple[Cli, dict[str, object]]) -> None:
    cli, _ = finished
    front = json.loads(cli("front", "first", "--epsilon", "0.5", "--objectives", "flops", "--json").stdout)
    assert front["epsilon"] == 0.5
    assert front["unverified"] == sum(item["verification"] is None for item in front["items"])
    assert front["undecided"] >= 0
    limited = json.loads(cli("front", "first", "--max-flops-ratio", "0.7", "--json").stdout)
    assert all(item["flops_ratio"] <= 0.7 for item in limited["items"])


def test_storage_may_stand_on_either_side_but_run_options_may_not(finished: tuple[Cli, dict[str, object]]) -> None:
    cli, _ = finished
    before = cli("studies")
    place = cli.shared
    cli.shared = []
    after = cli("studies", *place[:2])
    cli.shared = place
    assert (after.returncode, after.stdout) == (0, before.stdout)
    stray = cli("--seed", "3", "studies")
    assert stray.returncode == 2
    assert "--seed: is an option of a run" in stray.stderr


def test_a_study_is_labelled_and_listed_by_its_tag(finished: tuple[Cli, dict[str, object]]) -> None:
    cli, _ = finished
    labelled = cli("label", "first", "--tag", "paper", "--tag", "a", "--note", "the [one]")
    assert "first: a, paper\nthe [one]" in labelled.stdout
    listed = json.loads(cli("studies", "--tag", "paper", "--json").stdout)["items"]
    assert [(row["study"], row["tags"]) for row in listed] == [("first", ["a", "paper"])]
    assert "No study has the tag 'pape'" in cli("studies", "--tag", "pape").stdout
    assert json.loads(cli("label", "first", "--no-tags", "--json").stdout)["note"] == "the [one]"
    for refused in ([], ["--tag", ""], ["--tag", "a", "--no-tags"], ["--tag", "t" * 41]):
        assert cli("label", "first", *refused).returncode == 2


def test_a_taken_name_names_resume(finished: tuple[Cli, dict[str, object]]) -> None:
    cli, _ = finished
    again = cli(*cli.study("--study", "first"))
    assert again.returncode == 2
    assert "optimize resume first" in again.stderr


def test_options_win_over_the_file(finished: tuple[Cli, dict[str, object]], tmp_path: Path) -> None:
    cli, _ = finished
    file = tmp_path / "study.toml"
    file.write_text(
        f'model = "{cli.assets / "model"}"\ntask = "colours"\ndata = "{cli.assets / "data"}"\nepsilon = 0.3\nseed = 5\n'
    )
    estimate = cli("--config", str(file), "--epsilon", "0.2", "--dry-run", "--json")
    assert estimate.returncode == 0, estimate.stderr
    assert "at ε = 0.2" in json.loads(estimate.stdout)["power"]
    file.write_text("modle = 1")
    assert "modle" in cli("--config", str(file), *cli.study()).stderr


def test_nothing_feasible_shows_the_least_violating_and_exits_with_3(assets: Path, tmp_path: Path) -> None:
    cli = Cli(tmp_path, assets)
    done = cli(
        *cli.study("--epsilon", "0", "--no-reconstruct", "--criterion", "random", "--max-flops-ratio", "0.3", "--json")
    )
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["front"] == []
    assert "nothing is feasible" in done.stderr


def test_an_interrupt_exits_with_130_and_resume_finishes(typed: Typed) -> None:
    assert typed.code == 130, typed.said
    assert "optimize resume" in typed.said
    done = typed.cli("resume", "s", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "complete"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "bert-bas", "--task", "sst2", "--epsilon", "0.01"], "did you mean 'bert-base'"),
        (["--model", "bert-base", "--task", "sst3", "--epsilon", "0.01"], "did you mean 'sst2'"),
        (["--model", "bert-base", "--task", "sst2", "--epsilon", "nan"], "--epsilon"),
        (["--model", "bert-base", "--task", "sst2", "--epsilon", "-0.1"], "--epsilon"),
        (["--model", "bert-base", "--task", "sst2", "--epsilon", "1"], "--epsilon"),
        (["--model", "bert-base", "--task", "sst2", "--epsilon", "0.01", "--trials", "0"], "--trials"),
        (
            ["--model", "bert-base", "--task", "sst2", "--epsilon", "0.01", "--measure-seconds", "0"],
            "--measure-seconds",
        ),
        (["--model", "bert-base", "--task", "sst2", "--epsilon", "0.01", "--sampler", "tpx"], "did you mean 'tpe'"),
        (["--model", "bert-base", "--task", "sst2", "--epsilon", "0.01", "--metric", "acc"], "did you mean 'accuracy'"),
        (
            ["--model", "bert-base", "--task", "sst2", "--epsilon", "0.01", "--objectives", "flop"],
            "did you mean 'flops'",
        ),
        (
            ["--model", "bert-base", "--task", "sst2", "--epsilon", "0.01", "--device", "tpu"],
            "cpu, cuda, cuda:N or mps",
        ),
        (
            ["--model", "bert-base", "--task", "sst2", "--epsilon", "0.01", "--max-flops-ratio", "2"],
            "--max-flops-ratio",
        ),
        (["--model", "bert-base", "--task", "sst2", "--epsilon", "0.01"], "the hub cannot be reached"),
        (["--task", "sst2", "--epsilon", "0.01"], "--model: is required"),
        (["front", "nothing"], "there is no such database"),
        (["export", "nothing", "0", "there", "--format", "onxx"], "did you mean 'onnx'"),
        (["--no-such-option"], "No such option"),
    ],
)
def test_bad_input_exits_with_2_names_the_remedy_and_makes_nothing(
    arguments: list[str], message: str, assets: Path, tmp_path: Path
) -> None:
    cli = Cli(tmp_path, assets)
    done = cli(*arguments)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert number_of_studies(tmp_path / "s.sqlite") == 0


def test_mlflow_that_is_not_installed_is_named_before_anything_runs(
    assets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optimizer.door.packages.find_spec", lambda name: None)
    done = Cli(tmp_path, assets)("--model", "bert-base", "--task", "sst2", "--epsilon", "0.01", "--mlflow", "sqlite://")
    assert done.returncode == 2
    assert "--mlflow: needs more packages: pip install 'pruning-optimizer[mlflow]'" in done.stderr


def number_of_studies(path: Path) -> int:
    """Return the number of studies in a database that may not exist."""
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path)) as connection:
        has_tables = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'studies'").fetchone()
        return int(connection.execute("SELECT count(*) FROM studies").fetchone()[0]) if has_tables else 0


@pytest.mark.parametrize("kind", ["pickles", "nothing", "damaged", "own code", "nan"])
def test_broken_checkpoints_are_refused(kind: str, assets: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    model = save_tiny(tmp_path / "model")
    weights = model / "model.safetensors"
    if kind == "pickles":
        weights.rename(model / "pytorch_model.bin")
    elif kind == "nothing":
        weights.unlink()
    elif kind == "damaged":
        weights.write_bytes(b"x" * 100)
    elif kind == "own code":
        (model / "config.json").write_text((model / "config.json").read_text().replace("{", '{"auto_map": {},', 1))
    else:
        tensors = load_file(weights)
        tensors["classifier.bias"][0] = torch.nan
        save_file(tensors, weights, metadata={"format": "pt"})
    cli = Cli(tmp_path, assets)
    done = cli(*cli.study("--model", str(model)))
    assert done.returncode == 2, done.stderr
    wanted = {
        "pickles": "save_pretrained",
        "nothing": "has no model.safetensors",
        "damaged": "damaged",
        "own code": "custom model code",
        "nan": "'classifier.bias' contains NaN",
    }
    assert wanted[kind] in done.stderr.replace("\n", " ")
    assert number_of_studies(tmp_path / "s.sqlite") == 0


def test_labels_are_bought_where_members_disagree_and_certify_them(
    finished: tuple[Cli, dict[str, object]], tmp_path: Path
) -> None:
    cli = Cli(shutil.copytree(finished[0].root, tmp_path / "own"), finished[0].assets)  # a purchase stays in a study
    assert "no labels are bought for 'first' yet" in cli("certify", "first").stderr
    save_data(tmp_path, cli.assets / "model", {"train": 1, "validation": 1, "test": 1, "fresh": 900}, noise=0.0)
    truth = pd.read_csv(tmp_path / "fresh.csv")
    seen = pd.read_csv(cli.assets / "data" / "test.csv").sentence
    pd.concat([truth.sentence, truth.sentence[:7], seen]).to_frame().to_parquet(tmp_path / "fresh.parquet")
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    begun = cli("certify", "first", "--texts", f"{tmp_path}/fresh.parquet", "--batch", "30", "--to", str(first))
    assert begun.returncode == 0, begun.stderr
    assert "texts set aside: 2" in begun.stdout  # those of the test split
    assert "that the study or an earlier purchase knows already" in begun.stdout
    assert f"{first}: label each row with {', '.join(LABELS)} or ? where you cannot tell" in begun.stdout
    assert "exists and may hold labels" in cli("certify", "first", "--to", str(first)).stderr  # nothing is overwritten
    name = dict(zip(truth.sentence, truth.label, strict=True))

    def filled(path: Path) -> str:
        frame = pd.read_csv(path)
        frame.assign(label=frame.sentence.map(name)).to_csv(path, index=False)
        return str(path)

    assert cli("certify", "first", "--labels", filled(first), "--batch", "900", "--to", str(second)).returncode == 0
    done = cli("certify", "first", "--labels", filled(second), "--json")
    standing = json.loads(done.stdout)
    member = standing["members"][0]
    assert (member["labels"], member["differing"], member["texts"] > 800) == (member["disagreements"], 0, True)
    shown = cli("front", "first").stdout
    assert member["certified"] == ("bought labels of" in shown)
    again = cli("certify", "first", "--texts", f"{tmp_path}/fresh.parquet")
    assert again.returncode == 2
    assert "no verified member" in again.stderr or "no fresh texts are left" in again.stderr
    for refused, said in (
        (["7"], "members are chosen when texts are given"),
        (["--texts", "a.xlsx", "7"], "7 "),
        (["--texts", "a.csv", "--labels", "b.csv"], "belong to texts that were given before"),
        (["--double", "all"], "is chosen when texts are given"),
    ):
        wrong = cli("certify", "first", *refused)
        assert (wrong.returncode, said in wrong.stderr) == (2, True), wrong.stderr
