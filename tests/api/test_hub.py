"""Models and data by their names on the hub, fetched by whole processes from a hub on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pytest
from hub_stand_in import HubStandIn
from tiny_checkpoints import save_data, save_tiny

ROOT = Path(__file__).parents[2]
PATHS = (str(ROOT), str(ROOT / "tests"))
SMALL = (
    "--epsilon", "0.3", "--trials", "3", "--batch-size", "1", "--measure-seconds", "0.2",
    "--calibration-examples", "64", "--threads", "1", "--json",
)  # fmt: skip
REFUSED = (
    (("--model", "someone/nowhere", "--task", "sst2"), "the hub has no 'someone/nowhere'"),
    (("--model", "someone/gated", "--task", "sst2"), "gated"),
    (("--model", "someone/pickled", "--task", "sst2"), "safetensors"),
    (("--model", "someone/tiny", "--task", "mine", "--data", "someone/nothing"), "someone/nothing"),
)
IN_TURN = """
import json, os, sys
from pathlib import Path
from command_line import run_here
done = [run_here(each, environment=dict(os.environ), directory=Path.cwd()) for each in json.loads(sys.argv[1])]
json.dump([(each.returncode, each.stdout, each.stderr) for each in done], sys.stdout)
"""
SIZES = {"train": 300, "validation": 260, "test": 240}
CARD = """---
configs:
- config_name: sst2
  data_files:
  - {split: train, path: sst2/train-*}
  - {split: validation, path: sst2/validation-*}
  - {split: test, path: sst2/test-*}
dataset_info:
- config_name: sst2
  features:
  - {name: sentence, dtype: string}
  - name: label
    dtype:
      class_label:
        names: {'0': negative, '1': positive}
  - {name: idx, dtype: int32}
---
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubStandIn]:
    root = tmp_path_factory.mktemp("hub")
    model = save_tiny(root / "models" / "someone" / "tiny", labels=("negative", "positive", "unsure"))
    save_tiny(root / "models" / "someone" / "gated")
    (root / "models" / "someone" / "tiny" / "pytorch_model.bin").write_bytes(b"never fetched")
    pickled = save_tiny(root / "models" / "someone" / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    save_data(root / "plain", model, SIZES)
    glue = root / "datasets" / "nyu-mll" / "glue" / "sst2"
    glue.mkdir(parents=True)
    (glue.parent / "README.md").write_text(CARD)
    own = root / "datasets" / "someone" / "colours"
    own.mkdir(parents=True)
    names = ["red", "green", "blue"]
    for split in SIZES:
        frame = pd.read_csv(root / "plain" / f"{split}.csv")
        frame.to_csv(own / f"{split}.csv", index=False)
        label = frame["label"].map(names.index).clip(upper=1)
        frame = frame.assign(label=label if split != "test" else -1, idx=range(len(frame)))
        frame.astype({"idx": "int32"}).to_parquet(glue / f"{split}-00000-of-00001.parquet", index=False)
    made = HubStandIn(root)
    made.gated.add("someone/gated")
    with made.running():
        yield made


def optimize(
    hub: HubStandIn, home: Path, *commands: Sequence[str], **changes: str
) -> list[subprocess.CompletedProcess[str]]:
    """Run commands one after the other in one new process, which finds the hub where its environment says."""
    shared = ["--storage", f"sqlite:///{home}/s.sqlite", "--cache-dir", str(home / "cache"), *SMALL]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(PATHS), **hub.environment(home / "hf"), **changes}
    whole = [[*shared, *arguments] for arguments in commands]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IN_TURN, json.dumps(whole)],
        env=environment,
        cwd=home,
        text=True,
        capture_output=True,
        check=True,
    )
    return [subprocess.CompletedProcess([], *each) for each in json.loads(done.stdout)]


@pytest.fixture(scope="module")
def refused(hub: HubStandIn, tmp_path_factory: pytest.TempPathFactory) -> list[subprocess.CompletedProcess[str]]:
    return optimize(hub, tmp_path_factory.mktemp("refused"), *(arguments for arguments, _ in REFUSED))


def test_a_model_and_a_glue_task_come_from_the_hub_and_then_from_its_cache(hub: HubStandIn, tmp_path: Path) -> None:
    asked = ("--model", "someone/tiny", "--task", "sst2", "--allow-untrained")
    [first] = optimize(hub, tmp_path, asked)
    assert first.returncode == 0, first.stderr
    result = json.loads(first.stdout)
    assert result["candidates_evaluated"] == 3
    examples = result["conditions"]["examples"]
    assert examples["search"]["n"] + examples["verification"]["n"] <= SIZES["validation"]
    assert any("model.safetensors" in request for request in hub.requests)
    assert not any("pytorch_model.bin" in request and "resolve" in request for request in hub.requests)
    [again] = optimize(hub, tmp_path, asked, HF_HUB_OFFLINE="1")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["conditions"]["examples"] == examples


def test_data_of_someone_else_come_from_the_hub(hub: HubStandIn, tmp_path: Path) -> None:
    model = str(hub.root / "models" / "someone" / "tiny")
    asked = ("--model", model, "--task", "mine", "--data", "someone/colours", "--allow-untrained")
    [found] = optimize(hub, tmp_path, asked)
    assert found.returncode == 2, found.stdout  # the model's labels are others: said by name
    assert "red" in found.stderr
    assert found.stdout == ""


@pytest.mark.parametrize("which", range(len(REFUSED)), ids=[said for _, said in REFUSED])
def test_what_the_hub_refuses_is_said_in_one_line(which: int, refused: list[subprocess.CompletedProcess[str]]) -> None:
    answer, (_, said) = refused[which], REFUSED[which]
    assert answer.returncode == 2, answer.stderr
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr
    assert answer.stdout == ""


def test_a_hub_that_does_not_answer_is_told_with_a_remedy(tmp_path: Path, hub: HubStandIn) -> None:
    asked = ("--model", "bert-base", "--task", "sst2")
    for environment in ({"HF_ENDPOINT": "http://127.0.0.1:9"}, {"HF_HUB_OFFLINE": "1"}):
        [refused] = optimize(hub, tmp_path, asked, **environment)
        assert refused.returncode == 2
        assert "the hub cannot be reached" in refused.stderr
        assert "directory" in refused.stderr
