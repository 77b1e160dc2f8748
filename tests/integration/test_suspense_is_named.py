"""What lines leave in the books' suspense is what reconciliation's breaks name, line by line, to the minor unit."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import closing
from datetime import UTC, date, datetime

import pytest
import sqlalchemy as sa

from schemas.catalogue import decode
from services.ledger.domain.chart import SUSPENSE, R, Side
from services.ledger.tests.memory_books import MemoryBooks
from services.reconciliation.adapters.explaining import explained_payouts
from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork
from services.reconciliation.app.announce_lines import announce_lines
from services.reconciliation.app.run_matching import RunKind, run_matching
from services.reconciliation.domain.sources import Source, SourceKind
from services.reconciliation.tests.reports import declare, payout, report, take_in
from services.reconciliation.tests.writers import csv_bytes, major, stripe_payout, stripe_row, tieout_row
from shared.kernel.clock import SystemClock
from shared.kernel.ids import UlidIds
from shared.persistence.engine import make_engine
from shared.persistence.unit_of_work import Transactions
from tools.auditor.copying import queries_of
from tools.auditor.scratch import Scratch
from tools.auditor.three_legs import CHECKS

pytestmark = pytest.mark.db
STRIPE = Source(
    source="stripe", kind=SourceKind.SETTLEMENT, format="stripe_payout_csv", processor="stripe", account="acct_1",
    options={},
)  # fmt: skip


PARTS = (
    "charges_minor", "refunds_minor", "disputes_minor", "reversals_minor", "reserves_minor", "adjustments_minor",
    "exchanged_minor", "unexplained_minor",
)  # fmt: skip


class Desk:
    """Reconciliation on a database of its own, and the books of what it told."""

    def __init__(self, engine):
        self.engine = engine
        self.transactions = Transactions(
            engine, ReconciliationUnitOfWork, source="/tieout/reconciliation", clock=SystemClock(), ids=UlidIds()
        )  # fmt: skip

    def run(self, work):
        return self.transactions.run(work, name="test")

    def rows(self, query, **values):
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query), values)]

    def match(self, kind=RunKind.INCREMENTAL):
        while self.run(announce_lines):
            pass
        return self.run(lambda uow: run_matching(kind, "test", uow, datetime.now(UTC)))

    def explained(self):
        first, last = date(2026, 11, 1), date(2026, 12, 31)
        return self.run(lambda uow: explained_payouts(uow.connection, first, last, payout_id=None, limit=10))

    def books(self):
        books = MemoryBooks()
        for event_type, payload in self.rows(
            "SELECT event_type, payload FROM outbox WHERE event_type LIKE 'SettlementLine%' ORDER BY position"
        ):
            event = decode("reconciliation.events", event_type, bytes(payload))
            books.post(
                event_type.partition(".")[0], {name: getattr(event, name) for name in event.__struct_fields__}
            )
        return books

    def suspense(self):
        """By line and currency, what waits there."""
        waits = Counter()
        for entry in self.books().entries():
            if entry.account.family == SUSPENSE.name:
                sign = 1 if entry.side is Side.CREDIT else -1
                waits[entry.clearing_key, entry.account.currency] += sign * entry.amount_minor
        return {key: minor for key, minor in waits.items() if minor}

    def named(self):
        """By line and currency, what the breaks say is more than we can explain of what was settled."""
        named = Counter()
        for subject, currency, minor, at_risk_minor in self.rows(
            "SELECT subject, currency, theirs_minor - ours_minor, at_risk_minor FROM breaks"
            " WHERE state = 'OPEN' AND (subject LIKE 'residue:%' OR subject IN ("
            "   SELECT 'line:' || source || ':' || line_id FROM settlement_lines WHERE category IN ('other', 'reserve')))"
        ):
            assert at_risk_minor == abs(minor) > 0
            named["line:" + subject.partition(":")[2], currency] += minor
        return dict(named)

    def audited(self):
        """The lines that the auditor finds no name for, which shares nothing with the ledger or the runs."""
        (check,) = [check for check in CHECKS if check.name == "I26.suspense_is_named"]
        entries = [
            (1, number, e.account.family, e.account.owner, e.account.currency, e.clearing_key,
             e.amount_minor if e.side is Side.DEBIT else -e.amount_minor)
            for number, e in enumerate(self.books().entries())
        ]  # fmt: skip
        with closing(Scratch()) as scratch, self.engine.connect() as connection:
            driver = connection.connection.driver_connection
            for table, query in queries_of("reconciliation"):
                scratch.fill(table, driver.execute(query.encode()).fetchall())
            scratch.fill("entries", entries)
            scratch.finish()
            found = scratch.ask(check)
            assert found.checked
            return sorted(row["line_key"] for row in found.violations)


@pytest.fixture
def desk(service_database):
    engine = make_engine(
        service_database("reconciliation").app, application_name="suspense-test", pool_size=4
    )
    yield Desk(engine)
    engine.dispose()


def paid_in(number, currency, minor, settled_minor, **more):
    """A row of Stripe's report of a charge in another currency than it settled in, in euros."""
    return stripe_row(
        number, minor=settled_minor, customer_facing_amount=major(minor, currency),
        customer_facing_currency=currency.lower(), **more,
    )  # fmt: skip


