"""Money in doubt: what each processor may have moved without our knowing, per currency, with its oldest age."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

# Found by the index of what is in doubt, which is next to nothing among millions.
_EXPOSURE: Final = """
SELECT o.processor, coalesce(s.currency, p.currency) AS currency,
       coalesce(sum(o.amount_minor) FILTER (
           WHERE o.capture OR o.type IN ('capture', 'refund', 'stray_return')), 0)::bigint AS amount_minor,
       count(*) AS operations,
       extract(epoch FROM clock_timestamp() - min(o.doubtful_since))::float8 AS oldest_s
  FROM operations AS o JOIN payments AS p USING (payment_id) LEFT JOIN strays AS s USING (stray_id)
 WHERE o.state IN ('UNCERTAIN', 'IN_REVIEW')
 GROUP BY 1, 2 ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What is in doubt at one processor in one currency."""

    processor: str
    currency: str
    amount_minor: int
    operations: int
    oldest_s: float


def read_exposure(connection: sa.Connection) -> Sequence[Exposure]:
    """Read the exposure now; a processor and currency without doubt has no row."""
    return [Exposure(**row) for row in connection.exec_driver_sql(_EXPOSURE).mappings()]
