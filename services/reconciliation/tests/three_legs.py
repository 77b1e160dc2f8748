"""Writes the three legs of small worlds: our items as events tell them, lines, payouts and the bank's lines."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa

from services.reconciliation.app.our_side import hear_event
from services.reconciliation.app.run_matching import RunKind, run_matching
from services.reconciliation.tests.agreed import agree_before

T0 = datetime(2026, 11, 2, 9, tzinfo=UTC)
"""A Monday."""
LATER = T0 + timedelta(days=1)
MERCHANT = "mer_" + "1" * 26
ALPHA = {"processor": "alpha", "account": "acct_alpha"}

_DECLARE = """
INSERT INTO sources (source, kind, format, processor, account, bank_account, options, declared_by, declared_at,
                     changed_at)
VALUES ('alpha_report', 'settlement', 'tieout_csv', 'alpha', 'acct_alpha', NULL, '{}', 'ada', now(), now()),
       ('bank', 'bank', 'camt053', NULL, NULL, 'main', '{}', 'ada', now(), now())
"""
_FILE = """
INSERT INTO report_files (file_id, source, sha256, name, byte_count, state, received_at, received_by)
VALUES ('file_' || :source, :source, sha256(:source ::bytea), 'a file', 1, 'RECEIVED', now(), 'ada')
"""
_LINE = """
INSERT INTO settlement_lines (source, line_id, revision, file_id, line_number, payout_id, category, type_text,
    object_id, parent_object_id, our_reference, currency, gross_minor, fee_currency, fee_minor, net_currency,
    net_minor, exchange_rate, fee_in_net_currency_minor, occurred_at, available_on, bank_reference, withdrawn)
VALUES ('alpha_report', :line_id, :revision, 'file_alpha_report', 1, :payout_id, :category, :category, :object_id,
    NULL, :our_reference, :currency, :gross, :currency, :fee, :currency, :gross - :fee, NULL, NULL, :occurred_at,
    :occurred_at, NULL, :withdrawn)
"""
_ANNOUNCE = """
INSERT INTO announced_lines (source, line_id, revision, event_key, event_id, announced_at)
VALUES ('alpha_report', :line_id, :revision, 'alpha_report:' || :line_id, :event_id, now())
"""
_PAYOUT = """
INSERT INTO payouts (processor, account, payout_id, currency, source, stated_net_minor, lines_net_minor, line_count,
                     closed_at, bank_reference, expected_on)
VALUES ('alpha', 'acct_alpha', :payout_id, :currency, 'alpha_report', :net, :net, 1, :closed_at, :bank_reference,
        :expected_on)
"""
_BANK = """
INSERT INTO bank_lines (source, line_id, revision, file_id, line_number, statement_id, account_number, currency,
                        amount_minor, booked_on, value_on, "references", text, returned)
VALUES ('bank', :line_id, 1, 'file_bank', 1, 'st_1', 'DE1', :currency, :amount, :value_on, :value_on, :refs, 'x',
        :returned)
"""


def pay(number: int) -> str:
    """A payment's id."""
    return f"pay_{number:026d}"


def op(number: int) -> str:
    """An operation's id."""
    return f"op_{number:026d}"