def test_an_exchange_of_which_stripe_states_both_amounts_leaves_nothing_in_suspense(desk):
    declare(desk, STRIPE)
    rows = [
        paid_in(1, "USD", 5_000, 4_621),
        paid_in(2, "JPY", 12_000, 7_347),
        paid_in(3, "KWD", 12_345, 3_701_234),
        paid_in(4, "USD", -5_000, -4_623, category="refund", fee_minor=0),
    ]
    net = sum(round(float(row["net"]) * 100) for row in rows)
    more = {"customer_facing_amount": "", "customer_facing_currency": ""}
    file = take_in(desk, csv_bytes([*rows, stripe_payout(9, "po_1", net) | more]), source="stripe")
    assert (file.state, file.quarantined_count) == ("STAGED", 0)
    desk.match()
    assert desk.suspense() == desk.named() == {}
    claimed = Counter()
    for entry in desk.books().entries():
        if entry.account.family == R.name:
            sign = 1 if entry.side is Side.CREDIT else -1
            claimed[entry.account.currency] += sign * entry.amount_minor
    # What customers paid is what is claimed of the processor no more.
    assert claimed == {"USD": 0, "JPY": 12_000, "KWD": 12_345}


def test_an_exchange_without_amounts_to_tell_its_rate_by_is_named(desk):
    declare(desk, STRIPE)
    take_in(desk, csv_bytes([paid_in(1, "USD", 0, 4_621), paid_in(2, "USD", 5_000, 4_621)]), source="stripe")
    desk.match()
    assert desk.suspense() == desk.named() == {("line:stripe:txn_1", "EUR"): 4_621}


@pytest.mark.parametrize("kind", list(RunKind))
def test_a_rate_that_does_not_make_the_net_of_the_gross_is_named(desk, kind):
    declare(desk)
    rows = payout(
        "po_1", (1, _exchange("0.92", "90.00")), (2, _exchange("0.92", "92.01")), (3, _exchange("", "92.00"))
    )
    take_in(desk, report(rows))
    desk.match(kind)
    assert desk.suspense() == desk.named() == {
        ("line:alpha:txn_1", "EUR"): -200, ("line:alpha:txn_3", "EUR"): 9_200,
    }  # fmt: skip
    assert {kind for (kind,) in desk.rows("SELECT type FROM breaks WHERE subject LIKE 'residue:%'")} == {
        "amount_mismatch"
    }


def test_a_rate_that_is_corrected_closes_its_break_before_and_after_the_line_was_told(desk):
    declare(desk)
    rows = [[tieout_row(1, "po_1", **_exchange(rate, "92.00"))] for rate in ("0.82", "0.92", "", "0.920")]
    for rows_of_file, left in zip(rows, ([1_000], [], [9_200], []), strict=True):
        take_in(desk, report(rows_of_file))
        desk.run(lambda uow: run_matching(RunKind.INCREMENTAL, "test", uow, datetime.now(UTC)))
        assert list(desk.named().values()) == left
    take_in(desk, report(payout("po_1", (1, _exchange("0.82", "92.00")))))
    desk.match()
    assert desk.suspense() == desk.named() == {("line:alpha:txn_1", "EUR"): 1_000}
    take_in(desk, report(payout("po_1", (1, _exchange("0.92", "92.00")))))
    desk.match()
    assert desk.suspense() == desk.named() == {}


