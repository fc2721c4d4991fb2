"""Models and data by their names on the hub, fetched by a whole process from a hub on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from command_line import Done
from hub_stand_in import HubStandIn
from tiny_checkpoints import save_data, save_tiny

ROOT = Path(__file__).parents[2]
PATHS = (str(ROOT), str(ROOT / "tests"))
SMALL = (
    "--epsilon", "0.3", "--trials", "3", "--batch-size", "1", "--measure-seconds", "0.02",
    "--calibration-examples", "64", "--threads", "1", "--json",
)  # fmt: skip
SST2 = ("--model", "someone/tiny", "--task", "sst2", "--allow-untrained")
UNREACHED = (  # the data of the first are in the cache, those of the second are not
    (("--model", "bert-base", "--task", "sst2"), "--model: the hub cannot be reached"),
    (("--model", "someone/tiny", "--task", "mine", "--data", "someone/elses"), "--data: the hub cannot be reached"),
)
REFUSED = (
    (("--model", "someone/nowhere", "--task", "sst2"), "the hub has no 'someone/nowhere'"),
    (("--model", "someone/gated", "--task", "sst2"), "gated"),
    (("--model", "someone/pickled", "--task", "sst2"), "safetensors"),
    (("--model", "someone/tiny", "--task", "mine", "--data", "someone/nothing"), "someone/nothing"),
    (("--model", "someone/tiny", "--task", "mine", "--data", "someone/colours"), "'red'"),  # the model has other labels
)
IN_TURN = """
import gc, json, os, sys, time
gc.disable()  # it lives for seconds, most of which go into imports
from pathlib import Path
from command_line import run_here
time.sleep = lambda seconds: None  # the hub's client waits half a minute between its tries
for line in sys.stdin:
    done = run_here(json.loads(line), environment=dict(os.environ), directory=Path.cwd())
    print(json.dumps([done.returncode, done.stdout, done.stderr]), flush=True)
gc.freeze()  # or it would look for garbage while it leaves
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


def filled(root: Path) -> HubStandIn:
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
    return made


class Session:
    """Types commands one after the other in one new process, which finds the hub where its environment says."""

    def __init__(self, home: Path, **environment: str) -> None:
        self._shared = ["--storage", f"sqlite:///{home}/s.sqlite", "--cache-dir", str(home / "cache"), *SMALL]
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", IN_TURN],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(PATHS), **environment},
            cwd=home,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._process.communicate()

    def __call__(self, *arguments: str) -> Done:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([*self._shared, *arguments]) + "\n")
        self._process.stdin.flush()
        return subprocess.CompletedProcess([], *json.loads(self._process.stdout.readline()))


@dataclass(frozen=True)
class Seen:
    """What a user saw, in this order, and what the hub was asked for."""

    fetched: Done
    refused: list[Done]
    requests: list[str]
    unreached: list[Done]
    again: Done
    offline: list[Done]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Type every command: while the hub runs, after it has gone, and told to stay offline."""
    hub, home = filled(tmp_path_factory.mktemp("hub")), tmp_path_factory.mktemp("home")
    with ExitStack() as stack:
        with hub.running():
            optimize = stack.enter_context(Session(home, **hub.environment(home / "hf")))
            fetched = optimize(*SST2)
            refused = [optimize(*arguments) for arguments, _ in REFUSED]
        unreached = [optimize(*arguments) for arguments, _ in UNREACHED]
    with Session(home, **{**hub.environment(home / "hf"), "HF_HUB_OFFLINE": "1"}) as optimize:
        again = optimize(*SST2)
        offline = [optimize(*arguments) for arguments, _ in UNREACHED]
    return Seen(fetched, refused, hub.requests, unreached, again, offline)


def test_a_model_and_a_glue_task_come_from_the_hub_and_then_from_its_cache(seen: Seen) -> None:
    assert seen.fetched.returncode == 0, seen.fetched.stderr
    result = json.loads(seen.fetched.stdout)
    assert result["candidates_evaluated"] == 3
    examples = result["conditions"]["examples"]
    assert examples["search"]["n"] + examples["verification"]["n"] <= SIZES["validation"]
    assert any("model.safetensors" in request for request in seen.requests)
    assert not any("pytorch_model.bin" in request and "resolve" in request for request in seen.requests)
    assert seen.again.returncode == 0, seen.again.stderr
    assert json.loads(seen.again.stdout)["conditions"]["examples"] == examples


@pytest.mark.parametrize("which", range(len(REFUSED)), ids=[said for _, said in REFUSED])
def test_what_the_hub_refuses_is_said_in_one_line(which: int, seen: Seen) -> None:
    answer, (_, said) = seen.refused[which], REFUSED[which]
    assert answer.returncode == 2, answer.stderr
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr
    assert answer.stdout == ""


def test_a_hub_that_does_not_answer_is_told_with_a_remedy(seen: Seen) -> None:
    for answers in (seen.unreached, seen.offline):
        for answer, (_, said) in zip(answers, UNREACHED, strict=True):
            assert answer.returncode == 2
            assert said in answer.stderr
            assert "directory" in answer.stderr
