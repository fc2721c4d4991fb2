"""Parts: layer by layer a model's moments are those of one pass, to the last bit, and a killed run goes on."""

from __future__ import annotations

import errno
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from filelock import FileLock
from prunable_models import batches, dense_of, first_logit, logits
from tiny_encoders import OF_EVERY_PART, tiny
from torch import Tensor, nn
from transformers import PreTrainedModel

from search_spaces.transforms import entries, parts
from search_spaces.transforms.entries import BankFileError
from search_spaces.transforms.moments import gather
from search_spaces.transforms.transform import Dense
from search_spaces.transforms.units.evidence import Reading
from search_spaces.transforms.units.tokens import readings

CHAINS = tuple(family for family in OF_EVERY_PART if family != "albert")  # whose layers are used again and again


def readers(dense: Dense) -> list[str]:
    return [group.consumers[0] for group in dense.layout.groups]


def by_layer(dense: Dense, scratch: Path, missing: Callable[[], Sequence[str]] | None = None) -> Generator[parts.Part]:
    yield from parts.parts(dense, missing or (lambda: readers(dense)), room=2 << 30, scratch=scratch)


def same(found: Reading, wanted: Reading) -> bool:
    pairs = ((found.mean, wanted.mean), (found.covariance, wanted.covariance), (found.felt, wanted.felt))
    return all(torch.equal(each, other) for each, other in pairs)


@pytest.mark.parametrize("family", CHAINS)
def test_layer_by_layer_the_moments_are_those_of_one_pass_to_the_last_bit(family: str, tmp_path: Path) -> None:
    dense = dense_of(tiny(family, layers=3))
    wanted = readings(parts.whole(dense, readers(dense)))
    found, order = dict[str, Reading](), list[tuple[str, ...]]()
    for part in by_layer(dense, tmp_path / "states"):
        order.append(part.paths)
        found |= readings(part)
    assert [len(paths) for paths in order] == [0, 2, 2, 2]  # the head, then the layers, the last one first
    assert all(same(found[path], wanted[path]) for path in readers(dense))
    assert not (tmp_path / "states").exists()
    assert all(parameter.requires_grad and parameter.grad is None for parameter in dense.model.parameters())
    assert not any("forward" in vars(module) for module in dense.model.modules())


