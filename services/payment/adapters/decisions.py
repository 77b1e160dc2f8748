"""Repository of operators' decisions; written where they are said, being rare."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

import sqlalchemy as sa

from services.payment.domain.decisions import Decision, DecisionKind, DecisionState, Outcome

COLUMNS: Final = tuple(field.name for field in fields(Decision))
_PLACES: Final = ", ".join(f"%({name})s" for name in COLUMNS)
_ADD: Final = f"INSERT INTO operator_decisions ({', '.join(COLUMNS)}) VALUES ({_PLACES})"
_READ: Final = f"SELECT {', '.join(COLUMNS)} FROM operator_decisions"
_SETTLE: Final = """
UPDATE operator_decisions SET state = %(state)s, decided_by = %(decided_by)s, decided_at = %(decided_at)s,
       decided_reason = %(decided_reason)s
 WHERE decision_id = %(decision_id)s AND state = 'proposed'
"""


class StoredDecisions:
    """Decisions of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, decision: Decision) -> None:
        """Keep a proposal, or one that needs no second pair of eyes and is applied already."""
        self._connection.exec_driver_sql(_ADD, _values(decision))

    def locked(self, decision_id: str) -> Decision | None:
        """The decision, locked until the transaction ends."""
        return self._one("decision_id = %(id)s FOR UPDATE", decision_id)

    def open_for(self, subject_id: str) -> Decision | None:
        """The proposal on this subject that waits for its second pair of eyes."""
        return self._one("subject_id = %(id)s AND state = 'proposed'", subject_id)

    def settle(self, decision: Decision) -> None:
        """Write its end; SQL refuses a second one, and one by the proposer where money moves."""
        self._connection.exec_driver_sql(_SETTLE, _values(decision))

    def _one(self, condition: str, value: str) -> Decision | None:
        query = f"{_READ} WHERE {condition}"
        row = self._connection.exec_driver_sql(query, {"id": value}).mappings().one_or_none()
        return None if row is None else decision_from(row)


def decision_from(row: Any) -> Decision:  # a row's mapping
    """A decision as stored."""
    values = dict(row)
    values["kind"] = DecisionKind(values["kind"])
    values["outcome"] = Outcome(values["outcome"])
    values["state"] = DecisionState(values["state"])
    return Decision(**values)


def _values(decision: Decision) -> dict[str, Any]:
    values = {name: getattr(decision, name) for name in COLUMNS}
    return values | {name: str(values[name]) for name in ("kind", "outcome", "state")}
