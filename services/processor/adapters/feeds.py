"""Event feeds in PostgreSQL: leased cursors, checkpoints to step back to, and the facts already published."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from services.processor.app.ports import FeedReject, FeedTurn
from services.processor.domain.fact import Fact

OVERLAP_EVERY_S: Final = 300.0
"""A feed that is read every few seconds need not step back an hour each time."""

_ENSURE: Final = """
INSERT INTO feeds (processor, account, next_at, lease_epoch) VALUES (%(processor)s, %(account)s, %(now)s, 0)
ON CONFLICT (processor, account) DO NOTHING
"""
# An overlap is as long before the last reading as it says: of what was listed late then, also an outage later nobody
# else tells. A round that steps back and does not come to the end goes on where it stopped, and steps back no further:
# a feed longer than a round would be begun anew for ever, and one that broke off would leave out what was before it.
_TAKE: Final = """
UPDATE feeds AS f
   SET lease_owner = %(owner)s, lease_epoch = f.lease_epoch + 1, next_at = %(lease_until)s,
       overlapped_at = CASE WHEN due.overlaps THEN %(now)s ELSE f.overlapped_at END,
       cursor = CASE WHEN due.overlaps THEN (
                       SELECT c.cursor FROM feed_checkpoints AS c
                        WHERE c.processor = f.processor AND c.account = f.account
                          AND c.reached_at <= f.read_to_end_at - make_interval(secs => %(overlap_s)s)
                        ORDER BY c.reached_at DESC LIMIT 1)
                     ELSE f.cursor END
  FROM (SELECT processor, account,
               overlapped_at IS NULL
               OR (overlapped_at <= %(overlap_due)s AND coalesce(read_to_end_at >= overlapped_at, false)) AS overlaps
          FROM feeds
         WHERE processor = %(processor)s AND account = %(account)s AND next_at <= %(now)s
           FOR UPDATE SKIP LOCKED) AS due
 WHERE f.processor = due.processor AND f.account = due.account
RETURNING f.lease_epoch, f.cursor
"""
_ADVANCE: Final = """
WITH moved AS (
  UPDATE feeds
     SET cursor = coalesce(%(cursor)s, cursor), next_at = %(next_at)s,
         lease_owner = CASE WHEN %(ended)s THEN NULL ELSE lease_owner END,
         read_to_end_at = CASE WHEN %(ended)s THEN %(now)s ELSE read_to_end_at END
   WHERE processor = %(processor)s AND account = %(account)s AND lease_epoch = %(epoch)s
  RETURNING 1
), marked AS (
  INSERT INTO feed_checkpoints (processor, account, reached_at, cursor)
  SELECT %(processor)s, %(account)s, %(now)s, %(cursor)s FROM moved WHERE %(ended)s AND %(cursor)s::text IS NOT NULL
  ON CONFLICT DO NOTHING
), pruned AS (
  DELETE FROM feed_checkpoints
   WHERE processor = %(processor)s AND account = %(account)s
     AND reached_at < (SELECT max(o.reached_at) FROM feed_checkpoints AS o
                        WHERE o.processor = %(processor)s AND o.account = %(account)s AND o.reached_at < %(keep_from)s)
)
SELECT count(*) FROM moved
"""
_LEAVE: Final = """
UPDATE feeds SET next_at = %(next_at)s, lease_owner = NULL
 WHERE processor = %(processor)s AND account = %(account)s AND lease_epoch = %(epoch)s
"""
_CLAIM: Final = """
INSERT INTO feed_words (fact_key, digest, observed_at)
SELECT key, digest, %(now)s FROM unnest(%(keys)s::text[], %(digests)s::text[]) AS f(key, digest) ORDER BY key, digest
ON CONFLICT (fact_key, digest) DO NOTHING RETURNING fact_key, digest
"""
_REJECT: Final = """
INSERT INTO feed_rejects (processor, account, processor_event_id, reason, seen_at)
SELECT %(processor)s, %(account)s, id, reason, %(now)s
  FROM unnest(%(ids)s::text[], %(reasons)s::text[]) AS r(id, reason)
ON CONFLICT (processor, account, processor_event_id) DO NOTHING RETURNING processor_event_id
"""
CHECKPOINTS_KEPT: Final = timedelta(days=2)
"""And the newest one before: after an outage that was longer, the next round need not begin at the feed's start."""


class PostgresFeeds:
    """The ``Feeds`` of one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def take(
        self, processor: str, account: str, *, owner: str, lease_s: float, overlap_s: float
    ) -> FeedTurn | None:
        """Take the feed if it is due and free; a lease that ended makes it free."""
        parameters = {
            "processor": processor,
            "account": account,
            "owner": owner,
            "now": self._now,
            "lease_until": self._now + timedelta(seconds=lease_s),
            "overlap_due": self._now - timedelta(seconds=OVERLAP_EVERY_S),
            "overlap_s": overlap_s,
        }
        self._connection.exec_driver_sql(_ENSURE, parameters)
        row = self._connection.exec_driver_sql(_TAKE, parameters).one_or_none()
        if row is None:
            return None
        return FeedTurn(processor=processor, account=account, epoch=row[0], cursor=row[1])

    def advance(
        self, turn: FeedTurn, cursor: str | None, *, next_at: datetime | None, lease_s: float
    ) -> bool:
        """Store the cursor; ``next_at`` ends the round, otherwise the lease is prolonged for the next page."""
        moved = self._connection.exec_driver_sql(
            _ADVANCE,
            {
                "processor": turn.processor,
                "account": turn.account,
                "epoch": turn.epoch,
                "cursor": cursor,
                "ended": next_at is not None,
                "next_at": next_at or self._now + timedelta(seconds=lease_s),
                "now": self._now,
                "keep_from": self._now - CHECKPOINTS_KEPT,
            },
        ).scalar_one()
        return bool(moved)

    def leave(self, turn: FeedTurn, *, next_at: datetime) -> bool:
        """The cursor stays where the last whole page left it, and the feed as old as it was when it was read last."""
        left = self._connection.exec_driver_sql(
            _LEAVE,
            {
                "processor": turn.processor,
                "account": turn.account,
                "epoch": turn.epoch,
                "next_at": next_at,
            },
        )
        return left.rowcount == 1

    def first_seen(self, facts: Sequence[Fact]) -> list[Fact]:
        """Claim what the facts say for ever; return those that were new, in the feed's order.

        A key that comes with another content is new: only `payment` can tell a contradiction, and it must hear of it.
        """
        told = {(fact.fact_key, fact.digest): fact for fact in facts}
        if not told:
            return []
        keys, digests = zip(*told, strict=True)
        claimed = self._connection.exec_driver_sql(
            _CLAIM, {"keys": list(keys), "digests": list(digests), "now": self._now}
        )
        new = {(key, digest) for key, digest in claimed}
        return [fact for claim, fact in told.items() if claim in new]

    def reject(self, turn: FeedTurn, rejects: Sequence[FeedReject]) -> list[FeedReject]:
        """Keep what could not be read, once per event id; return those that were new, in the feed's order."""
        if not rejects:
            return []
        unique = {reject.event_id: reject for reject in rejects}
        kept = self._connection.exec_driver_sql(
            _REJECT,
            {
                "processor": turn.processor,
                "account": turn.account,
                "ids": list(unique),
                "reasons": [reject.reason for reject in unique.values()],
                "now": self._now,
            },
        )
        new = {event_id for (event_id,) in kept}
        return [reject for event_id, reject in unique.items() if event_id in new]
