"""Owns the reading of beta's list of changes: in the order they were written, and only those old enough to show."""

from datetime import datetime
from typing import Final

from services.sandbox.adapters.connections import Connections
from services.sandbox.app.ports import FeedPage

# A page ends before the first change that is too young to show, so that none is ever skipped. Without a cursor it
# begins at the first place of any change of the caller's time, with one right behind it. The earliest of them need not
# have the first place: its time is read before its transaction has a number, and another may overtake it there.
LIST: Final = """
WITH start AS (
    SELECT written_by, position FROM beta_events WHERE created_at >= %(since)s::timestamptz AND in_feed
    ORDER BY written_by, position LIMIT 1
)
SELECT written_by::text, position, convert_to(body, 'UTF8'), created_at <= %(visible_before)s FROM beta_events
WHERE (written_by, position) > (
    coalesce(%(written_by)s::text::xid8, (SELECT written_by FROM start)),
    coalesce(%(position)s::bigint, (SELECT position - 1 FROM start))) AND in_feed
  AND written_by < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY beta_events.written_by, beta_events.position LIMIT %(limit)s
"""


class DelayedList:
    """The changes that beta shows, some time after they happened."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def page(
        self, *, since: datetime, after: str | None, visible_before: datetime, limit: int
    ) -> FeedPage:
        """Return the page behind ``after``, or from ``since`` on."""
        written_by, _, position = (after or "").partition("-")
        found = await self._connections.fetch(
            LIST,
            {
                "since": since,
                "written_by": written_by or None,
                "position": int(position) if position else None,
                "visible_before": visible_before,
                "limit": limit + 1,
            },
        )
        visible = []
        for row in found:
            if not row[3]:
                break
            visible.append(row)
        page = visible[:limit]
        return FeedPage(
            bodies=tuple(bytes(row[2]) for row in page),
            next_cursor=f"{page[-1][0]}-{page[-1][1]}" if page else after,
            has_more=len(visible) > limit,
        )
