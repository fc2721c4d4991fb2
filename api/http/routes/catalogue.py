"""The catalogue: which models, tasks, samplers and objectives are on offer."""

from __future__ import annotations

from typing import get_args

from fastapi import APIRouter
from pydantic import BaseModel

from api.http.access import Reader
from api.http.problems import responses
from optimizer.families.names import MODELS
from optimizer.spec import CostName, CriterionName, SamplerName
from optimizer.tasks.images.known import IMAGE_TASKS
from optimizer.tasks.texts.known import TASKS

router = APIRouter(prefix="/v1", tags=["catalogue"], responses=responses(401, 403, 429))


class ModelOffer(BaseModel):
    """A short name; `repository` is its hub id, null for the built-in model and for image networks."""

    name: str
    repository: str | None


class TaskOffer(BaseModel):
    """A task with its metric and labels; one of images has no text columns, and its labels are numbers."""

    name: str
    metric: str
    labels: list[str]
    text_columns: list[str]


class Names(BaseModel):
    """Names that a field takes."""

    items: list[str]


class Models(BaseModel):
    """Models on offer; any hub id and any allowed local directory work as well."""

    items: list[ModelOffer]


class Tasks(BaseModel):
    """Tasks on offer; any name works together with `data`."""

    items: list[TaskOffer]


@router.get("/models")
def models(_: Reader) -> Models:
    """List the short names of models."""
    return Models(items=[ModelOffer(name=name, repository=repository) for name, repository in MODELS.items()])


@router.get("/tasks")
def tasks(_: Reader) -> Tasks:
    """List the tasks."""
    texts = [
        TaskOffer(
            name=t.name, metric=str(t.metric), labels=list(t.labels or ()), text_columns=list(t.text_columns or ())
        )
        for t in TASKS.values()
    ]
    images = [TaskOffer(name=name, metric="accuracy", labels=[], text_columns=[]) for name in IMAGE_TASKS]
    return Tasks(items=[*texts, *images])


@router.get("/samplers")
def samplers(_: Reader) -> Names:
    """List the samplers."""
    return Names(items=list(get_args(SamplerName)))


@router.get("/objectives")
def objectives(_: Reader) -> Names:
    """List the costs that can steer a search."""
    return Names(items=list(get_args(CostName)))


@router.get("/criteria")
def criteria(_: Reader) -> Names:
    """List the criteria that rank units."""
    return Names(items=list(get_args(CriterionName)))
