"""`analyze` as Python code calls it: modules, paths, patterns or studies in, a table out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from torch import nn

from optimizer.analysis.asked import BATCH_SIZES, SECONDS, Asked
from optimizer.analysis.curves import Along
from optimizer.analysis.frame import frame_of
from optimizer.analysis.run import analyze_parts
from optimizer.analysis.sources.given import entry_of, given_inputs
from optimizer.analysis.sources.source import LENGTH, Described, Entry
from optimizer.analysis.sources.studies import opened
from optimizer.backends.names import TORCH
from optimizer.device import check_device
from optimizer.door.home import Home
from optimizer.errors import InputError, a_kind
from studies.store import StudyNotFoundError, StudyStore

if TYPE_CHECKING:
    import pandas as pd

PARENT = "unpruned"  # the name of a module that is given as parent
Models = Mapping[str, nn.Module] | nn.Module | Sequence[str | Path | nn.Module] | str | Path


def analyze(
    models: Models = (),
    *,
    parent: str | Path | nn.Module | None = None,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    lengths: Sequence[int] = (LENGTH,),
    inputs: object = None,
    build: Callable[[], nn.Module] | None = None,
    manifest: str | Path | None = None,
    seconds: float = SECONDS,
    inferences: int | None = None,
    threads: int | None = None,
    device: str = "cpu",
    backends: Sequence[str] = (TORCH,),
    along: Along = "flops",
    output: str | Path | None = None,
    store: StudyStore | str | None = None,
    cache_dir: Path | str | None = None,
) -> pd.DataFrame:
    """Measure pruned models beside the unpruned one they come from, and return a row per model, batch size and length.

    Args:
        models: modules, by name or in a list; paths, patterns and names of studies.
        parent: the unpruned model of all that name no other: a module or a path.
        batch_sizes: of the inferences, examples each.
        lengths: of texts, tokens each.
        inputs: of modules and files of weights: a shape without the batch, or an example with it, or several by name.
        build: makes the dense module of files of weights.
        manifest: a table of models, for those whose names say nothing.
        seconds: the most for a model at a batch size.
        inferences: so many passes of every model instead.
        threads: of the CPU; None for as many as torch has.
        device: where torch runs.
        backends: what runs torch's modules, "torch", "torch-compile" or both; graphs are run by ONNX Runtime.
        along: what compression is counted in, "flops" or "parameters".
        output: a directory for measurements, table, findings and plots; a second call goes on there.
        store: of the studies that `models` names, an object or its URL.
        cache_dir: that those studies ran with.

    What could not be measured, and why, is in the attribute `attrs["failures"]` of the table, what curves show in
    `attrs["sentences"]`. Raises `InputError`.
    """
    described = Described(inputs=given_inputs(inputs), build=build, device=check_device(device))
    named, modules = _sorted(models)
    given = [entry_of(name, module, described) for name, module in modules.items()]
    if isinstance(parent, nn.Module):
        given.append(entry_of(PARENT, parent, described, is_unpruned=True))
    asked = Asked(
        named=named,
        given=given,
        parent=PARENT if isinstance(parent, nn.Module) else Path(parent) if parent is not None else None,
        batch_sizes=batch_sizes,
        lengths=lengths,
        seconds=seconds,
        inferences=inferences,
        threads=threads,
        device=device,
        backends=backends,
        along=along,
        inputs=described.inputs,
        build=build,
        manifest=Path(manifest) if manifest is not None else None,
    )
    parts = asked.parts(partial(_of_study, Home(store, cache_dir)))
    with TemporaryDirectory() as temporary:
        place = Path(temporary if output is None else output)
        found = analyze_parts(parts, place, along=along, draws=output is not None)
    table = frame_of(found.measures)
    table.attrs |= {"failures": [each._asdict() for each in found.failures], "sentences": list(found.sentences)}
    return table


def _of_study(home: Home, name: str, described: Described) -> Sequence[Entry] | None:
    """Return the models of a study, None where no study has the name."""
    try:
        return opened(name, home.store, home.cache_dir).entries(described)
    except StudyNotFoundError:
        return None


def _sorted(models: Models) -> tuple[list[str], dict[str, nn.Module]]:
    """Return names of places and studies, and modules by name. Raises `InputError` for anything else."""
    if isinstance(models, Mapping):
        each: list[tuple[str, object]] = [(str(name), module) for name, module in models.items()]
    else:
        several = [models] if isinstance(models, str | Path | nn.Module) else list(models)
        each = [(f"model {number}", one) for number, one in enumerate(several, start=1)]
    modules = {name: one for name, one in each if isinstance(one, nn.Module)}
    for name, one in each:
        if name not in modules and (isinstance(models, Mapping) or not isinstance(one, str | Path)):
            raise InputError(
                "models",
                f"{name} must be a module{'' if isinstance(models, Mapping) else ' or a path'}, not {a_kind(one)}",
            )
    return [str(one) for name, one in each if name not in modules], modules
