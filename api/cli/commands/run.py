"""`optimize --model …`: run a study, show its progress, print its result."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from api.cli.context import Shared, check_output
from api.cli.local import check_free
from api.cli.render import print_result
from api.cli.saying import say
from api.cli.sources import Studies
from api.cli.wording import in_flags
from optimizer.door.packages import check_mlflow
from optimizer.engine import ALONE, Engine
from optimizer.errors import InputError, NothingFeasibleError
from optimizer.families.names import check_names
from optimizer.spec import StudySpec
from optimizer.views.member import RunResult, chosen_of


def run_study(
    spec: StudySpec,
    shared: Shared,
    *,
    study: str | None,
    dry_run: bool,
    output: Path | None,
    mlflow: str | None = None,
    engine: Engine = ALONE,
) -> None:
    """Run a new study, or only check and estimate it."""
    check_output(output)
    if mlflow is not None:
        check_mlflow()
    if dry_run:
        return _estimate(spec, shared, study, engine)
    with shared.studies(engine) as known:
        result = known.run(spec, name=study, console=shared.messages)
        return hand_over(result, known, shared, output, mlflow)


def _log(result: RunResult, known: Studies, shared: Shared, uri: str) -> None:
    """Log a result to MLflow, with the front's knee, or without ε its best member, as a model."""
    from optimizer.door.tracking import log_to_mlflow

    with TemporaryDirectory() as place:
        export, (_, chosen) = Path(place) / "model", chosen_of(result)
        if chosen is not None:
            known.export(result.study, chosen, export, format="safetensors")
        run = log_to_mlflow(result, known.members(result.study), uri, export=None if chosen is None else export)
    say(shared.messages, f"mlflow: run {run} at {uri}")


def _estimate(spec: StudySpec, shared: Shared, study: str | None, engine: Engine) -> None:
    """Print an estimate of a study's time on this machine. Raises `InputError` with `--server`."""
    if shared.server is not None:
        raise InputError(
            "--dry-run", f"estimates for this machine, not for --server {shared.server.url}; remove one of them"
        )
    check_names(spec)
    if study is not None:
        check_free(study, shared.storage)
    from optimizer.estimate import estimate  # brings torch, which a mistyped name should not wait for

    report = estimate(spec, cache_dir=shared.cache_dir, engine=engine)
    if shared.as_json:
        shared.answer(report)
    else:
        say(shared.console, in_flags(report.in_words()))


def hand_over(
    result: RunResult, known: Studies, shared: Shared, output: Path | None, mlflow: str | None = None
) -> None:
    """Print a result, write the report to `output` and log it to `mlflow` where they are given.

    Raises `NothingFeasibleError`, exit code 3.
    """
    if output is not None:
        from optimizer.report import write_report

        write_report(result, known.members(result.study), output)
        say(shared.messages, f"report: {output}")
    if shared.as_json:
        shared.answer(result)
    else:
        print_result(result, shared.console, resume=known.resume_command(result.study))
    if mlflow is not None:
        _log(result, known, shared, mlflow)
    if not result.front:
        raise NothingFeasibleError(f"nothing is feasible: {result.why_empty}")
