"""What relays and consumers tell, as metrics, and as a log line where people must look."""

from __future__ import annotations

from shared.messaging.observer import SilentRelayObserver
from shared.runtime import metric_names
from shared.runtime.logs import logger
from shared.runtime.metrics import counter, gauge

_log = logger(__name__)


class ConsumerMetrics:
    """Counts records by what became of them, and shows the age of what was applied last."""

    def __init__(self, consumer: str) -> None:
        self._consumer = consumer

    def applied(self, topic: str, event_type: str, *, ignored: bool, delay_s: float) -> None:  # noqa: ARG002
        self._count(topic, "ignored" if ignored else "applied")
        gauge(metric_names.CONSUMER_LAG_AGE_S, delay_s, self._consumer, topic)

    def duplicate(self, topic: str) -> None:
        self._count(topic, "duplicate")

    def quarantined(self, topic: str, key: str, event_id: str, reason: str) -> None:
        self._count(topic, "quarantined")
        _log.error("record_quarantined", topic=topic, key=key, event_id=event_id, reason=reason)

    def parked(self, topic: str, key: str, event_id: str, reason: str, detail: str) -> None:
        self._count(topic, "parked")
        _log.warning("key_parked", topic=topic, key=key, event_id=event_id, reason=reason, detail=detail)

    def unparked(self, topic: str, key: str) -> None:
        _log.info("key_unparked", topic=topic, key=key)

    def batch(self, records: int, duration_s: float) -> None:
        _log.debug("batch_applied", records=records, duration_s=round(duration_s, 4))

    def disturbed(self, reason: str) -> None:
        _log.warning("consumer_disturbed", reason=reason)

    def lag(self, topic: str, records: int) -> None:
        gauge(metric_names.CONSUMER_LAG_RECORDS, records, self._consumer, topic)
        if records == 0:  # nothing waits, however old the last record is
            gauge(metric_names.CONSUMER_LAG_AGE_S, 0, self._consumer, topic)

    def _count(self, topic: str, outcome: str) -> None:
        counter(metric_names.CONSUMED, self._consumer, topic, outcome)


class RelayMetrics(SilentRelayObserver):
    """Counts what the broker acknowledged."""

    def __init__(self, service: str) -> None:
        self._service = service

    def published(self, rows: int) -> None:
        counter(metric_names.RELAY_SENT, self._service, amount=rows)

    def disturbed(self, reason: str) -> None:
        _log.warning("relay_disturbed", reason=reason)
