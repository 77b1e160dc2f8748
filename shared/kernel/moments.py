"""Owns how a moment that somebody writes is read: with its offset, and in UTC from then on.

PostgreSQL takes no offset beyond 15:59 and Python none beyond a day; near the first and the last year a time that can
be written is none in UTC. Whoever keeps what was written finds out where nobody can be told any more.
"""

from datetime import UTC, datetime


def in_utc(moment: datetime) -> datetime:
    """The same moment in UTC. Raises ``ValueError`` without an offset, or where UTC has no such year."""
    if moment.tzinfo is None:
        raise ValueError("a time with its offset from UTC, such as 2026-11-24T00:00:00Z")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time beyond the years that there are") from None


def utc_moment(text: str) -> datetime:
    """The moment that an ISO 8601 text names. Raises ``ValueError`` for anything else."""
    return in_utc(datetime.fromisoformat(text))
