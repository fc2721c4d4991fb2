"""What a study remembers, as frozen values: studies, proposals, candidates, verifications."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from objectives.measurement import Interval, Measurement
from search_spaces.config import Config
from studies.ownership import Owner

LONGEST_TAG, MOST_TAGS, LONGEST_NOTE = 40, 20, 10_000  # characters, tags of a study, characters


class StudyState(StrEnum):
    """The state of a study."""

    QUEUED = "queued"  # waits for a worker; no process has it
    RUNNING = "running"
    INTERRUPTED = "interrupted"  # stopped by the user; `resume` continues it
    COMPLETE = "complete"
    FAILED = "failed"
    CANCELLED = "cancelled"  # stopped on request; `resume` continues it nevertheless


class CandidateState(StrEnum):
    """The state of a candidate. A candidate leaves RUNNING once, unless its study is widened."""

    RUNNING = "running"
    COMPLETE = "complete"  # evaluated on every search example
    STOPPED = "stopped"  # raced out: the drop could not, or almost surely does not, come back under ε
    FAILED = "failed"  # the model could not be built or measured; `reason` says why


class Origin(StrEnum):
    """Who put a config forward."""

    LADDER = "ladder"
    SAMPLER = "sampler"
    REFINE = "refine"
    ITERATIVE = "iterative"
    USER = "user"
    RECOVER = "recover"
    TRANSFER = "transfer"  # with its outcome, from the study that a study started from


class Verdict(StrEnum):
    """What the verification examples say of a candidate at a given ε."""

    CERTIFIED = "certified"  # the data reject "drop > ε" at 5 %, for all certified members of the study together
    VERIFIED = "verified"  # observed drop <= ε
    REFUTED = "refuted"  # observed drop > ε
    MEASURED = "measured"  # run on them in a study without ε: the drop and its interval are the answer
    UNVERIFIED = "unverified"  # never tried on the verification examples


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A config put forward, with its origin and, where it has them, its parent and the sampler's own coordinates."""

    config: Config
    origin: Origin
    parent: int | None = None  # candidate number, not database id
    coordinates: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What evaluating a candidate on the search examples gave.

    `drop` is in the metric's unit, positive is worse; of a stopped candidate it is the estimate from `seen` examples.
    `lost` and `gained` count examples against the dense model where the metric is a mean of per-example 0/1 scores.
    """

    state: CandidateState
    drop: float | None = None
    seen: int = 0
    lost: int | None = None
    gained: int | None = None
    measurements: tuple[Measurement, ...] = ()
    reason: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """One candidate on the verification examples, once. The verdict at an ε is derived from it, never stored alone."""

    examples: str  # hash of the verification examples
    n: int
    metric: float
    drop: float
    interval: Interval  # paired, two-sided 95 %
    lost: int | None = None
    gained: int | None = None
    predictions: bytes | None = None  # of the candidate, for metrics that need a bootstrap; numpy .npy bytes
    shortlist_size: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A config evaluated in a study. `number` counts from 0 within the study; `id` is unique in the store."""

    id: int
    study_id: int
    number: int
    proposal: Proposal
    state: CandidateState
    outcome: Outcome | None = None
    measurements: tuple[Measurement, ...] = ()  # those of the outcome, then those of the verification stage
    verification: Verification | None = None
    shortlisted: bool = False

    @property
    def config(self) -> Config:
        """The candidate's config."""
        return self.proposal.config


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A model that was pruned elsewhere, put beside a study's front: verified and measured like its members.

    It is no candidate, takes no part in dominance and has no certificate. `place` and `form` say where it lay and how
    it was saved, `digest` is the SHA-256 of its files. Without measurements it is verified alone so far.
    """

    name: str
    place: str
    form: str
    digest: str
    verification: Verification
    measurements: tuple[Measurement, ...] = ()
    added_at: datetime | None = None  # the store's


class Claim(NamedTuple):
    """The right to write to a study. It is void once the study goes to another process, which raises its `number`."""

    study_id: int
    number: int


class Revision(NamedTuple):
    """`latest` counts all writes to a study; `results` is the last that a front is computed from, or a later one."""

    study_id: int
    latest: int
    results: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One optimisation and everything but its candidates.

    `spec` is the study's whole input as JSON data. `context` holds what a run found out and a resume relies on:
    conditions, fingerprints, example hashes, tables. `seconds` is itemised by stage. `revision` counts the writes that
    changed the study or anything of it; `owner` is the id of the API key that made it, if one did. `claims` grows
    whenever the right to write to it goes to another process, or to none. `tags`, sorted, and `note`
    are set by people. `guests`, by name, were pruned elsewhere.
    """

    id: int
    slug: str
    spec: Mapping[str, Any]  # Any: JSON data, parsed by the optimizer
    state: StudyState
    created_at: datetime
    updated_at: datetime
    revision: int = 0
    owner: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict)  # Any: JSON data
    seconds: Mapping[str, float] = field(default_factory=dict)
    baseline: tuple[Measurement, ...] = ()
    error: str | None = None
    claims: int = 0
    process: Owner | None = None  # the one that runs it, or ran it until it was killed
    tags: tuple[str, ...] = ()
    note: str = ""
    guests: tuple[Guest, ...] = ()

    @property
    def claim(self) -> Claim:
        """The claim of the process that runs the study now."""
        return Claim(self.id, self.claims)
