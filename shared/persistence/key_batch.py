"""The idempotency keys of requests that share a transaction: asked about in one statement, written in one.

A request that comes alone inserts its key's row first, and waits there for whoever has the same key. In company
nobody may wait for a stranger, and a row that is inserted and then finished is the dearest part of a request: so the
transaction asks which of its keys are taken, executes for the others, and inserts their rows with the replies in them.
The unique row decides as ever: where somebody was faster, less is inserted than was brought, and all of it is undone.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from shared.persistence.arrays import (
    bytes_array,
    integer_array,
    optional_bytes_array,
    optional_text_array,
    text_array,
)
from shared.persistence.idempotency import KEY_LIFE_DAYS, Claim, Claimed, StoredReply, claim_values
from shared.persistence.statements import execute_later
from shared.persistence.wire_statements import Answer

TAKEN: Final = "SELECT scope FROM idempotency_keys WHERE scope = ANY (%(scopes)s::text[])"
_INSERT: Final = """
    INSERT INTO idempotency_keys (scope, owner_id, mode, key_digest, fingerprint, field_digests, endpoint,
                                  state, lease_owner, lease_until, resource_id, request_id, status, headers,
                                  body, created_at, finished_at, expires_at)
    SELECT k.scope, k.owner_id, k.mode, k.key_digest, k.fingerprint, k.fields::jsonb, k.endpoint,
           k.state, k.owner, CASE WHEN k.owner IS NOT NULL THEN now.at + make_interval(secs => k.lease_ms / 1000.0) END,
           k.resource_id, k.request_id, k.status, k.headers::jsonb,
           k.body, now.at, CASE WHEN k.status IS NOT NULL THEN now.at END, now.at + make_interval(days => %(life_days)s)
      FROM unnest(%(scope)s::text[], %(owner_id)s::text[], %(mode)s::text[], %(key_digest)s::text[],
                  %(fingerprint)s::bytea[], %(fields)s::text[], %(endpoint)s::text[], %(state)s::text[],
                  %(owner)s::text[], %(lease_ms)s::bigint[], %(resource_id)s::text[], %(request_id)s::text[],
                  %(status)s::integer[], %(headers)s::text[], %(body)s::bytea[])
        AS k(scope, owner_id, mode, key_digest, fingerprint, fields, endpoint, state, owner, lease_ms, resource_id,
             request_id, status, headers, body),
           (SELECT clock_timestamp() AS at) AS now
    ON CONFLICT (scope) DO NOTHING
    """
_TEXTS: Final = ("scope", "owner_id", "mode", "key_digest", "fields", "endpoint", "state")
_OPTIONAL: Final = ("owner", "resource_id", "request_id", "headers")


class KeyTaken(Exception):  # noqa: N818 - an event, not a fault
    """Somebody else was faster with one of the keys; the transaction is undone, and each request goes on alone."""


class KeyBatch:
    """The keys of one transaction. Nothing runs where nobody asks for one."""

    __slots__ = ("_asked", "_connection", "_kept")

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._asked: dict[str, Claimed] = {}
        self._kept: list[dict[str, Any]] = []

    def claim(self, claim: Claim) -> Claimed:
        """Ask for a key; whether it ``holds`` is known once :meth:`ask` was answered. Of two alike the first does."""
        claimed = Claimed()
        if self._asked.setdefault(claim.scope, claimed) is not claimed:
            return Claimed()
        return claimed

    def ask(self) -> None:
        """Queue the question which keys are free."""
        if not self._asked:
            return

        def note(taken: Answer) -> None:
            found = {row[0] for row in taken.rows}
            for scope, claimed in self._asked.items():
                claimed.holds = scope not in found

        execute_later(self._connection, TAKEN, {"scopes": text_array(list(self._asked))}, note)

    def keep(self, claim: Claim, resource_id: str, reply: StoredReply | None) -> None:
        """Have the row of a free key written: finished with its reply, or in flight without one."""
        self._kept.append(claim_values(claim, reply) | {"resource_id": resource_id})

    def flush(self) -> None:
        """Queue the rows; ``KeyTaken`` where they are sent, if one of the keys is no longer free."""
        if not self._kept:
            return
        # One order for every writer: two that share keys queue up instead of deadlocking.
        rows = sorted(self._kept, key=lambda row: str(row["scope"]))
        self._kept = []

        def all_written(written: Answer) -> None:
            if written.affected != len(rows):
                raise KeyTaken

        values: dict[str, Any] = {name: text_array([row[name] for row in rows]) for name in _TEXTS}
        values |= {name: optional_text_array([row[name] for row in rows]) for name in _OPTIONAL}
        values |= {
            "fingerprint": bytes_array([row["fingerprint"] for row in rows]),
            "lease_ms": integer_array([round(row["lease_s"] * 1000) for row in rows]),
            "status": integer_array([row["status"] for row in rows]),
            "body": optional_bytes_array([row["body"] for row in rows]),
            "life_days": KEY_LIFE_DAYS,
        }
        execute_later(self._connection, _INSERT, values, all_written)
