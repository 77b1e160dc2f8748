"""How the statements of a run are planned: with statistics of what it just filled, one by one where little changed."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

#: So many looks by an index cost less than reading everything once.
FEW: Final = 2_000
_TAKE_STATISTICS: Final = "SELECT take_statistics(%(among)s)"


class Planning:
    """Settings of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._are_many = True

    def plan_for(self, changed: int) -> None:
        """Planned for thousands, one line would cost a look at all: few are looked up one by one."""
        self._are_many = changed >= FEW
        for setting in ("enable_hashjoin", "enable_mergejoin", "enable_seqscan"):
            self._connection.exec_driver_sql(f"SET LOCAL {setting} = {'on' if self._are_many else 'off'}")

    def filled(self, *tables: str) -> None:
        """Nobody keeps statistics of what a transaction has just filled: few rows or many, the planner has to know."""
        self._connection.exec_driver_sql(_TAKE_STATISTICS, {"among": list(tables)})

    def filled_much(self, *tables: str) -> None:
        """Of what stays, where much of it is new: a file is matched before anybody else takes its statistics."""
        if self._are_many:
            self.filled(*tables)
