"""Reproduction on text encoders: run what is missing, then write rows, tables and sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from optimizer.reproduce.encoders.bench import Bench
from optimizer.reproduce.encoders.compare import sentences
from optimizer.reproduce.encoders.execute import execute
from optimizer.reproduce.encoders.plan import EncoderRequest, runs_of
from optimizer.reproduce.encoders.preset import Illustration, Quoted
from optimizer.reproduce.encoders.records import EncoderRecord
from optimizer.reproduce.encoders.rows import EncoderRow, rows_of, short_name
from optimizer.reproduce.encoders.tables import comma_separated, markdown, quotations
from optimizer.reproduce.ledger import Ledger
from optimizer.reproduce.presets import ScaleName

Said = Callable[[str], None]


class EncoderReproduction(BaseModel):
    """All that a reproduction says; `sentences` and `remarks` are for people."""

    model_config = ConfigDict(frozen=True)

    schema_version: int = 1
    preset: str
    source: str
    scale: ScaleName
    rows: tuple[EncoderRow, ...]
    sentences: tuple[str, ...]
    quoted: tuple[Quoted, ...]
    illustrations: tuple[Illustration, ...]
    remarks: tuple[str, ...]
    files: tuple[str, ...]


def reproduce_encoders(
    request: EncoderRequest, output: Path, *, cache_dir: Path, progress: Said = lambda _: None
) -> EncoderReproduction:
    """Run a preset into `output`, which keeps finished runs so that a second call resumes where the first stopped."""
    output.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(output / "runs.jsonl", EncoderRecord)
    rows: list[EncoderRow] = []
    said: list[str] = []
    files: list[Path] = []
    for records in _finished(request, ledger, cache_dir, progress):
        some = rows_of(request.preset, records)
        rows += some
        said += sentences(request.preset, some, records)
        files += _write(request, some, records, output)
    preset = request.preset
    return EncoderReproduction(
        preset=preset.name,
        source=preset.source,
        scale=request.scale,
        rows=tuple(rows),
        sentences=tuple(said),
        quoted=preset.quoted,
        illustrations=preset.illustrations,
        remarks=preset.remarks,
        files=tuple(map(str, files)),
    )


def _finished(
    request: EncoderRequest, ledger: Ledger[EncoderRecord], cache_dir: Path, said: Said
) -> Iterator[list[EncoderRecord]]:
    """Yield the records of every model, task and learning rate, after running those that are missing."""
    for dataset in request.datasets:
        for model in request.models(dataset):
            runs = list(runs_of(request, dataset, model))
            bench = Bench(runs[0].key, request.directory, cache_dir, said)
            records = []
            for number, run in enumerate(runs, start=1):
                record = ledger.get(run.key)
                if record is None:
                    record = execute(run, bench, latency_seconds=request.sizes.latency_seconds)
                    ledger.add(record)
                    label = f"{short_name(model)} {dataset} {run.key.configuration}"
                    said(f"{number}/{len(runs)} {label}: accuracy {record.accuracy:.4f}")
                records.append(record)
            for _, some in groupby(records, key=lambda record: record.key.learning_rate):
                yield list(some)


def _write(
    request: EncoderRequest, rows: tuple[EncoderRow, ...], records: list[EncoderRecord], output: Path
) -> tuple[Path, Path]:
    """Write the files of one model, task and learning rate."""
    key, preset = records[0].key, request.preset
    name = f"{key.dataset}-{short_name(key.model)}-{key.learning_rate:g}"
    table, numbers = output / f"{name}.md", output / f"{name}.csv"
    said = "\n".join(f"- {sentence}" for sentence in sentences(preset, rows, records))
    head = f"# {preset.title}: {short_name(key.model)} on {key.dataset}"
    text = "\n\n".join([head, preset.source, markdown(rows), said, quotations(preset)])
    table.write_text(text + "\n", encoding="utf-8")
    numbers.write_text(comma_separated(rows), encoding="utf-8")
    return table, numbers