def _exchange(rate, net):
    return {
        "currency": "USD", "fee_minor": 0, "fee_currency": "EUR", "net_currency": "EUR", "net": net, "exchange_rate": rate,
        "fee_in_net_currency": "",
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_lines_of_any_kind_and_rate_are_named_as_the_ledger_books_them(desk, seed):
    dice = random.Random(seed)  # noqa: S311 - a seed must replay
    declare(desk)
    rows = [_any_row(dice, number) for number in range(300)]
    take_in(desk, report([row for row in rows if row is not None]))
    totals = [
        row | {"fee_in_net_currency": "", "exchange_rate": "", "fee_currency": code, "net_currency": code}
        for code, row in (
            (code, tieout_row(f"t_{code}", "po_1", currency=code, minor=0, fee_minor=0, category="payout"))
            for code in ("EUR", "USD", "JPY", "KWD")
        )
    ]
    take_in(desk, report(totals))
    desk.match()
    waits = desk.suspense()
    assert waits == desk.named()
    assert len(waits) > 50
    assert desk.audited() == []
    for row in desk.explained():
        parts = sum(row[name] for name in PARTS) - row["fees_minor"]
        assert parts == row["stated_net_minor"] == row["lines_net_minor"] + row["unread_minor"]
    assert set(desk.books().net_minor().values()) == {0}


def _any_row(dice, number):
    """A row of our own format whose rate may fit, may be coarse, missing, wrong or none at all."""
    gross_currency, net_currency, third = dice.sample(("EUR", "USD", "JPY", "KWD"), 3)
    worth = {"EUR": 100, "USD": 92, "JPY": 0.61, "KWD": 300}
    scale = {"EUR": 2, "USD": 2, "JPY": 0, "KWD": 3}
    rate = worth[gross_currency] / worth[net_currency]
    minor = dice.choice((-1, 1)) * dice.choice((1, 99, 12_345, 98_765_432))
    made = minor * rate * 10 ** (scale[net_currency] - scale[gross_currency])
    net_minor = round(made * dice.choice((1, 1, 1, 1.0004, 1.002, 0.9))) + dice.choice((0, 1, -1, 2))
    text = f"{rate:.{dice.choice((1, 3, 4, 8))}f}"
    said = {"currency": gross_currency, "minor": minor, "fee_minor": 0, "fee_currency": gross_currency}
    said |= dice.choice(
        (
            {},
            {"fee_currency": net_currency},
            {"fee_currency": net_currency, "fee": major(7, net_currency)},
            {"fee": major(3, gross_currency)},
            {"fee_currency": third, "fee": major(5, third), "fee_in_net_currency": major(4, net_currency)},
        )
    )
    category = dice.choice(("charge", "refund", "dispute", "reversal", "reserve", "other"))
    return {
        **tieout_row(number, "po_1", category=category, **said | {"net_currency": net_currency}),
        "net": major(net_minor, net_currency),
        "exchange_rate": dice.choice((text, text, text, "", "0", "20261202153000", "1")),
        "fee_in_net_currency": said.get("fee_in_net_currency", ""),
    }


def test_an_audit_notices_what_waits_without_a_name_or_under_another_amount(desk):
    declare(desk)
    take_in(desk, report(payout("po_1", (1, _exchange("0.82", "92.00")), (2, _exchange("0.72", "92.00")))))
    desk.match()
    assert desk.audited() == []
    with desk.engine.begin() as connection:
        for change, line_id in (
            ("state = 'SELF_CLOSED'", "txn_1"),
            ("theirs_minor = theirs_minor + 1", "txn_2"),
        ):
            connection.exec_driver_sql(
                f"UPDATE breaks SET {change} WHERE subject = 'residue:alpha:{line_id}'"
            )
    assert desk.audited() == ["alpha:txn_1", "alpha:txn_2"]
