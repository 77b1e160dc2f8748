"""Gauges of this service, read from its tables when they are scraped: money in doubt, cases, reviews, waiting facts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import sqlalchemy as sa

from services.payment.adapters.exposure import Exposure, read_exposure
from shared.runtime.metric_names import (
    CASES_OPEN,
    DOUBT_MINOR,
    DOUBT_OLDEST_S,
    DOUBT_OPERATIONS,
    RISK_REVIEWS,
    RISK_REVIEWS_OLDEST_S,
    WAITING_FACTS,
    WAITING_FACTS_STUCK,
    Metric,
)
from shared.runtime.metrics import Samples, probe

_DOUBT: Final[dict[Metric, Callable[[Exposure], float]]] = {
    DOUBT_MINOR: lambda exposure: exposure.amount_minor,
    DOUBT_OPERATIONS: lambda exposure: exposure.operations,
    DOUBT_OLDEST_S: lambda exposure: exposure.oldest_s,
}
_QUERIES: Final[dict[Metric, str]] = {
    CASES_OPEN: "SELECT reason, count(*)::float8 FROM cases WHERE closed_at IS NULL GROUP BY reason",
    RISK_REVIEWS: "SELECT count(*)::float8 FROM operations WHERE risk = 'REVIEW'",
    RISK_REVIEWS_OLDEST_S: (
        "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - created_at)), 0)::float8"
        " FROM operations WHERE risk = 'REVIEW'"
    ),
    WAITING_FACTS: "SELECT count(*)::float8 FROM waiting_facts WHERE dismissed_at IS NULL",
    WAITING_FACTS_STUCK: (
        "SELECT count(*)::float8 FROM waiting_facts WHERE deadline_at < clock_timestamp() AND dismissed_at IS NULL"
    ),
}


def watch_payments(engine: sa.Engine) -> None:
    """Register the gauges; call once, where they are scraped."""
    for metric, query in _QUERIES.items():
        probe(metric, _reader(engine, query))
    for metric, figure in _DOUBT.items():
        probe(metric, doubt_reader(engine, figure))


def doubt_reader(engine: sa.Engine, figure: Callable[[Exposure], float]) -> Callable[[], Samples]:
    """One figure of the exposure, per processor and currency."""

    def read() -> Samples:
        with engine.connect() as connection:
            return {(each.processor, each.currency): figure(each) for each in read_exposure(connection)}

    return read


def _reader(engine: sa.Engine, query: str) -> Callable[[], Samples]:
    def read() -> Samples:
        with engine.connect() as connection:
            rows = connection.exec_driver_sql(query).all()
        return {tuple(str(part) for part in row[:-1]): float(row[-1]) for row in rows}

    return read
