"""Reproduction of a published experiment: run what is missing, then write rows, tables, figures and sentences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from optimizer.reproduce.images.compare import Difference, differences
from optimizer.reproduce.images.execute import execute
from optimizer.reproduce.images.figures import write_figures
from optimizer.reproduce.images.plan import Request, runs_of
from optimizer.reproduce.images.records import RunRecord
from optimizer.reproduce.images.rows import Row, rows_of
from optimizer.reproduce.images.sentences import sentences
from optimizer.reproduce.images.tables import comma_separated, epochs_comma_separated, markdown
from optimizer.reproduce.ledger import Ledger
from optimizer.reproduce.presets import ScaleName
from optimizer.tasks.images.data import load_images


class Reproduction(BaseModel):
    """All that a reproduction says; `sentences` are for people."""

    model_config = ConfigDict(frozen=True)

    schema_version: int = 1
    preset: str
    source: str
    scale: ScaleName
    rows: tuple[Row, ...]
    differences: tuple[Difference, ...]
    sentences: tuple[str, ...]
    files: tuple[str, ...]


def reproduce(request: Request, output: Path, *, progress: Callable[[str], None] = lambda _: None) -> Reproduction:
    """Run a preset into `output`, which keeps finished runs so that a second call resumes where the first stopped."""
    output.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(output / "runs.jsonl", RunRecord)
    parts = [
        _write(request, records, output)
        for dataset in request.datasets
        for records in _by_model(_finished(request, dataset, ledger, progress))
    ]
    return _together(request, parts)


def _finished(
    request: Request, dataset: str, ledger: Ledger[RunRecord], progress: Callable[[str], None]
) -> list[RunRecord]:
    """Return the records of every run on a data set, after running those that are missing."""
    runs, sizes, data = list(runs_of(request, dataset)), request.sizes, None
    records = []
    for number, run in enumerate(runs, start=1):
        record = ledger.get(run.key)
        if record is None:
            data = data or load_images(
                dataset,
                directory=request.directory,
                train_examples=sizes.train_examples,
                test_examples=sizes.test_examples,
                largest=sizes.image_size,
            )
            record = execute(run, data, request.preset, inference_seconds=sizes.inference_seconds)
            ledger.add(record)
            progress(f"{number}/{len(runs)} {run.key.model} {run.key.configuration}: accuracy {record.accuracy:.4f}")
        records.append(record)
    return records


def _by_model(records: list[RunRecord]) -> list[list[RunRecord]]:
    models = dict.fromkeys(record.key.model for record in records)
    return [[record for record in records if record.key.model == model] for model in models]


def _write(request: Request, records: list[RunRecord], output: Path) -> Reproduction:
    """Write the files of one data set and model."""
    rows, found = rows_of(request.preset, records), differences(request.preset, records)
    said, key, layout = sentences(request.preset, rows, found), records[0].key, request.preset.layout
    name = f"{key.dataset}-{key.model}"
    text = [f"# {request.preset.title}: {key.model} on {key.dataset}", request.preset.source, markdown(rows, layout)]
    contents = {
        f"{name}.md": "\n\n".join([*text, "\n".join(f"- {sentence}" for sentence in said)]) + "\n",
        f"{name}.csv": comma_separated(rows),
        f"{name}-epochs.csv": epochs_comma_separated(rows),
    }
    for file, content in contents.items():
        (output / file).write_text(content, encoding="utf-8")
    files = [*(output / file for file in contents), *write_figures(rows, layout, output, name)]
    return _reproduction(request, rows, found, said, files)


def _reproduction(
    request: Request,
    rows: tuple[Row, ...],
    found: tuple[Difference, ...],
    said: tuple[str, ...],
    files: list[Path],
) -> Reproduction:
    return Reproduction(
        preset=request.preset.name,
        source=request.preset.source,
        scale=request.scale,
        rows=rows,
        differences=found,
        sentences=said,
        files=tuple(str(path) for path in files),
    )


def _together(request: Request, parts: list[Reproduction]) -> Reproduction:
    return _reproduction(
        request,
        tuple(row for part in parts for row in part.rows),
        tuple(difference for part in parts for difference in part.differences),
        tuple(sentence for part in parts for sentence in part.sentences),
        [Path(file) for part in parts for file in part.files],
    )
