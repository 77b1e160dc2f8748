"""The booking lag: how old a payment's event was when its journal was committed."""

from __future__ import annotations

from shared.runtime import metric_names
from shared.runtime.loop_metrics import ConsumerMetrics
from shared.runtime.metrics import gauge


class BookingMetrics(ConsumerMetrics):
    """A consumer's metrics, and the lag between payment and books."""

    def applied(self, topic: str, event_type: str, *, ignored: bool, delay_s: float) -> None:
        super().applied(topic, event_type, ignored=ignored, delay_s=delay_s)
        if not ignored:
            gauge(metric_names.BOOKING_LAG_S, delay_s)
