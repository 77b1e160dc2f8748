"""Parked owns the list of what is parked, page by page: keys, and unreadable records under their own ids."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Final, Self

import sqlalchemy as sa

from shared.kernel.errors import Rejected
from shared.kernel.moments import utc_moment
from shared.messaging.intake import RAW_PREFIX

UNREADABLE: Final = (
    "unreadable"  # a record parked under its own id, because nothing else of it can be trusted
)
_LIST = sa.text(
    "SELECT * FROM (SELECT p.topic, p.key, p.reason, p.since, p.next_version, p.detail, p.redrive_requested_at,"
    " (SELECT count(*) FROM parked_records r WHERE r.consumer = p.consumer AND r.topic = p.topic AND r.key = p.key)"
    " AS records FROM parked_keys p WHERE p.consumer = :consumer"
    f" UNION ALL SELECT topic, key, '{UNREADABLE}', parked_at, NULL, '', NULL, 1 FROM parked_records"
    f" WHERE consumer = :consumer AND starts_with(event_id, '{RAW_PREFIX}')) AS parked"
    " WHERE CAST(:at AS timestamptz) IS NULL OR (since, topic, key) > (CAST(:at AS timestamptz), :topic, :key)"
    " ORDER BY since, topic, key LIMIT :limit"
)


@dataclass(frozen=True, slots=True)
class ParkedKey:
    """A parked key as operators see it, or an unreadable record under its own id."""

    topic: str
    key: str
    reason: str
    since: datetime
    next_version: int | None
    detail: str
    redrive_requested_at: datetime | None
    records: int


@dataclass(frozen=True, slots=True)
class ParkedPlace:
    """Where a page ended: the next one goes on behind it, whatever came or went meanwhile."""

    since: datetime
    topic: str
    key: str

    @classmethod
    def read(cls, cursor: str) -> Self:
        """What ``next_cursor`` said. Raises ``Rejected`` for anything else."""
        try:
            since, topic, key = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
            place = cls(utc_moment(since), str(topic), str(key))
            (place.topic + place.key).encode()  # a lone surrogate is no text of any record
        except (binascii.Error, ValueError, TypeError):
            place = None
        if place is None or "\0" in place.topic + place.key:
            raise Rejected(
                "field_invalid", "Take it from next_cursor.", status=422, param="cursor", stored=False
            )
        return place

    @property
    def cursor(self) -> str:
        """Keys are anything: in an address they travel encoded, in which no run of digits looks like a card's."""
        since, topic, key = astuple(self)
        return base64.urlsafe_b64encode(json.dumps([since.isoformat(), topic, key]).encode()).decode()


@dataclass(frozen=True, slots=True)
class ParkedPage:
    """One page of the list; ``behind`` is where the next one goes on, None behind the last."""

    keys: Sequence[ParkedKey]
    behind: ParkedPlace | None


def parked_keys(
    connection: sa.Connection, consumer: str, *, limit: int, behind: ParkedPlace | None = None
) -> ParkedPage:
    """A page of what is parked, oldest first."""
    values = {
        "consumer": consumer,
        "limit": limit + 1,  # whether there is more
        "at": behind.since if behind else None,
        "topic": behind.topic if behind else "",
        "key": behind.key if behind else "",
    }
    found = [ParkedKey(**row) for row in connection.execute(_LIST, values).mappings()]
    keys = found[:limit]
    more = len(found) > limit
    return ParkedPage(keys, ParkedPlace(keys[-1].since, keys[-1].topic, keys[-1].key) if more else None)
