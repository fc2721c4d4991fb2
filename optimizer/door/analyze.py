"""`analyze` as Python code calls it: modules, paths, patterns or studies in, a table out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from inspect import signature
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

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
    into: str | None = None,
    store: StudyStore | str | None = None,
    cache_dir: Path | str | None = None,
) -> pd.DataFrame:
    """Measure pruned models beside the unpruned one they come from, and return a row per model, batch size and length.

    With `into`, the name of a finished study, models are put beside its front instead, verified and measured as its
    members are. The table then has a row per model, with the columns of `GuestView`.

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
        backends: what runs torch's modules, of "torch", "torch-compile" and "cuda-graph"; ONNX Runtime runs graphs.
        along: what compression is counted in, "flops" or "parameters".
        output: a directory for measurements, table, findings and plots; a second call goes on there.
        into: the study beside whose front models are put: paths and patterns, with `build` and `manifest` alone.
        store: of the studies that `models` and `into` name, an object or its URL.
        cache_dir: that these ran with.

    The table's `attrs["failures"]` tell what could not be measured and why, `attrs["sentences"]` what curves show.
    Raises `InputError`.
    """
    named, modules = _sorted(models)
    table = Path(manifest) if manifest is not None else None
    measuring: dict[str, Any] = {  # Any: of several types
        "batch_sizes": batch_sizes, "lengths": lengths, "seconds": seconds, "inferences": inferences,
        "threads": threads, "device": device, "backends": backends, "along": along,
    }  # fmt: skip
    home = Home(store, cache_dir)
    if into is not None:
        _refuse_any({"parent": parent, "inputs": inputs, "output": output, **measuring}, modules)
        return _received(into, named, table, build, home)
    described = Described(inputs=given_inputs(inputs), build=build, device=check_device(device))
    asked = Asked(
        named=named,
        given=_given(modules, parent, described),
        parent=_place_of(parent),
        inputs=described.inputs,
        build=build,
        manifest=table,
        **measuring,
    )
    return _measured(asked, home, output)


def _given(modules: Mapping[str, nn.Module], parent: object, described: Described) -> list[Entry]:
    """Return the modules as models to measure, the unpruned one of all others last, if it is a module."""
    given = [entry_of(name, module, described) for name, module in modules.items()]
    if isinstance(parent, nn.Module):
        given.append(entry_of(PARENT, parent, described, is_unpruned=True))
    return given


def _place_of(parent: str | Path | nn.Module | None) -> str | Path | None:
    """Return where the unpruned model of all others is: a module is among those that are given."""
    if isinstance(parent, nn.Module):
        return PARENT
    return None if parent is None else Path(parent)


def _measured(asked: Asked, home: Home, output: str | Path | None) -> pd.DataFrame:
    """Measure models and return them as a table; without `output` nothing is kept beside it."""
    parts = asked.parts(partial(_of_study, home))
    with TemporaryDirectory() as temporary:
        place = Path(temporary if output is None else output)
        found = analyze_parts(parts, place, along=asked.along, draws=output is not None)
    table = frame_of(found.measures)
    table.attrs |= {"failures": [each._asdict() for each in found.failures], "sentences": list(found.sentences)}
    return table


def _refuse_any(measuring: Mapping[str, object], modules: Mapping[str, nn.Module]) -> None:
    """Raise `InputError` for what has no place where models are put into a study."""
    usual = {name: each.default for name, each in signature(analyze).parameters.items()}
    for name, value in measuring.items():
        if value != usual[name]:
            raise InputError(name, "is the study's where models are put `into` one; leave it out")
    if modules:
        raise InputError(
            "models", f"{next(iter(modules))} is a module; save it and name the place to put it `into` a study"
        )


def _received(
    into: str, named: Sequence[str], manifest: Path | None, build: Callable[[], nn.Module] | None, home: Home
) -> pd.DataFrame:
    """Put models beside the front of a study and return them as a table."""
    import pandas as pd

    from optimizer.fronts.views import guest_views
    from optimizer.guests.received import Asked as Arrivals
    from optimizer.guests.received import receive
    from optimizer.views.member import GuestView

    arrivals = Arrivals(named=named, manifest=manifest, build=build)
    found = receive(arrivals, home.store.study(into), home.store, cache_dir=home.cache_dir)
    digests = {guest.digest for guest in found.guests}
    views = [view for view in guest_views(home.store.study(into)) if view.digest in digests]
    table = pd.DataFrame([dict(view) for view in views], columns=[*GuestView.model_fields])
    table.attrs["failures"] = [each._asdict() for each in found.failures]
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
