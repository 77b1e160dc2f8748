"""Repository of adjustments, and what their approval is checked against, in the transaction that books them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
import sqlalchemy as sa

from services.ledger.adapters.balances import balance_in
from services.ledger.adapters.clearing import net_under
from services.ledger.adapters.publishing import TOPIC
from services.ledger.app.moments import EVERYTHING, Moment
from services.ledger.domain.adjustment_templates import TEMPLATES
from services.ledger.domain.adjustments import Adjustment, Proposed, Withdrawal
from services.ledger.domain.chart import CHART, AccountRef, Owner
from shared.kernel.decisions import DecisionState
from shared.persistence.outbox_sql import WITH_DAYS

_COLUMNS: Final = (
    "adjustment_id", "template", "parameters", "amount_minor", "currency", "reason", "attachment",
    "reverses_adjustment_id", "asked_event_id", "state", "proposed_by", "proposed_at", "decided_by", "decided_at",
    "decision_reason", "journal_id",
)  # fmt: skip
_SELECT: Final = f"SELECT {', '.join(_COLUMNS)} FROM adjustments"
_ONE: Final = f"{_SELECT} WHERE adjustment_id = %(adjustment_id)s"
_ASKED_FOR: Final = f"{_SELECT} WHERE asked_event_id = %(asked_event_id)s FOR UPDATE"
_WITHDRAW: Final = """
INSERT INTO withdrawn_proposals (asked_event_id, event_id, break_id, reason, withdrawn_by, heard_at)
VALUES (%(asked_event_id)s, %(event_id)s, %(break_id)s, %(reason)s, %(withdrawn_by)s, %(now)s)
"""
_IS_WITHDRAWN: Final = (
    "SELECT EXISTS (SELECT FROM withdrawn_proposals WHERE asked_event_id = %(asked_event_id)s)"
)
_LIST: Final = f"""{_SELECT}
 WHERE (%(state)s::text IS NULL OR state = %(state)s) ORDER BY adjustment_id DESC LIMIT %(limit)s
"""
_ADD: Final = """
INSERT INTO adjustments (adjustment_id, template, parameters, amount_minor, currency, reason, attachment,
                         reverses_adjustment_id, asked_event_id, state, proposed_by, proposed_at)
VALUES (%(adjustment_id)s, %(template)s, %(parameters)s::jsonb, %(amount_minor)s, %(currency)s, %(reason)s,
        %(attachment)s, %(reverses)s, %(asked)s, 'PROPOSED', %(by)s, %(at)s)
"""
_DECIDE: Final = """
UPDATE adjustments SET state = %(state)s, decided_by = %(by)s, decided_at = %(at)s, decision_reason = %(reason)s,
       journal_id = %(journal_id)s
 WHERE adjustment_id = %(adjustment_id)s
"""
_ASKED: Final = "SELECT EXISTS (SELECT FROM adjustments WHERE asked_event_id = %(asked)s)"
# What is told first of a proposal is told because of it.
_ANSWERED: Final = f"""
{WITH_DAYS}
SELECT coalesce(convert_from(told.payload, 'UTF8')::jsonb ->> 'outcome', '') FROM days, LATERAL (
    SELECT o.payload FROM outbox o WHERE o.created_on = days.day AND o.topic = %(topic)s AND o.key = %(break_id)s
       AND o.cause_id = %(asked)s LIMIT 1) AS told
 WHERE EXISTS (SELECT FROM outbox_streams WHERE topic = %(topic)s AND key = %(break_id)s) LIMIT 1
"""
_REVERSAL: Final = """
SELECT adjustment_id FROM adjustments WHERE reverses_adjustment_id = %(adjustment_id)s AND state <> 'REJECTED'
"""
_LAST: Final = """
SELECT max(decided_at) FROM adjustments
 WHERE state = 'APPROVED' AND template = ANY(%(floored)s) AND reverses_adjustment_id IS NULL
   AND parameters ->> 'merchant_id' = %(owner)s AND currency = %(currency)s
