"""Open attempts at processors that are not configured here: no lane takes them, so nobody sends or looks them up.

Their money is in doubt and no ladder ends there, so that no case is opened: they are told at the start and counted. An
exhausted one has its case already, and is not counted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

import sqlalchemy as sa

from services.processor.adapters.tables import OPEN
from shared.runtime.logs import logger

UNATTENDED: Final = f"""
SELECT processor, count(*) FROM attempts
 WHERE {OPEN} AND exhausted_at IS NULL AND processor <> ALL (%(configured)s::text[])
 GROUP BY processor ORDER BY processor
"""
_log = logger(__name__)


def unattended(connection: sa.Connection, configured: Collection[str]) -> Mapping[tuple[str, ...], float]:
    """Return how many there are at each processor that has any, for the gauge."""
    rows = connection.exec_driver_sql(UNATTENDED, {"configured": sorted(configured)})
    return {(processor,): float(number) for processor, number in rows}


def tell_unattended(engine: sa.Engine, configured: Collection[str]) -> None:
    """Log one error for each processor that has any; the configured ones are worked all the same."""
    with engine.connect() as connection:
        found = unattended(connection, configured)
    for (processor,), number in found.items():
        _log.error(
            "attempts_unattended", processor=processor, attempts=int(number),
            wrong=f"{processor} is not configured here: nobody sends these attempts or looks them up",
            to_do=f"configure {processor} again (PROCESSOR_{processor.upper()}_BASE_URL and what belongs to it);"
            " of their operations, people can decide in payment those that are IN_REVIEW",
        )  # fmt: skip
