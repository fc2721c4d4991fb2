"""Tracking: a study as a run of MLflow: parameters, metrics, front, report and, if one is exported, a model.

A client of its own writes to the URI, so that the caller's own MLflow settings stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from optimizer.door.packages import check_mlflow
from optimizer.door.show import table_of
from optimizer.errors import MachineError
from optimizer.report import report_html
from optimizer.views.member import Member, RunResult, chosen_of

EXPERIMENT = "pruning-optimizer"
MODEL = "model"  # the artifact path of the model
LONGEST = 500  # characters of a parameter
CHECKED = ("accuracy", "drop", "upper_95", "shrunken_drop", "chance_above")  # figures of the verification
LEFT_OUT = ("schema_version", "front", "baseline", "least_violating", "conditions", "notes", "seconds", "stopped_early")


def log_to_mlflow(result: RunResult, candidates: Sequence[Member], uri: str, *, export: Path | None = None) -> str:
    """Log a study to the tracking server or store at `uri`; return the id of the new run.

    `export` is the directory of an exported member, which becomes a model for `mlflow.pyfunc.load_model`. Raises
    `InputError` where mlflow is not installed, `MachineError` where the server cannot be reached.
    """
    check_mlflow()
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        client: Any = MlflowClient(tracking_uri=uri)
        known = client.get_experiment_by_name(EXPERIMENT)
        experiment = known.experiment_id if known else client.create_experiment(EXPERIMENT)
        run_id = str(client.create_run(experiment, run_name=result.study).info.run_id)
        _log(client, run_id, result, candidates, export)
        client.set_terminated(run_id)
    except MlflowException as error:
        raise MachineError(f"mlflow at {uri}: {error}") from error
    return run_id


def _log(client: Any, run_id: str, result: RunResult, candidates: Sequence[Member], export: Path | None) -> None:
    for name, value in _parameters(result).items():
        client.log_param(run_id, name, value)
    for name, number in _metrics(result).items():
        client.log_metric(run_id, name, number)
    client.log_text(run_id, table_of(result.front).to_csv(index=False), "front.csv")
    client.log_text(run_id, result.model_dump_json(indent=1), "result.json")
    client.log_text(run_id, report_html(result, candidates), "report.html")
    if export is not None:
        with TemporaryDirectory() as place:
            _save_model(export, Path(place) / MODEL, result.conditions.get("max_length"))
            client.log_artifacts(run_id, str(Path(place) / MODEL), MODEL)


def _parameters(result: RunResult) -> dict[str, str]:
    fields = result.model_dump(mode="json", exclude=set(LEFT_OUT))
    words = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
    return {name: value[:LONGEST] for name, value in words.items() if value}


def _metrics(result: RunResult) -> dict[str, float]:
    """Return the figures of the dense model, of the front, and of its knee, or without ε of its best member."""
    name, number = chosen_of(result)
    member = next((member for member in result.front if member.candidate == number), None)
    found: dict[str, Any] = {
        "members": len(result.front),
        "hypervolume": result.hypervolume,
        **_figures("dense", result.baseline, ("accuracy", "verification_accuracy", "flops", "parameters")),
        **_figures(name, member, ("drop", "flops_ratio", "latency_ratio", "parameters_ratio", "size_ratio")),
        **_figures(f"{name}_verification", member and member.verification, CHECKED),
    }
    return {name: float(value) for name, value in found.items() if value is not None}


def _figures(prefix: str, view: object, names: Sequence[str]) -> Mapping[str, Any]:
    return {f"{prefix}_{name}": getattr(view, name, None) for name in names}


def _save_model(export: Path, place: Path, max_length: int | None) -> None:
    import mlflow.pyfunc

    mlflow.pyfunc.save_model(
        str(place),
        loader_module="optimizer.door.served",
        data_path=str(export),
        model_config={"max_length": max_length} if max_length else None,  # it cuts texts as the study did
        pip_requirements=["pruning-optimizer"],
    )
