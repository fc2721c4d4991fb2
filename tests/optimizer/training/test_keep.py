from __future__ import annotations

import resource
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tiny_checkpoints import tokenizer
from tiny_encoders import tiny
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from optimizer.training.keep import keep_checkpoint


def test_what_is_kept_loads_again_and_nothing_else_is_left(tmp_path: Path) -> None:
    place = tmp_path / "checkpoints" / "mine"
    keep_checkpoint(tiny("bert"), tokenizer(), place)
    assert AutoModelForSequenceClassification.from_pretrained(place).num_labels == 3
    assert len(AutoTokenizer.from_pretrained(place)) == len(tokenizer())
    assert (place / "model.safetensors").is_file()
    assert list(place.parent.iterdir()) == [place]


def test_whoever_comes_second_leaves_the_first_alone(tmp_path: Path) -> None:
    place = tmp_path / "mine"
    keep_checkpoint(tiny("bert"), tokenizer(), place)
    before = (place / "model.safetensors").stat().st_mtime_ns
    keep_checkpoint(tiny("bert"), tokenizer(), place)
    assert (place / "model.safetensors").stat().st_mtime_ns == before
    assert list(tmp_path.iterdir()) == [place]


def test_several_at_once_leave_one_whole_checkpoint(tmp_path: Path) -> None:
    place = tmp_path / "mine"
    models = [tiny("bert") for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda model: keep_checkpoint(model, tokenizer(), place), models))
    assert list(tmp_path.iterdir()) == [place]
    assert AutoModelForSequenceClassification.from_pretrained(place).num_labels == 3


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"):
        keep_checkpoint(tiny("bert"), tokenizer(), tmp_path / "file" / "mine")
    (tmp_path / "mine").write_text("in the way")
    with pytest.raises(OSError, match="mine"):
        keep_checkpoint(tiny("bert"), tokenizer(), tmp_path / "mine")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "mine"]


def test_a_full_disk_is_an_error_that_names_the_remedy_and_leaves_nothing(tmp_path: Path) -> None:
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))  # as a full disk: the write fails midway
    try:
        with pytest.raises(OSError, match="`cache_dir`"):
            keep_checkpoint(tiny("bert"), tokenizer(), tmp_path / "mine")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list(tmp_path.iterdir())
