"""What a call to a processor came to: five results, and the table that maps HTTP to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from services.processor.domain.fact import Fact


class Result(StrEnum):
    """What is known after one call. ``UNKNOWN`` is the default of everything that is not proven."""

    DONE = "done"
    DECLINED = "declined"
    ACCEPTED = "accepted"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


class Doubt(StrEnum):
    """Why an outcome is unknown though no call failed."""

    WORKER_LOST = "worker_lost"
    PENDING_TOO_LONG = "pending_too_long"
    ACCEPTED_NOT_FOUND = "accepted_not_found"


class Failure(StrEnum):
    """How a call can fail below HTTP."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "tls"
    POOL = "pool"
    LATE = "late"
    WRITE = "write"
    READ = "read"
    TIMEOUT = "timeout"
    PROTOCOL = "protocol"
    TOO_LARGE = "too_large"
    SHAPE = "shape"


FAILURES: Final[Mapping[Failure, Result]] = {
    # Nothing of the request can have left: the connection was never there.
    Failure.RESOLVE: Result.NOT_SENT,
    Failure.CONNECT: Result.NOT_SENT,
    Failure.TLS: Result.NOT_SENT,
    Failure.POOL: Result.NOT_SENT,
    Failure.LATE: Result.NOT_SENT,
    # A write that failed half-way may have delivered the whole request.
    Failure.WRITE: Result.UNKNOWN,
    Failure.READ: Result.UNKNOWN,
    Failure.TIMEOUT: Result.UNKNOWN,
    Failure.PROTOCOL: Result.UNKNOWN,
    Failure.TOO_LARGE: Result.UNKNOWN,
    Failure.SHAPE: Result.UNKNOWN,
}

FINAL: Final[Mapping[tuple[str, str], Result]] = {
    ("authorize", "authorized"): Result.DONE,
    ("authorize", "voided"): Result.DONE,
    ("authorize", "expired"): Result.DONE,
    ("authorize", "declined"): Result.DECLINED,
    ("authorize", "pending"): Result.ACCEPTED,
    ("capture", "succeeded"): Result.DONE,
    ("capture", "declined"): Result.DECLINED,
    # What failed later was done: it is another word for the money, not for the call.
    ("capture", "failed"): Result.DONE,
    ("capture", "pending"): Result.ACCEPTED,
    ("cancel", "voided"): Result.DONE,
    ("cancel", "expired"): Result.DONE,
    ("refund", "succeeded"): Result.DONE,
    ("refund", "declined"): Result.DECLINED,
    ("refund", "failed"): Result.DECLINED,
    ("refund", "pending"): Result.ACCEPTED,
    # The object shows that the answer was taken; how the dispute ends is another fact.
    ("dispute_evidence", "inquiry"): Result.DONE,
    ("dispute_evidence", "under_review"): Result.DONE,
    ("dispute_evidence", "accepted"): Result.DONE,
    ("dispute_evidence", "won"): Result.DONE,
    ("dispute_evidence", "lost"): Result.DONE,
    ("dispute_accept", "accepted"): Result.DONE,
    ("dispute_accept", "lost"): Result.DONE,
}
"""What an object's status says about the operation that asked for it; a pair not listed says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The outcome of one send."""

    result: Result
    facts: tuple[Fact, ...] = ()
    decline_code: str | None = None
    error_code: str | None = None
    message: str | None = None
    retry_after_s: float | None = None
    body_sha256: str | None = None
    healthy: bool = True
    """Whether the processor itself answered in order: what the circuit breaker counts."""
    throttled: bool = False
    """Whether it asked for fewer calls: an orderly answer on which nothing may grow."""


class Found(StrEnum):
    """What a look-up by our reference saw."""

    FOUND = "found"
    NOT_FOUND = "not_found"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp:
    """The outcome of one look-up."""

    found: Found
    result: Result = Result.UNKNOWN
    facts: tuple[Fact, ...] = ()
    error_code: str | None = None
    retry_after_s: float | None = None
    healthy: bool = True
    throttled: bool = False


OBJECT_OF: Final[Mapping[str, str]] = {
    "authorize": "authorization",
    "cancel": "authorization",
    "dispute_evidence": "dispute",
    "dispute_accept": "dispute",
}
"""The type of object that decides an operation, where it is not the operation's own name."""


def result_of(kind: str, facts: tuple[Fact, ...], *, sale: bool = False) -> Result:
    """Return what the facts of one operation's objects say about it; nothing proven is ``UNKNOWN``."""
    wanted = OBJECT_OF.get(kind, kind)
    results = {FINAL.get((kind, fact.status)) for fact in facts if fact.object_type == wanted}
    result = _strongest(results)
    if sale and result is Result.DONE:
        # A sale is decided by its capture: an authorization without one has moved no money yet.
        captures = {FINAL.get(("capture", fact.status)) for fact in facts if fact.object_type == "capture"}
        captured = _strongest(captures)
        return Result.ACCEPTED if captured is Result.UNKNOWN else captured
    return result


def _strongest(results: set[Result | None]) -> Result:
    for result in (Result.DONE, Result.ACCEPTED, Result.DECLINED):
        if result in results:
            return result
    return Result.UNKNOWN
