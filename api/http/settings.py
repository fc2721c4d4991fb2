"""Settings of a server: where it stores, what it may access, and its limits."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from optimizer.logs import LogFormat
from studies.limits import OF_A_SERVICE, Limits

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


class Settings(BaseModel):
    """Everything an operator decides. Sizes in bytes, times in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    storage: str
    limits: Limits = OF_A_SERVICE
    cache_dir: Path
    artifacts: Path = Field(description="exported models and reports; nothing outside of it is ever served")
    roots: tuple[Path, ...] = Field((), description="local models and data must be below one of these; none: no paths")
    hub_allow: tuple[str, ...] = Field((), description="hub ids and owners that may be named; none: all")
    hosts: tuple[str, ...] = Field(LOOPBACK, description="values of Host that are answered")
    workers: int = Field(1, ge=0, description="worker processes that the server starts itself")
    studies_per_key: int = Field(2, ge=1, description="studies of one key that run at once")
    max_body_bytes: int = 256 * 1024
    max_file_bytes: int = Field(default=8 * 1024 * 1024, description="of a body with a file of texts or of labels")
    body_timeout_s: float = Field(default=30.0, gt=0, description="for a body that is sent slowly")
    requests_per_minute: int = Field(default=1200, ge=1, description="of one address")
    event_retention_s: float = 30 * 24 * 3600.0
    export_retention_s: float = Field(default=30 * 24 * 3600.0, gt=0, description="for exported models")
    lease_s: float = 30.0
    log_format: LogFormat = LogFormat.TEXT
    otel: bool = Field(default=False, description="the workers that the server starts are traced")
