"""Idempotency keys: which request a key belongs to, who works on it, and the reply that it will give for
ever.

The unique insert of the key row decides between two first requests; the row commits with the effects of
the request, so
a committed row in flight means: the effects exist, only the reply is still to be stored. Whoever stores it
first wins.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import orjson
import rfc8785
import sqlalchemy as sa

from shared.kernel.errors import InvariantViolation
from shared.persistence.statements import execute, execute_later
from shared.persistence.wire_statements import Answer

KEY_LIFE_DAYS: Final = 30
"""Clients retry for hours; a month leaves no honest retry without its answer."""
REPLY_BYTES_MAX: Final = 256 * 1024
KEY_CHARS_MAX: Final = 255
_FIELD_DIGEST_CHARS: Final = 24
_PLAIN: Final = frozenset({str, bool})
_EMPTY: Final[tuple[object, ...]] = (None, {}, [])
_EXACT: Final = 2**53 - 1
"""Whole numbers up to here are the same in JSON and in binary floating point, which RFC 8785 is written in."""
ENDPOINT_FIELD: Final = "endpoint"
OPERATOR_MODE: Final = "operator"
KEY_MODES: Final = ("test", "live", OPERATOR_MODE)
"""In which modes there are keys: merchants' two, and that of operators."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Whose key it is: the same text from another owner, or in another mode, is another key."""

    owner_id: str
    mode: str

    def scope(self, key: str) -> str:
        # Lengths go in front, so that no owner can shape an id that reads as another's id and key.
        parts = (self.owner_id, self.mode, key)
        return hashlib.sha256("".join(f"{len(part)}:{part}" for part in parts).encode()).hexdigest()


class CallerChanged(Exception):  # noqa: N818 - an event, not a fault
    """The caller is not whom the transaction took it for; nothing was done, and the next try asks anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What the request asks for, as digests: equal for the same wish, whatever the spelling of its JSON."""

    endpoint: str
    digest: bytes
    fields: Mapping[str, str]

    def first_difference(self, endpoint: str, fields: Mapping[str, str]) -> str:
        """Name what differs from the request that owns the key."""
        if endpoint != self.endpoint:
            return ENDPOINT_FIELD
        differing = {name for name in {*fields, *self.fields} if fields.get(name) != self.fields.get(name)}
        return min(differing, default=ENDPOINT_FIELD)


def fingerprint_of(
    method: str, route: str, path_ids: Mapping[str, str], body: Mapping[str, Any]
) -> Fingerprint:
    """SHA-256 over method, route template, path ids and the canonical (RFC 8785) validated body."""
    endpoint = f"{method} {route}"
    canonical = {f"path.{name}": canonical_json(value) for name, value in path_ids.items()}
    canonical |= {name: canonical_json(value) for name, value in body.items()}
    parts = [endpoint.encode()]
    for name, value in sorted(canonical.items()):
        parts.append(b"\x00%d:%s=%d:%s" % (len(name), name.encode(), len(value), value))
    fields = {
        name: _NULL_DIGEST if value == _NULL else _field_digest(value) for name, value in canonical.items()
    }
    return Fingerprint(endpoint=endpoint, digest=hashlib.sha256(b"".join(parts)).digest(), fields=fields)


def _field_digest(canonical: bytes) -> str:
    return hashlib.sha256(canonical).hexdigest()[:_FIELD_DIGEST_CHARS]


_NULL: Final = b"null"
_NULL_DIGEST: Final = _field_digest(_NULL)
"""Most fields of a body are left out."""


def canonical_json(value: object) -> bytes:
    """RFC 8785. Most fields are single values or empty, which a faster encoder writes in the same way."""
    if value in _EMPTY or type(value) in _PLAIN or (type(value) is int and -_EXACT <= value <= _EXACT):
        return orjson.dumps(value)
    return rfc8785.dumps(value)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReply:
    """A reply as it was, or will be, sent: these bytes and no others."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Standing(StrEnum):
    """What the row of a key says to one request."""

    FINISHED = "finished"
    IN_USE = "in_use"
    ABANDONED = "abandoned"
    EXPIRED = "expired"
    MISMATCH = "mismatch"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """A key as stored, with its lease and expiry judged by the database's clock."""

    scope: str
    endpoint: str
    fingerprint: bytes
    fields: Mapping[str, str]
    state: str
    resource_id: str | None
    reply: StoredReply | None
    lease_ended: bool
    expired: bool
    created_at: datetime

    def standing(self, fingerprint: Fingerprint) -> Standing:
        """Expiry comes first: after it nobody can tell any more what the reply was."""
        if self.state == "tombstone" or (self.expired and self.state == "finished"):
            return Standing.EXPIRED
        if self.fingerprint != fingerprint.digest:
            return Standing.MISMATCH
        if self.reply is not None:
            return Standing.FINISHED
        return Standing.ABANDONED if self.lease_ended else Standing.IN_USE


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One request's attempt to own its key; ``owner`` is its Request-Id, the lease outlasts its wait."""

    scope: str
    principal: Principal
    key: str
    fingerprint: Fingerprint
    owner: str
    lease_s: float
    resource_id: str | None = None
    #: The Request-Id of the reply: by it people find what a client's key stands for.
    request_id: str | None = None


