"""Repository of terms: what was proposed and decided, and as of when a transaction wants to know what is in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from services.reconciliation.domain.terms import FIELDS, Said, Term, TermKind
from shared.kernel.decisions import DecisionState

_SAID: Final = ("kind", "valid_from", "ended", *FIELDS)
_DECIDED: Final = (
    "state", "reason", "proposed_by", "proposed_at", "decided_by", "decided_at", "decision_reason",
)  # fmt: skip
_SELECT: Final = f"SELECT term_id, {', '.join((*_SAID, *_DECIDED))} FROM terms"
_ADD: Final = f"""
INSERT INTO terms (term_id, {", ".join(_SAID)}, state, reason, proposed_by, proposed_at)
VALUES (%(term_id)s, {", ".join(f"%({name})s" for name in _SAID)}, 'PROPOSED', %(reason)s, %(by)s, %(now)s)
"""
_DECIDE: Final = """
UPDATE terms SET state = %(state)s, decided_by = %(by)s, decided_at = %(now)s, decision_reason = %(reason)s
 WHERE term_id = %(term_id)s
"""
_LIST: Final = f"""
{_SELECT} WHERE (%(kind)s::text IS NULL OR kind = %(kind)s) AND (%(state)s::text IS NULL OR state = %(state)s)
 ORDER BY nth DESC LIMIT %(limit)s
"""
_AS_OF: Final = "SELECT set_config('reconciliation.as_of', %(as_of)s, true)"

# What came into force, or was not yet, between the last run's moment and this one's is another rule for everything.
_TOUCH: Final = """
INSERT INTO touched_rules
SELECT 'terms' FROM (SELECT as_of FROM runs ORDER BY nth DESC LIMIT 1) AS last
 WHERE EXISTS (SELECT FROM terms WHERE state = 'APPROVED'
                  AND greatest(valid_from, decided_at) > least(last.as_of, %(as_of)s)
                  AND greatest(valid_from, decided_at) <= greatest(last.as_of, %(as_of)s))
"""


class StoredTerms:
    """Terms of one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def stand_as_of(self, moment: datetime) -> None:
        """Let ``tolerances``, ``agreed_fees`` and ``processor_calendars`` show what was in force then."""
        self._connection.exec_driver_sql(_AS_OF, {"as_of": moment.isoformat()})
        self._connection.exec_driver_sql(_TOUCH, {"as_of": moment})

    def add(self, term_id: str, said: Said, *, by: str, reason: str) -> None:
        """Keep a proposal."""
        values: dict[str, Any] = asdict(said)
        if said.holidays is not None:
            values["holidays"] = sorted(set(said.holidays))
        self._connection.exec_driver_sql(
            _ADD, values | {"term_id": term_id, "by": by, "reason": reason, "now": self._now}
        )

    def locked(self, term_id: str) -> Term | None:
        """The term, locked."""
        rows = self._connection.exec_driver_sql(
            f"{_SELECT} WHERE term_id = %(term_id)s FOR UPDATE", {"term_id": term_id}
        ).mappings()
        return next((_term(row) for row in rows), None)

    def decide(self, term_id: str, state: DecisionState, *, by: str, reason: str) -> None:
        """Store how it was decided; only after it was read locked."""
        values = {"term_id": term_id, "state": state.value, "by": by, "reason": reason, "now": self._now}
        self._connection.exec_driver_sql(_DECIDE, values)


def list_terms(connection: sa.Connection, *, kind: str | None, state: str | None, limit: int) -> list[Term]:
    """Terms, the newest proposal first."""
    values = {"kind": kind, "state": state, "limit": limit}
    return [_term(row) for row in connection.exec_driver_sql(_LIST, values).mappings()]


def one_term(connection: sa.Connection, term_id: str) -> Term | None:
    """A term as it is."""
    rows = connection.exec_driver_sql(f"{_SELECT} WHERE term_id = %(term_id)s", {"term_id": term_id})
    return next((_term(row) for row in rows.mappings()), None)


def shown(term: Term) -> dict[str, Any]:
    """As people see it: what is said in one row, without what its kind does not have."""
    whole = asdict(term)
    said = {name: value for name, value in whole.pop("said").items() if value is not None}
    return {"term_id": whole.pop("term_id"), **said, **whole}


def _term(row: Mapping[Any, Any]) -> Term:
    said = {name: row[name] for name in _SAID}
    said["kind"] = TermKind(row["kind"])
    said["holidays"] = None if row["holidays"] is None else tuple(row["holidays"])
    decided = {name: row[name] for name in _DECIDED} | {"state": DecisionState(row["state"])}
    return Term(term_id=row["term_id"], said=Said(**said), **decided)
