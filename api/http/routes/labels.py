"""Labels: where those that a study buys stand, which are wanted next, and those given, one by one or as a file."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from api.http.access import Reader, Writer, study_for
from api.http.problems import ProblemError, responses
from api.http.state import Shared, State
from api.sent import SentFile, in_plain_names
from optimizer.certify.answers import Given, answers_of
from optimizer.certify.files import take_back
from optimizer.certify.standing import bought_by, give_labels, settle, standing_of, wanted_rows
from optimizer.fields.bounds import AsWritten, Readable
from optimizer.fronts.bought import BATCH, Standing
from studies.records import Study

router = APIRouter(prefix="/v1/studies/{name}/labels", tags=["labels"])
MOST = 1000  # rows in a request


class WantedRow(BaseModel):
    """A text to label; `content` are its parts, as the standing's `columns` name them."""

    id: str
    content: tuple[str, ...]


class WantedRows(BaseModel):
    """The rows to label now, and where the purchase stands."""

    items: list[WantedRow]
    standing: Standing


class NextRequest(BaseModel):
    """How many texts to ask for, where no row is open."""

    model_config = ConfigDict(extra="forbid")

    batch: Annotated[int, Field(ge=1, le=MOST), AsWritten()] = BATCH


class GivenLabels(BaseModel):
    """Labels by the id of their row: a class by name, or "?" where it cannot be told. A label is given once."""

    model_config = ConfigDict(extra="forbid")

    labels: dict[Annotated[str, Field(max_length=40)], Annotated[str, Readable(), Field(max_length=1000)]] = Field(
        min_length=1, max_length=MOST
    )


@router.get("", responses=responses(401, 403, 404, 422, 429))
def read(name: str, state: Shared, caller: Reader) -> Standing:
    """Read where the purchase of labels stands; 404 before one has begun."""
    return standing_of(state.service.store, _with_purchases(state, study_for(state, caller, name)))


@router.post("/next", responses=responses(400, 401, 403, 404, 413, 415, 422, 429))
def ask(name: str, request: NextRequest, state: Shared, caller: Writer) -> WantedRows:
    """Return the rows to label now: those still open, else the next batch. No model's answer is shown."""
    study = _with_purchases(state, study_for(state, caller, name, changes=True))
    rows = wanted_rows(state.service.store, study, batch=request.batch)
    items = [WantedRow(id=row.id, content=row.text.content) for row in rows]
    return WantedRows(items=items, standing=settle(state.service.store, study))


@router.post("", responses=responses(400, 401, 403, 404, 409, 413, 415, 422, 429))
def give(name: str, request: GivenLabels, state: Shared, caller: Writer) -> Standing:
    """Give labels, some or all of those asked, and read what all labels together say."""
    store = state.service.store
    study = _with_purchases(state, study_for(state, caller, name, changes=True))
    given = (Given(row, label.strip(), f"row {row}") for row, label in request.labels.items())
    return give_labels(store, study, answers_of(given, bought_by(store, study)))


@router.post("/file", responses=responses(400, 401, 403, 404, 409, 413, 415, 422, 429))
def give_file(name: str, request: SentFile, state: Shared, caller: Writer) -> Standing:
    """Give the labels of a filled-in labelling file; 422 names the row of a text that was changed."""
    study = _with_purchases(state, study_for(state, caller, name, changes=True))
    with TemporaryDirectory() as folder:
        path = request.written(Path(folder))
        with in_plain_names(path):
            return take_back(state.service.store, study, path)


def _with_purchases(state: State, study: Study) -> Study:
    """Return a study that has bought labels. Raises `ProblemError` 404 for any other."""
    if not state.service.store.purchases(study.id):
        raise ProblemError(404, f"no labels are bought for {study.slug!r} yet; begin with fresh texts")
    return study