def test_layers_are_run_again_on_both_texts_of_a_pair(tmp_path: Path) -> None:
    def compared(model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
        other = {**batch, "input_ids": batch["input_ids"].flip(0), "attention_mask": batch["attention_mask"].flip(0)}
        return logits(model, batch) * logits(model, other)

    dense = dense_of(tiny("bert"), answers=compared)
    wanted = readings(parts.whole(dense, readers(dense)))
    found = {path: each for part in by_layer(dense, tmp_path / "states") for path, each in readings(part).items()}
    assert all(same(found[path], wanted[path]) for path in readers(dense))


def test_moments_of_what_is_before_and_behind_the_layers_are_the_same_too(tmp_path: Path) -> None:
    dense = dense_of(tiny("bert"))
    paths = ["bert.embeddings.word_embeddings", "bert.encoder.layer.1.intermediate.dense", "bert.pooler.dense"]
    paths += ["bert.encoder.layer.0.attention.self.query", "classifier"]
    wanted = gather(parts.whole(dense, paths))
    ran = [(part.paths, gather(part)) for part in by_layer(dense, tmp_path / "states", lambda: paths)]
    assert [each for each, _ in ran] == [("bert.pooler.dense", "classifier"), (paths[1],), (paths[3],), (paths[0],)]
    found = {path: entry for _, entries in ran for path, entry in entries.items()}
    assert all(torch.equal(found[path][name], each) for path in paths for name, each in wanted[path].items())


def first_layer(model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    known = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}
    written: Tensor = cast("PreTrainedModel", model).base_model(**known, output_hidden_states=True).hidden_states[1]
    return written[:, 0]


@pytest.mark.parametrize(("family", "answers"), [("albert", first_logit), ("bert", first_layer)])
def test_a_model_that_is_no_chain_is_one_part(
    family: str, answers: Callable[[nn.Module, Mapping[str, Tensor]], Tensor], tmp_path: Path
) -> None:
    dense = dense_of(tiny(family), answers=answers)
    assert [list(part.paths) for part in by_layer(dense, tmp_path / "states")] == [readers(dense)]


def test_what_fits_into_memory_is_one_part(tmp_path: Path) -> None:
    dense = dense_of(tiny("bert"))
    made = parts.parts(dense, lambda: readers(dense), room=parts.TOGETHER, scratch=tmp_path / "states")
    assert [list(part.paths) for part in made] == [readers(dense)]


def test_without_room_on_the_disk_a_model_is_one_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dense, layers = dense_of(tiny("bert")), 2
    read = sum(batch["input_ids"].numel() for batch in batches()) * 32 * 4 * layers  # 32 floats for each token
    for free, count in ((int(1.1 * read), 1), (int(1.3 * read), 1 + layers)):
        monkeypatch.setattr(parts, "disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        made = list(by_layer(dense, tmp_path / str(free) / "states"))
        assert len(made) == count


class KilledError(Exception):
    """Stands for the end of the process."""


def test_a_killed_run_goes_on_with_the_layer_that_it_was_at(tmp_path: Path) -> None:
    dense, scratch, found = dense_of(tiny("bert", layers=4)), tmp_path / "states", dict[str, Reading]()

    def missing() -> list[str]:
        return [path for path in readers(dense) if path not in found]

    def run(dies_at: int | None) -> list[int]:
        """Return how many layers' readers were called in each part, dying after so many parts."""
        ran = []
        for number, part in enumerate(by_layer(dense, scratch, missing)):
            steps = iter(part.steps())
            if number == dies_at:
                next(steps)[1]()  # in the middle of the part
                raise KilledError
            found.update(readings(part))
            ran.append(len(part.paths))
        return ran

    with pytest.raises(KilledError):
        run(dies_at=3)
    assert len(found) == 4  # two layers with two readers each
    assert run(dies_at=None) == [2, 2]  # neither the head nor the layers that are done
    wanted = readings(parts.whole(dense, readers(dense)))
    assert all(same(found[path], wanted[path]) for path in readers(dense))


def test_what_was_left_behind_for_other_examples_is_not_taken(tmp_path: Path) -> None:
    first = dense_of(tiny("bert"), examples=batches()[:1])
    with closing(by_layer(first, tmp_path / "states")) as made:
        readings(next(made))
        readings(next(made))
    assert (tmp_path / "states").exists()
    dense = dense_of(tiny("bert"))
    wanted = readings(parts.whole(dense, readers(dense)))
    found = {path: each for part in by_layer(dense, tmp_path / "states") for path, each in readings(part).items()}
    assert all(same(found[path], wanted[path]) for path in readers(dense))


def test_whoever_waited_for_another_process_runs_what_that_one_left(tmp_path: Path) -> None:
    dense, done = dense_of(tiny("bert")), list[str]()

    def left() -> list[str]:
        return [path for path in readers(dense) if path not in done]

    def ran() -> list[tuple[str, ...]]:
        return [part.paths for part in by_layer(dense, tmp_path / "states", left)]

    with ThreadPoolExecutor(1) as pool:
        with FileLock(tmp_path / "states.lock"):
            waiting = pool.submit(ran)
            done.extend(readers(dense))
        assert waiting.result() == []


def test_a_full_disk_is_named_and_gets_its_room_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dense, written = dense_of(tiny("bert")), list[Path]()

    def full(path: Path, *_: object) -> None:
        written.append(path)
        if len(written) == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        path.write_bytes(b"x")

    monkeypatch.setattr(entries, "write_tensors", full)
    with pytest.raises(BankFileError, match="no space is left"):
        readings(next(by_layer(dense, tmp_path / "states")))
    assert len(written) == 4
    assert not (tmp_path / "states").exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BankFileError, match=r"cannot write .*file/states.*`cache_dir`"):
        next(by_layer(dense_of(tiny("bert")), tmp_path / "file" / "states"))
