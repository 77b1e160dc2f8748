"""Owns the question how long the next wait for risk still lasts: one probe of an index, asked without a transaction."""

from typing import Final

import sqlalchemy as sa

from shared.kernel.clock import Clock
from shared.persistence.statements import execute_alone

_LEFT: Final = """
SELECT extract(epoch FROM min(risk_deadline_at) - %(now)s::timestamptz) FROM operations WHERE risk = 'WAITING'
"""


def risk_left_s(engine: sa.Engine, clock: Clock) -> float | None:
    """Seconds until a wait is over, none left or fewer where one is, None where nothing waits.

    ``engine`` is an autocommit one: a round trip and no transaction.
    """
    ((left,),) = execute_alone(engine, _LEFT, {"now": clock.now()}).rows
    return None if left is None else float(left)
