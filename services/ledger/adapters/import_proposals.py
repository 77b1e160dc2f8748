"""Proposals of imports in PostgreSQL: one row each, of the same bytes one that stands; and the list for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from services.ledger.app.propose_import import ImportProposal
from shared.kernel.decisions import DecisionState

_COLUMNS: Final = (
    "import_id, file_sha256, file_name, lines, journals, totals, reason, state, proposed_by, proposed_at, decided_by,"
    " decided_at, decision_reason"
)
_FIND: Final = f"""
SELECT {_COLUMNS} FROM import_proposals WHERE file_sha256 = %(file_sha256)b
 ORDER BY (state <> 'REJECTED') DESC, import_id DESC LIMIT 1
"""
_ADD: Final = """
INSERT INTO import_proposals (import_id, file_sha256, file_name, lines, journals, totals, reason, state, proposed_by,
                              proposed_at)
VALUES (%(import_id)s, %(file_sha256)b, %(file_name)s, %(lines)s, %(journals)s, %(totals)s::jsonb, %(reason)s,
        'PROPOSED', %(proposed_by)s, %(proposed_at)s)
"""
_DECIDE: Final = """
UPDATE import_proposals SET state = %(state)s, decided_by = %(by)s, decided_at = %(now)s, decision_reason = %(reason)s
 WHERE import_id = %(import_id)s
"""
# What one person brought before two had to has no proposal.
_LIST: Final = """
SELECT import_id, coalesce(p.file_name, i.file_name) AS file_name, coalesce(p.journals, i.journals) AS journals,
       p.totals, p.state, p.proposed_by, p.proposed_at, p.reason, p.decided_by, p.decided_at, i.begun_by, i.begun_at,
       i.finished_at, i.booked, encode(coalesce(p.file_sha256, i.file_sha256), 'hex') AS file_sha256
  FROM import_proposals p FULL JOIN imports i USING (import_id)
 ORDER BY import_id DESC LIMIT %(limit)s
"""
_TURN: Final = "SELECT pg_advisory_xact_lock(hashtextextended('propose import', 0))"


class StoredImportProposals:
    """Proposals as one transaction sees them."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def find(self, file_sha256: bytes) -> ImportProposal | None:
        """The proposal of these bytes that stands, else the last one that was rejected.

        Proposing and deciding take turns, so that of two who give the same bytes the second finds the first's.
        """
        self._connection.exec_driver_sql(_TURN)
        row = self._connection.exec_driver_sql(_FIND, {"file_sha256": file_sha256}).mappings().one_or_none()
        return None if row is None else _proposal(row)

    def add(self, proposal: ImportProposal) -> None:
        """Store a proposal."""
        self._connection.exec_driver_sql(
            _ADD,
            {
                "import_id": proposal.import_id,
                "file_sha256": proposal.file_sha256,
                "file_name": proposal.file_name,
                "lines": proposal.lines,
                "journals": proposal.journals,
                "totals": json.dumps(dict(proposal.totals), sort_keys=True),
                "reason": proposal.reason,
                "proposed_by": proposal.proposed_by,
                "proposed_at": proposal.proposed_at,
            },
        )

    def decide(self, import_id: str, state: DecisionState, *, by: str, reason: str) -> None:
        """Store what somebody decided."""
        values = {
            "import_id": import_id,
            "state": state.value,
            "by": by,
            "reason": reason,
            "now": self._now,
        }
        self._connection.exec_driver_sql(_DECIDE, values)


def list_imports(connection: sa.Connection, limit: int) -> list[dict[str, Any]]:
    """Proposals and what became of them, newest first."""
    return [dict(row) for row in connection.exec_driver_sql(_LIST, {"limit": limit}).mappings()]


def _proposal(row: Mapping[Any, Any]) -> ImportProposal:
    return ImportProposal(
        **{**row, "file_sha256": bytes(row["file_sha256"]), "state": DecisionState(row["state"])}
    )
