"""Repository of rule sets: one in force, changed under one lock, parsed once per version and process."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from threading import Lock
from typing import Any, Final

import orjson
import sqlalchemy as sa

from services.risk.adapters import tables
from services.risk.app.ports import StoredRuleSet
from services.risk.domain.rule_set_states import RuleSetState
from services.risk.domain.rules import RuleSet
from shared.kernel.errors import InvariantViolation
from shared.persistence.statements import execute

_COLUMNS: Final = ", ".join(tables.RULE_SET)
_ACTIVE: Final = "SELECT version FROM rule_sets WHERE state = 'ACTIVE'"
_DOCUMENT: Final = "SELECT document::text FROM rule_sets WHERE version = %(version)s"
_GET: Final = f"SELECT {_COLUMNS} FROM rule_sets WHERE version = %(version)s"
_LOCK: Final = "SELECT version FROM rule_sets WHERE state = 'ACTIVE' FOR UPDATE"
_SERIALISE: Final = "SELECT pg_advisory_xact_lock(hashtextextended('rule_sets', 0))"
_PROPOSE: Final = f"""
INSERT INTO rule_sets (version, state, document, based_on_version, proposed_by, proposed_at, reason)
SELECT max(version) + 1, 'PROPOSED', %(document)s::jsonb,
       max(version) FILTER (WHERE state = 'ACTIVE'), %(proposed_by)s, %(now)s, %(reason)s FROM rule_sets
RETURNING {_COLUMNS}
"""
_RETIRE: Final = (
    "UPDATE rule_sets SET state = 'RETIRED', closed_by = %(by)s, closed_at = %(now)s WHERE state = 'ACTIVE'"
)
_ACTIVATE: Final = """
UPDATE rule_sets SET state = 'ACTIVE', approved_by = %(by)s, activated_at = %(now)s
 WHERE version = %(version)s
"""
_REJECT: Final = """
UPDATE rule_sets SET state = 'REJECTED', closed_by = %(by)s, closed_at = %(now)s
 WHERE version = %(version)s
"""


class RulesInMemory:
    """The rules last seen in force, parsed; shared by the transactions of a process. Versions never change."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: RuleSet | None = None

    def of(self, version: int, connection: sa.Connection) -> RuleSet:
        """The parsed rules of a version, read where they are not those seen last."""
        with self._lock:
            known = self._known
        if known is None or known.version != version:
            row = execute(connection, _DOCUMENT, {"version": version}).rows[0]
            known = RuleSet.of(version, orjson.loads(row[0] or "{}"))
            with self._lock:
                self._known = known
        return known


class StoredRuleSets:
    """Rule sets of one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime, memory: RulesInMemory) -> None:
        self._connection = connection
        self._now = now
        self._memory = memory

    def active(self) -> RuleSet:
        """The rules in force as this transaction sees them."""
        rows = execute(self._connection, _ACTIVE).rows
        if not rows:
            raise InvariantViolation("one_rule_set_active", "no rule set is in force")
        return self._memory.of(int(rows[0][0] or 0), self._connection)

    def lock(self) -> int:
        """Let nobody else change what is in force; its version."""
        self._connection.exec_driver_sql(_SERIALISE)
        return int(self._connection.exec_driver_sql(_LOCK).scalar_one())

    def get(self, version: int) -> StoredRuleSet | None:
        """One rule set."""
        row = self._connection.exec_driver_sql(_GET, {"version": version}).mappings().one_or_none()
        return None if row is None else rule_set_from(row)

    def propose(self, *, document: Mapping[str, Any], proposed_by: str, reason: str) -> StoredRuleSet:
        """Add a proposal under the next version."""
        values = {
            "document": orjson.dumps(document, option=orjson.OPT_SORT_KEYS).decode(),
            "proposed_by": proposed_by,
            "now": self._now,
            "reason": reason,
        }
        return rule_set_from(self._connection.exec_driver_sql(_PROPOSE, values).mappings().one())

    def activate(self, version: int, *, approved_by: str) -> None:
        """Retire what is in force and put this one in force."""
        values = {"by": approved_by, "now": self._now, "version": version}
        self._connection.exec_driver_sql(_RETIRE, values)
        self._connection.exec_driver_sql(_ACTIVATE, values)

    def reject(self, version: int, *, closed_by: str) -> None:
        """End a proposal."""
        values = {"by": closed_by, "now": self._now, "version": version}
        self._connection.exec_driver_sql(_REJECT, values)


def rule_set_from(row: Mapping[Any, Any]) -> StoredRuleSet:
    """A row as the use cases see it."""
    values = {column: row[column] for column in tables.RULE_SET} | {"state": RuleSetState(row["state"])}
    return StoredRuleSet(**values)
