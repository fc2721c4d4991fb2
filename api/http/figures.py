"""The queue's figures in Prometheus' form, read when they are asked for; all servers of a database answer the same."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import GaugeHistogramMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from studies.rules import utc_now
from studies.sql.figures import AGES_S, Figures, figures
from studies.sql.service import SqlService


class QueueFigures(Collector):
    """Collects the figures of a service's queue."""

    def __init__(self, service: SqlService) -> None:
        self._service = service

    def describe(self) -> Iterator[Metric]:
        """Name nothing beforehand: the database may not answer yet."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Read them. Raises `StoreError`."""
        found = figures(self._service.database, now=utc_now())
        yield _gauge("jobs_waiting", "Jobs that wait for a worker", found.waiting)
        yield _gauge("jobs_running", "Jobs that workers have", found.running)
        yield _ages(found)
        yield _gauge("candidates_per_minute", "Candidates finished in the last minute", found.candidates_in_a_minute)
        yield _gauge(
            "leases_lost_per_hour", "Jobs that silent workers lost in the last hour", found.leases_lost_in_an_hour
        )
        yield _gauge("workers", "Workers that reported in the last minutes", len(self._service.workers.all()))
        yield _gauge("events_latest", "Sequence of the latest event", self._service.events.latest())


def _gauge(name: str, what: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"optimizer_{name}", what, value=value)


def _ages(found: Figures) -> GaugeHistogramMetricFamily:
    buckets = [(str(age), float(count)) for age, count in zip(AGES_S, found.ages, strict=True)]
    everything = ("+Inf", float(found.waiting))
    return GaugeHistogramMetricFamily(
        "optimizer_queue_age_seconds",
        "How long the waiting jobs have waited",
        buckets=[*buckets, everything],
        gsum_value=found.age_sum_s,
    )