_CLAIM: Final = """
    INSERT INTO idempotency_keys (scope, owner_id, mode, key_digest, fingerprint, field_digests, endpoint,
                                  state, lease_owner, lease_until, resource_id, request_id, status, headers,
                                  body, created_at, finished_at, expires_at)
    VALUES (%(scope)s, %(owner_id)s, %(mode)s, %(key_digest)s, %(fingerprint)s, CAST(%(fields)s AS jsonb),
            %(endpoint)s, %(state)s, %(owner)s, clock_timestamp() + make_interval(secs => %(lease_s)s), %(resource_id)s,
            %(request_id)s, %(status)s, CAST(%(headers)s AS jsonb), %(body)s,
            clock_timestamp(), CASE WHEN %(state)s = 'finished' THEN clock_timestamp() END,
            clock_timestamp() + make_interval(days => %(life_days)s))
    ON CONFLICT (scope) DO NOTHING
    """
_READ: Final = """
    SELECT scope, endpoint, fingerprint, field_digests, state, resource_id, status, headers, body, created_at,
           lease_until < clock_timestamp() AS lease_ended, expires_at < clock_timestamp() AS expired
      FROM idempotency_keys WHERE scope = :scope
"""
_READ_PLAIN: Final = sa.text(_READ)
_READ_LOCKED: Final = sa.text(_READ + " FOR UPDATE")
_RESOURCE: Final = "UPDATE idempotency_keys SET resource_id = %(resource_id)s WHERE scope = %(scope)s"
# Not "state = 'in_flight'": that would let the planner read the index of all open keys, dead entries and all, for one.
_FINISH: Final = """
    UPDATE idempotency_keys
       SET state = 'finished', status = %(status)s, headers = CAST(%(headers)s AS jsonb), body = %(body)s,
           resource_id = COALESCE(%(resource_id)s, resource_id),
           lease_owner = NULL, lease_until = NULL, finished_at = clock_timestamp()
     WHERE scope = %(scope)s AND state <> 'finished' AND state <> 'tombstone'
       AND (lease_owner = %(owner)s OR lease_until < clock_timestamp())
    """
_ABANDONED: Final = sa.text(
    """
    SELECT scope FROM idempotency_keys
     WHERE state = 'in_flight' AND lease_until < clock_timestamp() AND scope <> ALL (:left_out)
     ORDER BY lease_until LIMIT :limit
    """
)
_ABANDONED_COUNT: Final = sa.text(
    "SELECT count(*) FROM idempotency_keys WHERE state = 'in_flight' AND lease_until < clock_timestamp()"
)
# What stays says that the key was used, for what, and by which request; status stays too, being next to nothing.
_PRUNE: Final = """
    UPDATE idempotency_keys SET state = 'tombstone', body = NULL, headers = NULL, field_digests = NULL
     WHERE scope = ANY (ARRAY (
        SELECT scope FROM idempotency_keys
         WHERE state <> 'tombstone' AND state = 'finished' AND expires_at < clock_timestamp()
         ORDER BY expires_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
"""


def claim_key(connection: sa.Connection, claim: Claim, *, reply: StoredReply | None = None) -> bool:
    """Insert the key's row; False if the key is taken.

    Waits for a concurrent first request with the same key to commit or roll back: never two executions. With ``reply``
    the key is born finished, which is how a refusal by state is kept after its own transaction was rolled back.
    """
    return execute(connection, _CLAIM, claim_values(claim, reply)).affected == 1


@dataclass(slots=True)
class Claimed:
    """What became of a claim; False until its statement was sent."""

    holds: bool = False


def claim_key_later(connection: sa.Connection, claim: Claim) -> Claimed:
    """The same, together with the transaction's next statement; the answer is there once that was sent."""
    claimed = Claimed()

    def note(inserted: Answer) -> None:
        claimed.holds = inserted.affected == 1

    execute_later(connection, _CLAIM, claim_values(claim, None), note)
    return claimed


