"""Terms for tests of what they do: agreed by two people before anything happened, in plain SQL and two steps."""

from __future__ import annotations

import sqlalchemy as sa

from shared.kernel.ids import UlidIds

_IDS = UlidIds()


def agree_before(connection: sa.Connection, kind: str, **said: object) -> None:
    """A term of this kind, with the columns of ``terms`` that it says, in force for ever."""
    term_id, names = _IDS.new("trm_"), sorted(said)
    values = ", ".join(f":{name}" for name in names)
    connection.execute(
        sa.text(
            f"INSERT INTO terms (term_id, kind, valid_from, ended, {', '.join(names)}, state, reason, proposed_by,"
            f" proposed_at) VALUES (:term_id, :kind, 'epoch', false, {values}, 'PROPOSED', 'a test', 'ada', 'epoch')"
        ),
        {"term_id": term_id, "kind": kind, **said},
    )
    connection.execute(
        sa.text(
            "UPDATE terms SET state = 'APPROVED', decided_by = 'bob', decided_at = 'epoch', decision_reason = 'a test'"
            " WHERE term_id = :term_id"
        ),
        {"term_id": term_id},
    )
