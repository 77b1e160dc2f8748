"""Owns the sandbox's transactions: every call is one statement, applied whole or not at all."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
import psycopg

from services.sandbox.adapters import rows, tables
from services.sandbox.adapters.connections import Connections
from services.sandbox.app.ports import (
    Change,
    DueTimer,
    DueWebhook,
    FeedPage,
    KeyTakenError,
    OutdatedError,
    Released,
)
from services.sandbox.domain.faults import COPIES_MAX, EXTRAS, Imitation, WebhookPlan
from services.sandbox.domain.idempotency import KEY_LIFE, StoredReply
from services.sandbox.domain.objects import ProcessorObject, TimerAction

KEY_CONSTRAINT: Final = "alpha_keys_pkey"
LOOK_UP_LIMIT: Final = 100
FEED_START: Final = "0-0"
_OBJECT_WIDTH: Final = tables.OBJECT_COLUMNS.count(",") + 1


class SandboxStore:
    """One processor's objects, keys, book, events and timers, and what may be read of them."""

    def __init__(self, connections: Connections, processor: str = "alpha") -> None:
        self._connections = connections
        self._processor = processor

    async def load(
        self, object_id: str, key: str | None = None
    ) -> tuple[ProcessorObject | None, StoredReply | None]:
        """Return the object and the reply stored under ``key``, in one round trip."""
        found = await self._fetch(tables.LOAD, {"id": object_id, "key": key})
        row = found[0]
        item = rows.to_object(row[:_OBJECT_WIDTH]) if row[0] is not None else None
        stored = row[_OBJECT_WIDTH:]
        return item, _reply(stored) if stored[0] is not None else None

    async def stored_reply(self, key: str) -> StoredReply | None:
        found = await self._fetch(tables.KEY, {"key": key})
        return _reply(found[0]) if found else None

    async def strike(self, key: str, now: datetime) -> bool:
        """Record that the fault of ``key`` strikes; false if it has struck before."""
        return bool(await self._fetch(tables.STRIKE, {"key": key, "now": now}))

    async def write(self, change: Change) -> None:
        """Write all of it or nothing; raises ``KeyTakenError`` or ``OutdatedError``."""
        try:
            await self._fetch(tables.WRITE, _parameters(change))
        except psycopg.errors.UniqueViolation as error:
            if error.diag.constraint_name == KEY_CONSTRAINT:
                raise KeyTakenError from error
            raise OutdatedError from error
        except psycopg.errors.DeadlockDetected as error:
            raise OutdatedError from error

    async def forget_key(self, key: str, now: datetime) -> None:
        await self._fetch(tables.FORGET_KEY, {"key": key, "now": now})

    async def prune(self, now: datetime) -> None:
        """Remove keys and strikes whose life is over."""
        await self._fetch(tables.PRUNE, {"now": now, "struck_before": now - KEY_LIFE})

    async def due_timers(self, now: datetime, limit: int) -> list[DueTimer]:
        found = await self._fetch(tables.DUE_TIMERS, {"now": now, "limit": limit})
        return [DueTimer(id=row[0], action=TimerAction(row[1]), object_id=row[2]) for row in found]

    async def drop_timer(self, timer_id: int) -> None:
        await self._fetch(tables.DROP_TIMER, {"id": timer_id})

    async def show_event(self, event_id: str, timer_id: int, now: datetime) -> None:
        """Let an event that was kept back take its place in the feed; the timer is done with it."""
        await self._fetch(tables.SHOW_EVENT, {"event_id": event_id, "timer_id": timer_id, "now": now})

    async def release(self, payment: str, now: datetime, *, sends_webhooks: bool) -> Released:
        """Let come what was kept back about a payment."""
        parameters = {"payment": payment, "now": now, "sends_webhooks": sends_webhooks}
        (found,) = await self._fetch(tables.RELEASE, parameters)
        return Released(*found)

    async def look_up(self, reference: str, *, now: datetime, visibility: timedelta) -> list[ProcessorObject]:
        """Return the objects under a caller's reference, as far as they are visible yet."""
        parameters = {
            "reference": reference,
            "visible_before": now - visibility,
            "now": now,
            "limit": LOOK_UP_LIMIT,
        }
        return [rows.to_object(row) for row in await self._fetch(tables.LOOK_UP, parameters)]

    async def seen(self, object_id: str, *, now: datetime) -> ProcessorObject | None:
        """Return the object as look-ups show it now, which may be as it was before the last call."""
        found = await self._fetch(tables.SEEN, {"id": object_id, "now": now})
        return rows.to_object(found[0]) if found else None

    async def feed(self, after: str | None, limit: int) -> FeedPage:
        """Return the events after a cursor; the cursor raises ``ValueError`` if it is none of ours."""
        written_by, position = (int(part) for part in (after or FEED_START).split("-"))
        found = await self._fetch(
            tables.FEED, {"written_by": str(written_by), "position": position, "limit": limit + 1}
        )
        page = found[:limit]
        return FeedPage(
            bodies=tuple(bytes(row[2]) for row in page),
            next_cursor=f"{page[-1][0]}-{page[-1][1]}" if page else after,
            has_more=len(found) > limit,
        )

    async def claim_due(self, now: datetime, leased_until: datetime, limit: int) -> list[DueWebhook]:
        parameters = {"now": now, "leased_until": leased_until, "limit": limit}
        return _webhooks(await self._fetch(tables.CLAIM_DUE, parameters))

    async def claim_events(self, event_ids: Sequence[str], leased_until: datetime) -> list[DueWebhook]:
        parameters = {
            "event_ids": list(event_ids),
            "leased_until": leased_until,
            "limit": len(event_ids) * COPIES_MAX,
        }
        return _webhooks(await self._fetch(tables.CLAIM_EVENTS, parameters))

    async def record(
        self,
        *,
        sent: Sequence[int],
        retry: Sequence[tuple[int, datetime]],
        given_up: Sequence[int],
        now: datetime,
    ) -> None:
        """Record how a batch of deliveries went."""
        await self._fetch(
            tables.RECORD,
            {
                "sent": list(sent),
                "given_up": list(given_up),
                "retry": [webhook_id for webhook_id, _ in retry],
                "retry_at": [due_at for _, due_at in retry],
                "now": now,
            },
        )

    async def _fetch(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        return await self._connections.fetch(tables.named(statement, self._processor), parameters)


def _parameters(change: Change) -> dict[str, Any]:
    keyed = change.keyed
    movements = [rows.movement_row(movement, change.now) for movement in change.effect.movements]
    return {
        "key": keyed.key if keyed else None,
        "fingerprint": keyed.reply.fingerprint if keyed else None,
        "status": keyed.reply.status if keyed else None,
        "body": keyed.reply.body if keyed else None,
        "expires_at": keyed.reply.expires_at if keyed else None,
        "hidden_until": change.hidden_until,
        "before_until": change.before_until,
        "objects": _json([rows.object_row(item) for item in change.effect.objects]),
        "movements": _json(movements),
        "events": _json(rows.event_rows(change)),
        "webhooks": _json(rows.webhook_rows(change)),
        "timers": _json(rows.timer_rows(change)),
        "finished_timer": change.finished_timer,
    }


def _json(found: list[dict[str, Any]]) -> str:
    return orjson.dumps(found).decode()


def _reply(row: Sequence[Any]) -> StoredReply:
    fingerprint, status, body, expires_at = row
    return StoredReply(fingerprint=bytes(fingerprint), status=status, body=bytes(body), expires_at=expires_at)


def _webhooks(found: Sequence[Sequence[Any]]) -> list[DueWebhook]:
    return [
        DueWebhook(
            id=row[0],
            event_id=row[1],
            body=bytes(row[2]),
            attempts=row[3],
            imitation=_imitation(row[1], row[4]),
        )
        for row in found
    ]


def _imitation(event_id: str, stored: str | None) -> Imitation | None:
    """Whose delivery it is: what has no signature is an event of its own, known by its name."""
    if event_id.endswith(f":{EXTRAS[WebhookPlan.UNSIGNED]}"):
        return Imitation.UNSIGNED
    return Imitation(stored) if stored else None