def claim_values(claim: Claim, reply: StoredReply | None) -> dict[str, Any]:
    """The columns of a key's row: in flight under the claim's lease, or finished where there is a reply."""
    return {
        "scope": claim.scope,
        "owner_id": claim.principal.owner_id,
        "mode": claim.principal.mode,
        "key_digest": hashlib.sha256(claim.key.encode()).hexdigest(),
        "fingerprint": claim.fingerprint.digest,
        "fields": orjson.dumps(claim.fingerprint.fields).decode(),
        "endpoint": claim.fingerprint.endpoint,
        "state": "in_flight" if reply is None else "finished",
        "owner": claim.owner if reply is None else None,
        "lease_s": claim.lease_s,
        "resource_id": claim.resource_id,
        "request_id": claim.request_id,
        "life_days": KEY_LIFE_DAYS,
        **_reply_columns(reply),
    }


def read_key(connection: sa.Connection, scope: str, *, locked: bool = False) -> KeyRow | None:
    """Read a key's row on the primary; ``locked`` makes everyone else who would finish it wait."""
    row = (
        connection.execute(_READ_LOCKED if locked else _READ_PLAIN, {"scope": scope}).mappings().one_or_none()
    )
    if row is None:
        return None
    reply = None
    if row["state"] == "finished":
        reply = StoredReply(status=row["status"], body=bytes(row["body"]), headers=row["headers"] or {})
    return KeyRow(
        scope=row["scope"], endpoint=row["endpoint"], fingerprint=bytes(row["fingerprint"]),
        fields=row["field_digests"] or {}, state=row["state"], resource_id=row["resource_id"], reply=reply,
        lease_ended=bool(row["lease_ended"]), expired=bool(row["expired"]), created_at=row["created_at"],
    )  # fmt: skip


def name_resource(connection: sa.Connection, scope: str, resource_id: str) -> None:
    """Point a claimed key at what the request made, where that was not known at the claim."""
    execute(connection, _RESOURCE, {"scope": scope, "resource_id": resource_id})


def finish_key(connection: sa.Connection, scope: str, owner: str, reply: StoredReply) -> bool:
    """Store the reply; False if this owner's time is over and somebody else has stored one.

    Allowed to the lease's owner, and to anybody once the lease has ended: first stored, for ever replayed.
    """
    return execute(connection, _FINISH, _finish_values(scope, owner, reply, None)).affected == 1


def finish_own_key(connection: sa.Connection, claim: Claim, reply: StoredReply, resource_id: str) -> None:
    """Store the reply of a key that this very transaction has claimed, so that nobody can have been faster."""
    execute_later(
        connection, _FINISH, _finish_values(claim.scope, claim.owner, reply, resource_id), _require_finished
    )


def _require_finished(updated: Answer) -> None:
    if updated.affected != 1:
        raise InvariantViolation("key_finished", "a key of this transaction could not be finished by it")


def _finish_values(scope: str, owner: str, reply: StoredReply, resource_id: str | None) -> dict[str, Any]:
    return {"scope": scope, "owner": owner, "resource_id": resource_id, **_reply_columns(reply)}


def abandoned_keys(connection: sa.Connection, limit: int, left_out: Sequence[str] = ()) -> Sequence[str]:
    """Scopes of keys in flight whose owner must be dead: their lease outlasted every wait, and has ended."""
    values = {"limit": limit, "left_out": list(left_out)}
    return list(connection.execute(_ABANDONED, values).scalars())


def prune_keys(connection: sa.Connection, limit: int) -> int:
    """Turn expired keys into tombstones, oldest first, as one statement; returns how many.

    A tombstone keeps scope, fingerprint and resource, so a key is never free again: reuse is refused for ever.
    """
    return connection.exec_driver_sql(_PRUNE, {"limit": limit}).rowcount


def abandoned_count(connection: sa.Connection) -> int:
    return int(connection.execute(_ABANDONED_COUNT).scalar_one())


def _reply_columns(reply: StoredReply | None) -> dict[str, Any]:
    if reply is None:
        return {"status": None, "headers": None, "body": None}
    if len(reply.body) > REPLY_BYTES_MAX:
        raise InvariantViolation(
            "reply_size", f"a reply of {len(reply.body)} bytes cannot be kept for replay"
        )
    return {"status": reply.status, "headers": orjson.dumps(dict(reply.headers)).decode(), "body": reply.body}
