"""The queries behind the reads, and what the worker forgets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from services.risk.adapters import tables
from services.risk.adapters.rule_sets import rule_set_from
from services.risk.app.views import DecisionView, RuleSetView
from services.risk.domain.limits import WINDOW_MAX

_RULE_SETS: Final = (
    f"SELECT {', '.join(tables.RULE_SET)} FROM rule_sets ORDER BY version DESC LIMIT %(limit)s"
)
_DECISIONS: Final = """
SELECT decision_id, payment_id, operation_id, operation_type, payment_version, rule_set_version, decision, reasons,
       amount_minor, currency, decided_at FROM decisions
 WHERE payment_id = %(payment_id)s ORDER BY decision_id
"""
_FORGET: Final = """
DELETE FROM attempts WHERE operation_id IN
 (SELECT operation_id FROM attempts WHERE at < %(before)s ORDER BY at LIMIT %(limit)s)
"""
FORGET_BATCH: Final = 5_000
_SPARE: Final = timedelta(days=1)


def list_rule_sets(connection: sa.Connection, limit: int) -> Sequence[RuleSetView]:
    """Rule sets, newest first."""
    rows = connection.exec_driver_sql(_RULE_SETS, {"limit": limit}).mappings()
    return [RuleSetView.of(rule_set_from(row)) for row in rows]


def decisions_of(connection: sa.Connection, payment_id: str) -> Sequence[DecisionView]:
    """A payment's decisions, oldest first."""
    rows = connection.exec_driver_sql(_DECISIONS, {"payment_id": payment_id}).mappings()
    return [DecisionView(**row) for row in rows]


def forget_attempts(connection: sa.Connection, now: datetime) -> bool:
    """Drop attempts that have left the longest window that a rule may have; true where there may be more."""
    values = {"before": now - WINDOW_MAX - _SPARE, "limit": FORGET_BATCH}
    return connection.exec_driver_sql(_FORGET, values).rowcount >= FORGET_BATCH
