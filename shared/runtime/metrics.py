"""Counts what ``metric_names`` lists, in this process, and prints it for Prometheus; probes are asked at
scrape time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily

from shared.kernel.clock import SystemClock
from shared.runtime.logs import logger
from shared.runtime.metric_names import Kind, Metric

Samples = Mapping[tuple[str, ...], float]
"""Label values to figure; a metric without labels has the one key ``()``."""
CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"
PROBE_TTL_S: Final = 5.0
"""A probe reads a database: several scrapers in a row share one reading."""

_registry = CollectorRegistry()
_lock = threading.Lock()
_made: dict[str, Any] = {}
_probes: dict[str, Any] = {}
_children: dict[tuple[str, ...], Any] = {}
_log = logger(__name__)


def counter(metric: Metric, *labels: str, amount: float = 1) -> None:
    """Count; labels in the order of the metric's own list."""
    _child(metric, labels).inc(amount)


def gauge(metric: Metric, value: float, *labels: str) -> None:
    _child(metric, labels).set(value)


def histogram(metric: Metric, value: float, *labels: str) -> None:
    _child(metric, labels).observe(value)


def value_of(metric: Metric, *labels: str) -> float:
    """The present figure of a counter or gauge, for tests and the doctor."""
    wanted = dict(zip(metric.labels, labels, strict=True))
    # Only what carries that name is collected: the simulation asks after every turn.
    families = _registry.restricted_registry([metric.name]).collect()
    samples = (sample for family in families for sample in family.samples)
    return next((sample.value for sample in samples if sample.labels == wanted), 0.0)


def probe(metric: Metric, read: Callable[[], Samples]) -> None:
    """Have a gauge read when it is scraped; a failing read leaves the gauge out rather than stale.

    Whoever registers last is asked: a process has one service, and a test that builds several needs no other rule.
    """
    with _lock:
        before = _probes.pop(metric.name, None)
        if before is not None:
            _registry.unregister(before)
        _probes[metric.name] = _Probe(metric, read)
        _registry.register(_probes[metric.name])


def exposition() -> tuple[bytes, bytes]:
    return CONTENT_TYPE, generate_latest(_registry)


def _child(metric: Metric, labels: tuple[str, ...]) -> Any:
    key = (metric.name, *labels)
    child = _children.get(key)
    if child is None:
        with _lock:
            family = _made.get(metric.name) or _make(metric)
            child = family.labels(*labels) if metric.labels else family
            _children[key] = child
    return child


def _make(metric: Metric) -> Any:
    if metric.kind is Kind.COUNTER:
        made: Any = Counter(
            metric.name.removesuffix("_total"), metric.text, metric.labels, registry=_registry
        )
    elif metric.kind is Kind.GAUGE:
        made = Gauge(metric.name, metric.text, metric.labels, registry=_registry)
    else:
        made = Histogram(metric.name, metric.text, metric.labels, registry=_registry, buckets=metric.buckets)
    _made[metric.name] = made
    return made


class _Probe:
    """A collector that asks its function at most once per ``PROBE_TTL_S``."""

    def __init__(self, metric: Metric, read: Callable[[], Samples]) -> None:
        self._metric = metric
        self._read = read
        self._clock = SystemClock()
        self._samples: Samples = {}
        self._read_at_s: float | None = None

    def describe(self) -> list[GaugeMetricFamily]:
        return [self._family()]

    def collect(self) -> list[GaugeMetricFamily]:
        now_s = self._clock.monotonic_s()
        if self._read_at_s is None or now_s - self._read_at_s > PROBE_TTL_S:
            try:
                self._samples = self._read()
            except Exception as error:  # noqa: BLE001 - the scrape must answer even when a database does not
                _log.warning("probe_failed", metric=self._metric.name, error=str(error))
                self._samples = {}
            self._read_at_s = now_s
        family = self._family()
        for labels, figure in self._samples.items():
            family.add_metric(labels, figure)
        return [family]

    def _family(self) -> GaugeMetricFamily:
        return GaugeMetricFamily(self._metric.name, self._metric.text, labels=list(self._metric.labels))
