"""The table of an analysis: a row for every model at every batch size; as CSV, Parquet and JSON."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from optimizer.analysis.records import Measure
from optimizer.measuring.ratios import Ratio
from search_spaces.files import written_whole

if TYPE_CHECKING:
    import pandas as pd  # half a second to import

FLOPS_PER_MAC = 2


def frame_of(measures: Iterable[Measure]) -> pd.DataFrame:
    """Return the table. Seconds are of a pass over the batch, joules and FLOPs of one inference, `fps` inferences."""
    import pandas as pd

    return pd.DataFrame([row_of(each) for each in measures])


def row_of(measure: Measure) -> dict[str, object]:
    """Return a row: what is reduced is relative to the unpruned model in the same rounds, in percent."""
    key, facts, counts, parent = measure.key, measure.facts, measure.counts, measure.parent_counts
    return {
        "model": key.model,
        "parent": key.parent,
        **facts.model_dump(exclude={"is_unpruned"}),
        "unpruned": measure.is_unpruned,
        "source": measure.source,
        "batch": key.batch,
        **({} if measure.length is None else {"length": measure.length}),
        "flops": counts.flops,
        "macs": counts.flops / FLOPS_PER_MAC,
        "parameters": counts.parameters,
        "flops_reduction_percent": _reduction(counts.flops, parent.flops),
        "parameters_reduction_percent": _reduction(counts.parameters, parent.parameters),
        **_with_ends("seconds", measure.seconds),
        **{f"seconds_{name}": value for name, value in measure.percentiles.items()},
        "fps": measure.fps,
        **_with_ends("time_ratio", measure.time),
        "time_reduction_percent": 100 * (1 - measure.time.value),
        "time_gain": measure.gain_time,
        **({} if measure.time_torch is None else _with_ends("time_ratio_torch", measure.time_torch)),
        **({} if measure.gain_time_torch is None else {"time_gain_torch": measure.gain_time_torch}),
        **_with_ends("energy_j", measure.energy_j),
        **_with_ends("energy_ratio", measure.energy),
        "energy_reduction_percent": 100 * (1 - measure.energy.value),
        "energy_gain": measure.gain_energy,
        "energy_source": measure.energy_source,
        "energy_scope": measure.energy_scope,
        "rounds": measure.rounds,
        "passes": measure.passes,
        "clock": measure.clock,
        "noise": measure.noise,
        "device": measure.device_name,
        "threads": key.threads,
        "dtype": measure.dtype,
        "backend": measure.backend,
        **measure.metric,
    }


def write_frame(frame: pd.DataFrame, output: Path, name: str) -> list[Path]:
    """Write the table in three forms, each whole or as it was, and return the paths."""
    paths = [output / f"{name}{suffix}" for suffix in (".csv", ".parquet", ".json")]
    with written_whole(paths[0]) as temporary:
        frame.to_csv(temporary, index=False)
    with written_whole(paths[1]) as temporary:
        frame.to_parquet(temporary, index=False)
    with written_whole(paths[2]) as temporary:
        frame.to_json(temporary, orient="records", indent=1)
    return paths


def _reduction(value: float, unpruned: float) -> float:
    return 100 * (1 - value / unpruned) if unpruned else 0.0


def _with_ends(name: str, ratio: Ratio) -> dict[str, float]:
    return {name: ratio.value, f"{name}_lower": ratio.lower, f"{name}_upper": ratio.upper}
