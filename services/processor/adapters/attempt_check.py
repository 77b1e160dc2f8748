"""Whether this process calls every processor at which attempts are open: those elsewhere would be looked up by nobody.

Their money would stay in doubt without a word: no lane takes them, so no ladder ends and no case is opened.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import sqlalchemy as sa

from shared.runtime.startup import StartupRefused

_OPEN: Final = """
SELECT processor, count(*) FROM attempts
 WHERE state = 'open' AND processor <> ALL (%(configured)s::text[]) GROUP BY processor ORDER BY processor
"""


def refuse_attempts_elsewhere(engine: sa.Engine, configured: Collection[str]) -> None:
    """Refuse to work while attempts are open at a processor that is not configured here."""
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(_OPEN, {"configured": sorted(configured)})
        left = [
            f"attempts: {number} open at {processor}, which is not configured here: nobody would look them up;"
            f" configure it again (PROCESSOR_{processor.upper()}_BASE_URL and what belongs to it), or decide their"
            " operations in payment while `processor consume` runs"
            for processor, number in rows
        ]
    if left:
        raise StartupRefused(*left)