class World:
    """One database with two sources declared."""

    def __init__(self, desk) -> None:
        self.desk = desk
        self._events = 0
        self._sql(_DECLARE)
        for source in ("alpha_report", "bank"):
            self._sql(_FILE, source=source)

    def told(self, event_type: str, number: int, amount: int, *, at: datetime = T0, **changes) -> None:
        """One event of payment ``number``, heard as the consumer hears it."""
        self._events += 1
        object_id = changes.get("object_id", f"cap_{number}")
        fields = {
            "payment_id": pay(number),
            "merchant_id": MERCHANT,
            "operation_id": op(number),
            **ALPHA,
            "object_id": object_id,
            "fact_key": f"{object_id}:{event_type}",
            "amount_minor": amount,
            "currency": "EUR",
            "fee_minor": 0,
            "effective_at": at,
        } | changes
        if not amount:
            del fields["amount_minor"], fields["currency"]
        event_id = f"evt_{self._events:026d}"
        self.desk.run(
            lambda uow: hear_event(event_type, fields, event_id=event_id, told_at=at, side=uow.our_side)
        )

    def captured(self, number: int, amount: int, **changes) -> None:
        """A capture of payment ``number``."""
        self.told("PaymentCaptured", number, amount, **changes)

    def line(self, line_id: str, gross: int, *, announced: bool = True, **changes) -> None:
        """A line of the report; by default one that is announced, of payout po_1."""
        values = {
            "line_id": line_id, "revision": 1, "payout_id": "po_1", "category": "charge", "object_id": None,
            "our_reference": None, "currency": "EUR", "gross": gross, "fee": 0, "occurred_at": T0, "withdrawn": False,
        } | changes  # fmt: skip
        self._sql(_LINE, **values)
        if announced:
            self.announce(line_id, values["revision"])

    def announce(self, line_id: str, revision: int = 1) -> None:
        """Mark a line as told to the ledger."""
        self._events += 1
        self._sql(_ANNOUNCE, line_id=line_id, revision=revision, event_id=f"evt_l{self._events:025d}")

    def amend(self, line_id: str, gross: int, **changes) -> None:
        """A corrected file says something else of the line."""
        revision = (
            1
            + self.rows(
                "SELECT max(revision) FROM settlement_lines WHERE line_id = :line_id", line_id=line_id
            )[0][0]
        )
        self._sql("UPDATE settlement_lines SET stands = false WHERE line_id = :line_id", line_id=line_id)
        self.line(line_id, gross, revision=revision, **changes)

    def payout(self, payout_id: str, net: int, **changes) -> None:
        """A closed payout."""
        values = {
            "currency": "EUR", "closed_at": T0, "bank_reference": f"ref_{payout_id}", "expected_on": date(2026, 11, 3),
        } | changes  # fmt: skip
        self._sql(_PAYOUT, payout_id=payout_id, net=net, **values)

    def bank_line(self, line_id: str, amount: int, *refs: str, **changes) -> None:
        """A line of the bank's statement."""
        values = {"currency": "EUR", "value_on": date(2026, 11, 3), "returned": False} | changes
        self._sql(_BANK, line_id=line_id, amount=amount, refs=list(refs), **values)

    def agree_fee(self, category: str, *, per_million: int, fixed: int) -> None:
        """What the processor takes by contract."""
        self._agree(
            "agreed_fee", source="alpha_report", category=category, currency="EUR", per_million=per_million,
            fixed_minor=fixed,
        )  # fmt: skip

    def tolerate(self, field: str, tolerance: int) -> None:
        """How much may differ without a break."""
        self._agree(
            "tolerance", source="alpha_report", currency="EUR", field=field, tolerance_minor=tolerance
        )

    def _agree(self, kind: str, **said) -> None:
        """As two people did before anything happened."""
        with self.desk.engine.begin() as connection:
            agree_before(connection, kind, **said)

    def match(self, kind: RunKind = RunKind.INCREMENTAL, *, as_of: datetime = LATER, tell: bool = True):
        """One run, and what it has to tell."""
        run = self.desk.run(lambda uow: run_matching(kind, "test", uow, as_of))
        while tell and self.desk.run(lambda uow: uow.telling.tell()):
            pass
        return run

    def matches(self):
        """Every match: its rule, its lines and its items."""
        return {
            (rule, tuple(lines or ()), tuple(items or ()))
            for rule, lines, items in self.rows(
                "SELECT rule, array_agg(line_id ORDER BY line_id) FILTER (WHERE line_id IS NOT NULL),"
                " array_agg(item_key ORDER BY item_key) FILTER (WHERE item_key IS NOT NULL)"
                " FROM claims GROUP BY match_id, rule"
            )
        }

    def breaks(self, state: str = "OPEN"):
        """Breaks in a state, by what they are about: type and money at risk."""
        found = self.rows("SELECT subject, type, at_risk_minor FROM breaks WHERE state = :state", state=state)
        return {
            subject: (kind, at_risk) for subject, kind, at_risk in found if not subject.startswith("event:")
        }

    def events(self, event_type: str):
        """The payloads of a type that were published, in order."""
        return [
            payload
            for (payload,) in self.rows(
                "SELECT convert_from(payload, 'UTF8')::jsonb FROM outbox WHERE event_type = :event_type"
                " ORDER BY position",
                event_type=event_type,
            )
        ]

    def rows(self, query, **values):
        """Plain reading."""
        return self.desk.rows(query, **values)

    def _sql(self, statement, **values):
        with self.desk.engine.begin() as connection:
            connection.execute(sa.text(statement), values)
