"""What became of requests whose idempotency key had been used before, counted per key.

Counts are lower bounds: each request is counted once or, where a process died before it could write, not at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import sqlalchemy as sa

from shared.persistence.arrays import integer_array, text_array
from shared.persistence.statements import execute


class Repeat(StrEnum):
    """What the key said to a request that was not its first."""

    REPLAYED = "replayed"
    ATTACHED = "attached"
    IN_USE = "in_use"
    MISMATCH = "mismatch"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """The other request that came under a key: where it went, and what differed first."""

    endpoint: str
    param: str | None


@dataclass(slots=True)
class Repeats:
    """What is still to be written of one key."""

    counts: Counter[Repeat] = field(default_factory=Counter)
    mismatch: Mismatch | None = None

    def add(self, later: Repeats) -> None:
        """Take in what was noted after this."""
        self.counts.update(later.counts)
        self.mismatch = later.mismatch or self.mismatch


# One statement for any number of keys, in the order of their scopes: two processes that write at once cannot deadlock.
# Joined to the keys, so that a count never stands without what it is about. The database's clock dates them, as it
# dates the keys.
_ADD: Final = """
    INSERT INTO idempotency_key_repeats AS stored (scope, replays, attaches, in_use, mismatches, after_expiry,
                last_repeat_at, last_mismatch_at, last_mismatch_endpoint, last_mismatch_param)
    SELECT scope, noted.replays, noted.attaches, noted.in_use, noted.mismatches, noted.after_expiry, clock_timestamp(),
           CASE WHEN noted.mismatches > 0 THEN clock_timestamp() END,
           CASE WHEN noted.mismatches > 0 THEN noted.endpoint END,
           CASE WHEN noted.mismatches > 0 THEN NULLIF(noted.param, '') END
      FROM unnest(%(scopes)s::text[], %(replays)s::bigint[], %(attaches)s::bigint[], %(in_use)s::bigint[],
                  %(mismatches)s::bigint[], %(after_expiry)s::bigint[], %(endpoints)s::text[], %(params)s::text[])
           AS noted (scope, replays, attaches, in_use, mismatches, after_expiry, endpoint, param)
      JOIN idempotency_keys USING (scope)
     ORDER BY scope
    ON CONFLICT (scope) DO UPDATE
       SET replays = stored.replays + excluded.replays,
           attaches = stored.attaches + excluded.attaches,
           in_use = stored.in_use + excluded.in_use,
           mismatches = stored.mismatches + excluded.mismatches,
           after_expiry = stored.after_expiry + excluded.after_expiry,
           last_repeat_at = GREATEST(stored.last_repeat_at, excluded.last_repeat_at),
           last_mismatch_at = GREATEST(stored.last_mismatch_at, excluded.last_mismatch_at),
           last_mismatch_endpoint = COALESCE(excluded.last_mismatch_endpoint, stored.last_mismatch_endpoint),
           last_mismatch_param = CASE WHEN excluded.mismatches > 0 THEN excluded.last_mismatch_param
                                      ELSE stored.last_mismatch_param END
    """


def add_repeats(connection: sa.Connection, noted: Mapping[str, Repeats]) -> None:
    """Add to what is stored of these keys, by scope."""
    scopes = sorted(noted)
    mismatches = [noted[scope].mismatch for scope in scopes]

    def counted(repeat: Repeat) -> str:
        return integer_array(noted[scope].counts[repeat] for scope in scopes)

    execute(
        connection,
        _ADD,
        {
            "scopes": text_array(scopes),
            "replays": counted(Repeat.REPLAYED),
            "attaches": counted(Repeat.ATTACHED),
            "in_use": counted(Repeat.IN_USE),
            "mismatches": counted(Repeat.MISMATCH),
            "after_expiry": counted(Repeat.EXPIRED),
            "endpoints": text_array(["" if each is None else each.endpoint for each in mismatches]),
            "params": text_array(["" if each is None else each.param or "" for each in mismatches]),
        },
    )
