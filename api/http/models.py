"""Models: what the service takes and answers, beside the views that the command line prints as well."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from optimizer.spec import StudySpec
from studies.jobs import Job
from studies.records import Study, StudyState

Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """A part of a list; `next` is the cursor of the part after it, null at the end."""

    items: list[Item]
    next: str | None


class StudyRequest(StudySpec):
    """A new study: the fields of a spec, and how it is queued."""

    name: str | None = Field(None, min_length=1, max_length=80, description="none: one is made of model and task")
    priority: int = Field(0, ge=-10, le=10, description="studies of a higher one run first")

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"model": "bert-base", "task": "sst2", "epsilon": 0.01, "trials": 100, "name": "first"}]
        }
    )

    def spec(self) -> StudySpec:
        """Return the spec alone."""
        return StudySpec.model_validate(self.model_dump(exclude={"name", "priority"}))


class ResumeRequest(BaseModel):
    """How to go on with a study."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    epsilon: float | None = Field(None, gt=0, lt=1, description="a larger ε than the study's own")


class StudyView(BaseModel):
    """A study without its candidates."""

    id: int
    study: str
    state: StudyState
    spec: dict[str, Any]  # Any: JSON data, a StudySpec
    error: str | None
    revision: int
    created_at: datetime
    updated_at: datetime
    seconds: dict[str, float]

    @classmethod
    def of(cls, study: Study) -> StudyView:
        """Return the view of a stored study."""
        return cls(
            id=study.id,
            study=study.slug,
            state=study.state,
            spec=dict(study.spec),
            error=study.error,
            revision=study.revision,
            created_at=study.created_at,
            updated_at=study.updated_at,
            seconds=dict(study.seconds),
        )


class JobView(BaseModel):
    """A piece of work for the workers."""

    id: int
    kind: str
    state: str
    attempts: int
    error: str | None
    result: dict[str, Any] | None  # Any: JSON data

    @classmethod
    def of(cls, job: Job) -> JobView:
        """Return the view of a stored job."""
        return cls(
            id=job.id,
            kind=job.kind,
            state=job.state,
            attempts=job.attempts,
            error=job.error,
            result=dict(job.result) if job.result else None,
        )
