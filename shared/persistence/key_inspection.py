"""Reads idempotency keys for people: the first request, what became of it, and what came under the key since.

Never the reply, its headers, or a digest of a single field, from which a short value could be guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from shared.persistence.idempotency import KEY_MODES, Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedKey:
    """One key. ``owner``, ``mode`` and the digest of the key's text say whose it is; times are the database's.

    ``state`` is what a retry would meet: ``in_flight``, ``finished``, or ``tombstone`` once the key has expired. The
    counts are lower bounds (``key_repeats``); ``last_seen_at`` is the first request's time where none came after it.
    """

    owner: str
    mode: str
    key_digest: str
    request_id: str | None
    endpoint: str
    fingerprint: str
    state: str
    first_request_at: datetime
    in_flight_s: float | None
    lease_owner: str | None
    lease_until: datetime | None
    lease_ended: bool | None
    resource: str | None
    status: int | None
    finished_at: datetime | None
    expires_at: datetime
    replays: int
    attaches: int
    in_use: int
    mismatches: int
    after_expiry: int
    last_seen_at: datetime
    last_mismatch_at: datetime | None
    last_mismatch_endpoint: str | None
    last_mismatch_param: str | None


_NAMES: Final = tuple(each.name for each in fields(InspectedKey))
_SELECT: Final = """
    SELECT k.owner_id AS owner, k.mode, k.key_digest, k.request_id, k.endpoint,
           encode(k.fingerprint, 'hex') AS fingerprint,
           CASE WHEN k.state = 'finished' AND k.expires_at < clock_timestamp() THEN 'tombstone' ELSE k.state END
               AS state,
           k.created_at AS first_request_at,
           CASE WHEN k.state = 'in_flight' THEN EXTRACT(EPOCH FROM clock_timestamp() - k.created_at)::float8 END
               AS in_flight_s,
           k.lease_owner, k.lease_until, k.lease_until < clock_timestamp() AS lease_ended,
           k.resource_id AS resource, k.status, k.finished_at, k.expires_at,
           COALESCE(r.replays, 0) AS replays, COALESCE(r.attaches, 0) AS attaches, COALESCE(r.in_use, 0) AS in_use,
           COALESCE(r.mismatches, 0) AS mismatches, COALESCE(r.after_expiry, 0) AS after_expiry,
           COALESCE(r.last_repeat_at, k.created_at) AS last_seen_at,
           r.last_mismatch_at, r.last_mismatch_endpoint, r.last_mismatch_param
      FROM idempotency_keys AS k LEFT JOIN idempotency_key_repeats AS r USING (scope)
"""
_BY_SCOPE: Final = sa.text(_SELECT + " WHERE scope = ANY (:scopes) ORDER BY k.mode")
_BY_REQUEST: Final = sa.text(_SELECT + " WHERE k.request_id = ANY (:requests)")
_REFUSED: Final = sa.text(
    _SELECT + " WHERE k.resource_id = :resource AND k.status >= 400 AND k.owner_id = :owner"
)
_IN_FLIGHT: Final = sa.text(
    _SELECT
    + """
     WHERE k.state = 'in_flight' AND k.created_at <= clock_timestamp() - make_interval(secs => :for_s)
     ORDER BY k.created_at, scope LIMIT :limit
    """
)
_MISMATCHED: Final = sa.text(
    _SELECT
    + """
     WHERE r.mismatches > 0 AND r.last_mismatch_at >= clock_timestamp() - make_interval(secs => :within_s)
     ORDER BY r.last_mismatch_at DESC, scope LIMIT :limit
    """
)
_OLDEST_IN_FLIGHT: Final = sa.text(
    "SELECT COALESCE(EXTRACT(EPOCH FROM clock_timestamp() - min(created_at)), 0)::float8"
    " FROM idempotency_keys WHERE state = 'in_flight'"
)


def keys_by_text(connection: sa.Connection, owner: str, key: str) -> Sequence[InspectedKey]:
    """An owner's key by its text, once per mode that has it: only digests are stored, so nothing else finds it."""
    scopes = [Principal(owner_id=owner, mode=mode).scope(key) for mode in KEY_MODES]
    return _read(connection, _BY_SCOPE, {"scopes": scopes})


def keys_of_requests(connection: sa.Connection, request_ids: Sequence[str]) -> Sequence[InspectedKey]:
    """The keys that these requests were the first to use."""
    if not request_ids:
        return []
    return _read(connection, _BY_REQUEST, {"requests": list(request_ids)})


def keys_refused(connection: sa.Connection, owner: str, resource_id: str) -> Sequence[InspectedKey]:
    """The keys of an owner's requests about a resource that were refused, and whose refusal was kept."""
    return _read(connection, _REFUSED, {"owner": owner, "resource": resource_id})


def keys_in_flight(connection: sa.Connection, for_s: float, limit: int) -> Sequence[InspectedKey]:
    """Keys whose first request came at least so long ago and that have no reply yet, oldest first."""
    return _read(connection, _IN_FLIGHT, {"for_s": for_s, "limit": limit})


def keys_mismatched(connection: sa.Connection, within_s: float, limit: int) -> Sequence[InspectedKey]:
    """Keys under which another request came within the last so many seconds, the latest first."""
    return _read(connection, _MISMATCHED, {"within_s": within_s, "limit": limit})


def oldest_in_flight_s(connection: sa.Connection) -> float:
    """Age of the oldest key that has no reply yet, 0 without one."""
    return float(connection.execute(_OLDEST_IN_FLIGHT).scalar_one())


def _read(connection: sa.Connection, query: sa.TextClause, values: dict[str, Any]) -> Sequence[InspectedKey]:
    rows = connection.execute(query, values).mappings()
    return [InspectedKey(**{name: row[name] for name in _NAMES}) for row in rows]