"""
_HELD: Final = "SELECT currency FROM accounts WHERE family = ANY(%(families)s) AND owner = %(owner)s"
_FLOORED: Final = [name for name, template in TEMPLATES.items() if template.floor is not None]
# The same key as in the trigger: whoever comes by plain SQL waits, too.
_TURN: Final = "SELECT pg_advisory_xact_lock(hashtextextended('commanded:' || %(name)s, 0))"


class StoredAdjustments:
    """Adjustments of one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def get(self, adjustment_id: str, *, locked: bool = False) -> Adjustment | None:
        """One adjustment; ``locked``: nobody else decides or reverses it until this transaction ends."""
        query = _ONE + (" FOR UPDATE" if locked else "")
        row = (
            self._connection.exec_driver_sql(query, {"adjustment_id": adjustment_id}).mappings().one_or_none()
        )
        return None if row is None else _adjustment(row)

    def is_asked(self, asked_event_id: str) -> bool:
        """Whether one is kept for this proposal of reconciliation."""
        return bool(self._connection.exec_driver_sql(_ASKED, {"asked": asked_event_id}).scalar_one())

    def answered(self, asked_event_id: str, break_id: str) -> str | None:
        """The outcome that these books have told of it first; what this transaction tells is not looked at."""
        values = {"topic": TOPIC, "break_id": break_id, "asked": asked_event_id}
        found = self._connection.exec_driver_sql(_ANSWERED, values).scalar_one_or_none()
        return None if found is None else str(found)

    def add(self, adjustment_id: str, proposed: Proposed, *, by: str, at: datetime) -> None:
        """Store a proposal of somebody, made at a time."""
        values = {
            "adjustment_id": adjustment_id,
            "template": proposed.template,
            "parameters": orjson.dumps(dict(proposed.parameters), option=orjson.OPT_SORT_KEYS).decode(),
            "amount_minor": proposed.amount_minor,
            "currency": proposed.currency,
            "reason": proposed.reason,
            "attachment": proposed.attachment,
            "reverses": proposed.reverses_adjustment_id,
            "asked": proposed.asked_event_id,
            "by": by,
            "at": at,
        }
        self._connection.exec_driver_sql(_ADD, values)

    def decide(self, decided: Adjustment) -> None:
        """Store how it was decided."""
        values = {
            "adjustment_id": decided.adjustment_id,
            "state": decided.state.value,
            "by": decided.decided_by,
            "at": decided.decided_at,
            "reason": decided.decision_reason,
            "journal_id": decided.journal_id,
        }
        self._connection.exec_driver_sql(_DECIDE, values)

    def asked_for(self, asked_event_id: str) -> Adjustment | None:
        """The one that was kept for a proposal of reconciliation, locked."""
        rows = self._connection.exec_driver_sql(_ASKED_FOR, {"asked_event_id": asked_event_id}).mappings()
        return next((_adjustment(row) for row in rows), None)

    def withdraw(self, said: Withdrawal) -> None:
        """Remember that a proposal is wanted no more."""
        self._connection.exec_driver_sql(_WITHDRAW, asdict(said) | {"now": self._now})

    def is_withdrawn(self, asked_event_id: str) -> bool:
        """Whether a proposal is wanted no more."""
        values = {"asked_event_id": asked_event_id}
        return bool(self._connection.exec_driver_sql(_IS_WITHDRAWN, values).scalar_one())

    def reversal_of(self, adjustment_id: str) -> str | None:
        """The adjustment that reverses this one, proposed or approved."""
        found = self._connection.exec_driver_sql(_REVERSAL, {"adjustment_id": adjustment_id}).scalar()
        return None if found is None else str(found)

    def currencies_held(self, kind: Owner, owner: str) -> Collection[str]:
        """In which currencies there is any account of this owner."""
        families = [family.name for family in CHART if family.owner is kind]
        values = {"families": families, "owner": owner}
        return set(self._connection.exec_driver_sql(_HELD, values).scalars())

    def take_turns(self, names: Collection[str]) -> None:
        """Queue behind other commanded movements of the same names; posting facts takes no such lock."""
        for name in sorted(names):
            self._connection.exec_driver_sql(_TURN, {"name": name})

    def available_minor(self, account: AccountRef) -> int:
        """The lesser of what has taken effect and of all that is booked.

        Whoever waited for a turn began earlier than the one who had it: by effect its movement counts, too.
        """
        last = self._connection.exec_driver_sql(_LAST, {**account._asdict(), "floored": _FLOORED}).scalar()
        until = self._now if last is None else max(self._now, last + timedelta(microseconds=1))
        by_now = balance_in(self._connection, account, Moment(effective_before=until))
        return min(by_now, balance_in(self._connection, account, EVERYTHING))

    def balances_minor(self, account: AccountRef) -> tuple[int, int]:
        """By what has taken effect by now, and by all that is booked."""
        by_now = balance_in(self._connection, account, Moment(effective_before=self._now))
        return by_now, balance_in(self._connection, account, EVERYTHING)

    def open_minor(self, account: AccountRef, clearing_key: str) -> int:
        """Debits less credits that count under a clearing key."""
        return net_under(self._connection, account, clearing_key)


def list_adjustments(connection: sa.Connection, state: str | None, limit: int) -> list[Adjustment]:
    """Adjustments, newest first."""
    rows = connection.exec_driver_sql(_LIST, {"state": state, "limit": limit}).mappings()
    return [_adjustment(row) for row in rows]


def _adjustment(row: Mapping[Any, Any]) -> Adjustment:
    values = {column: row[column] for column in _COLUMNS}
    return Adjustment(**{**values, "state": DecisionState(row["state"])})
