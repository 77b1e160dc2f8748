"""What verification found: the first bad row, by a code and a place."""

from __future__ import annotations

from dataclasses import dataclass

from services.ledger.domain.heads import Head


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The first bad row. ``what`` is a code; ``journal`` is an id where a row still says one.

    Of a note (``note`` says its kind and key) ``position`` is its place in the chain of notes.
    """

    what: str
    shard: int
    position: int | None
    journal_position: int | None
    journal: str | None
    detail: str
    note: str | None = None


def at_head(what: str, head: Head, detail: str) -> Finding:
    """A finding that a head is the place of."""
    return Finding(
        what=what, shard=head.shard, position=head.position, journal_position=None, journal=head.journal_id,
        detail=detail,
    )  # fmt: skip
