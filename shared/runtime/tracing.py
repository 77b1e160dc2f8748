"""W3C trace context: taken from HTTP or a message's header into the OpenTelemetry context, and read back
from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from shared.kernel.entropy import entropy

_TRACEPARENT: Final = re.compile(r"^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$")
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)


def parse_traceparent(text: str | None) -> SpanContext | None:
    """Read a ``traceparent``; anything malformed counts as absent, as the W3C text asks."""
    match = _TRACEPARENT.match(text) if text is not None else None
    if match is None:
        return None
    found = SpanContext(
        trace_id=int(match[1], 16),
        span_id=int(match[2], 16),
        is_remote=True,
        trace_flags=TraceFlags(int(match[3], 16)),
    )
    return found if found.is_valid else None


@contextmanager
def continued_trace(traceparent: str | None) -> Iterator[None]:
    """Work inside the caller's trace, as a new span of it; without one a new trace begins."""
    token = attach_trace(traceparent)
    try:
        yield
    finally:
        detach_trace(token)


def attach_trace(traceparent: str | None) -> object:
    """Make a child of ``traceparent`` (or a new trace) the current span; returns what ``detach_trace``
    needs.
    """
    parent = parse_traceparent(traceparent)
    span_context = SpanContext(
        trace_id=parent.trace_id if parent is not None else _new_id(16),
        span_id=_new_id(8),
        is_remote=False,
        trace_flags=parent.trace_flags if parent is not None else _SAMPLED,
    )
    return otel_context.attach(trace.set_span_in_context(NonRecordingSpan(span_context)))


def detach_trace(token: object) -> None:
    otel_context.detach(token)  # type: ignore[arg-type]


def current_traceparent() -> str | None:
    """The current span as a ``traceparent``, for outgoing calls and messages; None outside of a trace."""
    current = trace.get_current_span().get_span_context()
    if not current.is_valid:
        return None
    return f"00-{current.trace_id:032x}-{current.span_id:016x}-{current.trace_flags:02x}"


def current_trace_id() -> str | None:
    current = trace.get_current_span().get_span_context()
    return f"{current.trace_id:032x}" if current.is_valid else None


def _new_id(octets: int) -> int:
    return int.from_bytes(entropy(octets), "big") or 1
