"""The analysis: what is measured beside what, what is kept and gone on with, and what is said of the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from analyzed_networks import SHAPE, network, save_graph, save_networks
from tiny_checkpoints import save_tiny

from objectives.repeats import rounds_to_tell
from objectives.rounds import MIN_ROUNDS
from optimizer.analysis import fitting, plots
from optimizer.analysis.asked import Asked, module_of
from optimizer.analysis.costs import Bench, Measured
from optimizer.analysis.forms import smoothed
from optimizer.analysis.inputs import written_inputs
from optimizer.analysis.measure import made_measured
from optimizer.analysis.run import Analyzed, analyze_parts
from optimizer.backends import compiled, table
from optimizer.backends.compiled import Timed
from optimizer.errors import InputError
from optimizer.measuring.timing import Run

WIDTHS = {"N_D_UNPRUNED": (8, 12), "N_D_r_PD1_GPR-50_x": (4, 6), "N_D_r_PD1_GPR-75_x": (2, 3)}
BOTH = ("torch", "torch-compile")
INPUTS = written_inputs(["x".join(map(str, SHAPE))])


def analyze(place: Path, output: Path, *, batches: tuple[int, ...] = (1, 3), draws: bool = False) -> Analyzed:
    asked = Asked(
        named=[str(place)], build=network, inputs=INPUTS, batch_sizes=batches, seconds=0.02, threads=1, along="flops"
    )
    return analyze_parts(asked.parts(lambda *_: None), output, along=asked.along, draws=draws)


def test_models_are_measured_beside_the_unpruned_one_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plots, "FORMS", {"smoothed": smoothed})
    found = analyze(save_networks(tmp_path / "models", WIDTHS), tmp_path / "out", draws=True)
    table = pd.read_csv(tmp_path / "out" / "models.csv")
    assert list(table["batch"]) == [1, 3, 1, 3, 1, 3]
    assert list(table["unpruned"]) == [True, True, False, False, False, False]
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out" / "models.parquet")[["fps"]], table[["fps"]])
    assert [row["model"] for row in json.loads((tmp_path / "out" / "models.json").read_text())] == list(table["model"])
    lean = table[table["model"] == "N_D_r_PD1_GPR-50_x"].iloc[0]
    dense = table[table["unpruned"]].iloc[0]
    assert lean["ratio"] == 50 and lean["distribution"] == "PD1" and lean["energy_source"] == "modelled"
    assert lean["flops"] == 2 * lean["macs"]
    assert lean["flops_reduction_percent"] == pytest.approx(100 * (1 - lean["flops"] / dense["flops"]))
    assert dense["time_ratio"] == 1 and lean["time_ratio_lower"] <= lean["time_ratio"] <= lean["time_ratio_upper"]
    assert not found.failures
    assert min(each.rounds for each in found.measures) >= rounds_to_tell(len(WIDTHS) * 2) > MIN_ROUNDS
    names = [path.name for path in found.files]
    assert all((tmp_path / "out" / name).stat().st_size for name in names)
    assert {"plots.html", "findings.md", "plot-N-D-UNPRUNED-energy-smoothed.svg"} <= {*names}


def test_a_second_call_measures_only_what_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, output = save_networks(tmp_path / "models", WIDTHS), tmp_path / "out"
    analyze(place, output, batches=(1,))
    measured: list[tuple[list[str], int]] = []
    bench = Bench.measure

    def spied(self: Bench, models: dict[Run, object], *, dense: Run, batch: int, reference: Run | None) -> object:
        measured.append(([str(run.model) for run in models if run != dense], batch))
        return bench(self, models, dense=dense, batch=batch, reference=reference)  # type: ignore[arg-type]

    monkeypatch.setattr(Bench, "measure", spied)
    with (output / "measurements.jsonl").open("a") as file:
        file.write('{"key": {"model": "half')  # as kill -9 may leave it
    assert len(analyze(place, output, batches=(1,)).measures) == 3
    assert not measured
    save_networks(place, {"N_D_r_PD1_GPR-25_x": (6, 9), "N_D_r_PD1_GPR-75_x": (2, 4)})
    found = analyze(place, output, batches=(1, 2))
    assert measured == [
        (["N_D_r_PD1_GPR-25_x", "N_D_r_PD1_GPR-75_x"], 1),
        (["N_D_r_PD1_GPR-25_x", "N_D_r_PD1_GPR-50_x", "N_D_r_PD1_GPR-75_x"], 2),
    ]
    assert len(found.measures) == 8


def test_what_cannot_be_measured_is_said_and_the_rest_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = save_networks(tmp_path / "models", WIDTHS)
    torch.save(network(), place / "N_D_r_PD2_GPR-5_x.pth")
    (place / "N_D_r_PD2_GPR-10_x.pth").write_bytes(b"half")
    save_graph(place / "N_D_r_PD3_GPR-5_x.onnx")
    monkeypatch.setattr(fitting, "free_bytes", lambda _: 60_000)
    found = analyze(place, tmp_path / "out", batches=(1, 64))
    why = {(each.model, each.batch): each.why for each in found.failures}
    assert "could run any code" in why["N_D_r_PD2_GPR-5_x", None]
    assert "is damaged" in why["N_D_r_PD2_GPR-10_x", None]
    assert "does not compare" in why["N_D_r_PD3_GPR-5_x", None]
    assert "the unpruned model: a batch of 64 needs" in why["N_D_r_PD1_GPR-50_x", 64]
    assert {each.key.batch for each in found.measures} == {1}
    assert "could run any code" in (tmp_path / "out" / "findings.md").read_text()


def test_memory_that_runs_out_leaves_smaller_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.measure

    def full(self: Bench, models: dict[Run, object], *, dense: Run, batch: int, reference: Run | None) -> object:
        if batch > 1:
            raise RuntimeError(
                "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
            )
        return bench(self, models, dense=dense, batch=batch, reference=reference)  # type: ignore[arg-type]

    monkeypatch.setattr(Bench, "measure", full)
    found = analyze(save_networks(tmp_path / "models", WIDTHS), tmp_path / "out")
    assert [each.why for each in found.failures] == ["a batch of 3 does not fit into memory"] * 2
    assert len(found.measures) == 3


def test_an_unpruned_model_that_does_not_open_is_the_reason(tmp_path: Path) -> None:
    place = save_networks(tmp_path / "models", WIDTHS)
    (place / "N_D_UNPRUNED.pth").write_bytes(b"")
    with pytest.raises(InputError, match=r"none could be measured; N_D_UNPRUNED: .* is damaged"):
        analyze(place, tmp_path / "out")


def test_an_interrupt_writes_the_table_of_what_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.measure

    def stopped(self: Bench, models: dict[Run, object], *, dense: Run, batch: int, reference: Run | None) -> object:
        if batch > 1:
            raise KeyboardInterrupt
        return bench(self, models, dense=dense, batch=batch, reference=reference)  # type: ignore[arg-type]

    monkeypatch.setattr(Bench, "measure", stopped)
    with pytest.raises(KeyboardInterrupt):
        analyze(save_networks(tmp_path / "models", WIDTHS), tmp_path / "out")
    assert len(pd.read_csv(tmp_path / "out" / "models.csv")) == 3


def test_so_many_inferences_are_taken_as_are_asked_for(tmp_path: Path) -> None:
    place = save_networks(tmp_path / "models", WIDTHS)
    asked = Asked(named=[str(place)], build=network, inputs=INPUTS, batch_sizes=(1,), inferences=100, threads=1)
    found = analyze_parts(asked.parts(lambda *_: None), tmp_path / "out", draws=False)
    assert {(each.rounds, each.passes) for each in found.measures} == {(20, 100)}


def test_texts_are_measured_at_every_length(tmp_path: Path) -> None:
    dense, lean = (save_tiny(tmp_path / "models" / name) for name in ("dense", "lean"))
    asked = Asked(named=[str(lean)], parent=dense, lengths=(6, 12), batch_sizes=(1, 2), seconds=0.02, threads=1)
    found = analyze_parts(asked.parts(lambda *_: None), tmp_path / "out", draws=False)
    of_lean = [each for each in found.measures if each.key.model == "lean"]
    assert [(each.length, each.key.batch) for each in of_lean] == [(6, 1), (6, 2), (12, 1), (12, 2)]
    assert of_lean[2].counts.flops > 1.9 * of_lean[0].counts.flops
    assert of_lean[3].size == "batch 2, 12 tokens"
    table = pd.read_csv(tmp_path / "out" / "models.csv")
    assert list(table["length"]) == [6, 6, 12, 12] * 2
    assert not found.failures


def compile_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "MAKER", "aot_eager")  # traced and guarded, in torch's operators


def test_models_are_compiled_beside_torch_and_their_ratios_are_to_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_without_a_compiler(monkeypatch)
    place, output = save_networks(tmp_path / "models", dict(list(WIDTHS.items())[:2])), tmp_path / "out"
    analyze(place, output, batches=(2,))
    asked = Asked(
        named=[str(place)], build=network, inputs=INPUTS, batch_sizes=(2,), seconds=0.02, threads=1, backends=BOTH
    )
    found = analyze_parts(asked.parts(lambda *_: None), output, draws=False)
    dense, dense_there, lean, lean_there = found.measures
    assert [each.backend for each in found.measures] == ["torch", "torch-compile"] * 2
    assert lean.time_torch is None and lean.size == "batch 2"
    assert lean_there.size == "batch 2, torch.compile"
    assert dense_there.time.value == 1 and dense_there.time_torch and lean_there.time_torch
    assert lean_there.counts == lean.counts and lean_there.energy_source == "modelled"
    assert dense_there.energy.value == 1 and dense.time.value == 1
    assert len((output / "measurements.jsonl").read_text().splitlines()) == 4, "those of torch are not repeated"
    table = pd.read_csv(output / "models.csv")
    assert list(table["time_ratio_torch"].isna()) == [True, False, True, False]


def test_a_model_that_does_not_compile_is_said_at_its_batch_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_without_a_compiler(monkeypatch)
    place = save_networks(tmp_path / "models", WIDTHS)
    made = compiled.compiled

    def refuses(model: torch.nn.Module, timed: Timed) -> object:
        if sum(each.numel() for each in model.parameters()) < 300:
            raise InputError("backend", "torch.compile does not take this model: no kernel")
        return made(model, timed)

    monkeypatch.setitem(table.FOR_SHAPES, "torch-compile", refuses)  # type: ignore[arg-type]
    asked = Asked(
        named=[str(place)], build=network, inputs=INPUTS, batch_sizes=(2,), seconds=0.02, threads=1, backends=BOTH[1:]
    )
    found = analyze_parts(asked.parts(lambda *_: None), tmp_path / "out", draws=False)
    assert [(each.model, each.batch) for each in found.failures] == [("N_D_r_PD1_GPR-75_x", 2)]
    assert "no kernel" in found.failures[0].why
    assert [each.key.model for each in found.measures] == ["N_D_UNPRUNED", "N_D_r_PD1_GPR-50_x"]


def test_a_graph_is_not_compiled() -> None:
    graph = Measured(torch.nn.Linear(1, 1), 2.0, traffic=lambda _: 1.0)
    with pytest.raises(InputError, match="ONNX Runtime runs this graph"):
        made_measured("torch-compile", graph, Timed(lambda: []))


def test_several_lengths_measure_what_has_none_once(tmp_path: Path) -> None:
    place = save_graph(tmp_path / "dense.onnx").parent
    save_graph(place / "lean.onnx")
    asked = Asked(named=[str(place)], parent=place / "dense.onnx", lengths=(6, 12), batch_sizes=(2,), seconds=0.02)
    found = analyze_parts(asked.parts(lambda *_: None), tmp_path / "out", draws=False)
    assert [(each.key.model, each.length) for each in found.measures] == [("dense", None), ("lean", None)]
    assert len((tmp_path / "out" / "measurements.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lengths": (0,)}, "sequence_length"),
        ({"lengths": (8, 8)}, "sequence_length: must be at least 1, each once"),
        ({"lengths": (8, 16), "inputs": INPUTS}, "sequence_length: several are for"),
        ({"named": []}, "name a directory"),
        ({"batch_sizes": (0,)}, "batch_size"),
        ({"batch_sizes": (1, 1)}, "each once"),
        ({"batch_sizes": ()}, "batch_size"),
        ({"seconds": float("nan")}, "seconds"),
        ({"inferences": 0}, "inferences"),
        ({"threads": 0}, "threads"),
        ({"along": "weights"}, "along"),
        ({"backends": ()}, "backend: must be named"),
        ({"backends": ("onnxruntime",)}, "backend: unknown name 'onnxruntime'"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_its_name(given: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Asked(**{"named": ["models"], **given})  # type: ignore[arg-type]


def test_a_function_of_a_file_makes_the_module(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text("def build():\n    return 'no module'\n")
    made: Callable[[], object] = module_of(f"{file}:build")
    assert made() == "no module"
    for wrong in ("build", f"{file}:other", f"{tmp_path / 'none.py'}:build"):
        with pytest.raises(InputError, match="module"):
            module_of(wrong)
    file.write_text("1 / 0\n")
    with pytest.raises(InputError, match="ZeroDivisionError"):
        module_of(f"{file}:build")
