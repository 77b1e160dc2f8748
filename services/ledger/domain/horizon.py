"""Up to which journal position nothing can appear any more, however slowly somebody commits.

Positions are handed out before COMMIT, so a gap may be a transaction that is still at work, or one that was rolled
back. Whoever has drawn a position is known as a writer until its end. So a position is settled once every writer
that was at work when it was the last one drawn has ended: what is not visible then never will be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet


class Observation(NamedTuple):
    """What was seen, in this order: which server, the last position drawn, and who is at work *after* that."""

    server: str
    drawn: int
    writers: AbstractSet[str]


class Horizon:
    """What one sealer knows; never more than it has seen, and nothing of another server."""

    def __init__(self) -> None:
        self._server = ""
        self._settled = 0
        self._awaited: Observation | None = None

    def observe(self, seen: Observation) -> int:
        """Take in what was seen; return the position up to which everything has been decided before that."""
        if seen.server != self._server or seen.drawn < self._settled:
            # Another server, or one restored from a backup, hands out positions again.
            self._server, self._settled, self._awaited = seen.server, 0, None
        awaited = self._awaited or seen
        left = awaited.writers & seen.writers
        if left:
            self._awaited = awaited._replace(writers=left)
        else:
            # With nobody at work at all, what was drawn since is decided as well.
            self._settled = awaited.drawn if seen.writers else seen.drawn
            self._awaited = seen if seen.writers else None
        return self._settled
