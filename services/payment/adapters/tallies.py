"""Counts what a transaction has made certain: collected while it is written, told once it is committed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from services.payment.domain import dispute_events, events
from services.payment.domain.changes import Changes
from services.payment.domain.status import Status
from shared.runtime.metric_names import (
    DISPUTES,
    OPERATIONS_UNCERTAIN,
    PAYMENTS_DECIDED,
    REFUNDS,
    STRAYS,
    WEBHOOK_APPLY_SECONDS,
    Metric,
)
from shared.runtime.metrics import counter, histogram

Tally = tuple[Metric, tuple[str, ...]]

#: What an announced fact counts as. Every one of these is announced once per fact, whoever told it how often.
_ANNOUNCED: Final[Mapping[type, Callable[[Any], Tally | None]]] = {
    events.OperationUncertain: lambda said: (OPERATIONS_UNCERTAIN, (said.operation_type,)),
    events.StrayFound: lambda said: (STRAYS, (said.kind,)),
    events.RefundStrayFound: lambda _: (STRAYS, ("refund",)),
    events.RefundSucceeded: lambda _: (REFUNDS, ("succeeded",)),
    events.RefundAdopted: lambda _: (REFUNDS, ("succeeded",)),
    events.RefundFailed: lambda _: (REFUNDS, ("failed",)),
    dispute_events.DisputeOpened: lambda said: (DISPUTES, ()) if said.stage == "dispute" else None,
}
#: The first decision: there is no way back to before these, so no payment takes such a step twice.
_DECIDED: Final[Mapping[str, str]] = {Status.AUTHORIZED: "succeeded", Status.FAILED: "failed"}


class Tallies:
    """The tallies of one transaction."""

    def __init__(self) -> None:
        self._counts: Counter[Tally] = Counter()
        self._webhooks: list[tuple[str, float]] = []

    def take(self, changes: Changes) -> None:
        """Note what a payment is about to announce."""
        for event, _ in changes.announcements:
            read = _ANNOUNCED.get(type(event))
            tally = read(event) if read is not None else None
            if tally is not None:
                self._counts[tally] += 1
        for status in changes.status_path:
            if status in _DECIDED:
                self._counts[PAYMENTS_DECIDED, (_DECIDED[status],)] += 1

    def webhook_applied(self, source: str, delay_s: float) -> None:
        """Note how long a delivery took from our door to its effect."""
        self._webhooks.append((source, max(delay_s, 0.0)))

    def count(self) -> None:
        """Tell the process's metrics; after the commit."""
        for (metric, labels), times in self._counts.items():
            counter(metric, *labels, amount=times)
        for source, delay_s in self._webhooks:
            histogram(WEBHOOK_APPLY_SECONDS, delay_s, source)
        self._counts.clear()
        self._webhooks.clear()
