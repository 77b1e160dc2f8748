"""Structured logs: one line per request or message, with ids, never with secrets, bodies or card numbers."""

from __future__ import annotations

import logging
import logging.config
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, Final

import orjson
import structlog

from shared.runtime.card_numbers import mask_card_numbers
from shared.runtime.log_lines import Lines
from shared.runtime.tracing import current_trace_id

REDACTED: Final = "[redacted]"
_NEVER_LOGGED: Final = frozenset(
    {
        "authorization", "api_key", "body", "card", "cookie", "headers", "idempotency_key", "key_value",
        "password", "payload", "pepper", "private_key", "secret", "signature", "token",
    }
)  # fmt: skip
_VALUE_CHARS_MAX: Final = 2_000
"""A log value longer than this is cut: a log is no place for documents."""
_TRACEBACK_CHARS_MAX: Final = 20_000

_EventDict = MutableMapping[str, Any]


def configure_logs(*, log_format: str = "json", level: str = "info", service: str = "") -> None:
    """Send structlog and the standard library's loggers through one chain to stderr.

    Our own lines of JSON take the short way: the standard library's records would cost as much again as the line.
    """
    chain: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _service_adder(service),
        add_trace_id,
        structlog.processors.format_exc_info,
        redact,
    ]
    renderer: Any = (
        _json if log_format == "json" else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=chain,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    # Nothing of ours shows the calling line, thread or process: the standard library looks them up for every record.
    logging._srcfile = None  # noqa: SLF001 - documented under "Optimization" in the logging how-to
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("uvicorn", "uvicorn.error", "uvicorn.access", "alembic", "httpx", "httpx2"):
        logger = logging.getLogger(chatty)
        logger.handlers[:] = []
        logger.propagate = True
        logger.setLevel(max(logging.WARNING, root.level))
    short = log_format == "json"
    structlog.configure(
        processors=[*chain, _json if short else structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=Lines if short else structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def logger(name: str) -> Any:
    """Return the structured logger of a module; bound lazily, so it may be made before ``configure_logs``."""
    return structlog.stdlib.get_logger(name)


@contextmanager
def log_context(**values: str | None) -> Iterator[None]:
    """Add event id, cause id or request id to every line that is logged inside."""
    with structlog.contextvars.bound_contextvars(**{k: v for k, v in values.items() if v is not None}):
        yield


def add_trace_id(_logger: object, _method: str, event: _EventDict) -> _EventDict:
    trace_id = current_trace_id()
    if trace_id is not None:
        event.setdefault("trace_id", trace_id)
    return event


def redact(_logger: object, _method: str, event: _EventDict) -> _EventDict:
    """Drop the values of secret-bearing names, and mask card numbers wherever they hide."""
    for name, value in event.items():
        if name in _NEVER_LOGGED:
            event[name] = REDACTED
        elif isinstance(value, str):
            limit = _TRACEBACK_CHARS_MAX if name == "exception" else _VALUE_CHARS_MAX
            event[name] = mask_card_numbers(value[:limit])
        elif isinstance(value, (dict, list, tuple, set, bytes)):
            event[name] = mask_card_numbers(_flattened(value)[:_VALUE_CHARS_MAX])
    return event


def _flattened(value: object) -> str:
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, Mapping):
        value = {k: REDACTED if str(k).lower() in _NEVER_LOGGED else v for k, v in value.items()}
    return repr(value)


def _service_adder(service: str) -> Any:
    def add(_logger: object, _method: str, event: _EventDict) -> _EventDict:
        if service:
            event["service"] = service
        return event

    return add


def _json(_logger: object, _method: str, event: _EventDict) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_SORT_KEYS).decode()
