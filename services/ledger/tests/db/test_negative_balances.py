"""Available balances below zero: the available of ``/balances``, and since when, whatever snapshots there are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from msgspec.structs import replace

from services.ledger.adapters.negative_balances import SqlNegativeBalances
from services.ledger.adapters.sealing import Sealer
from services.ledger.adapters.snapshotting import Folder
from services.ledger.app.fold_snapshots import Folding
from services.ledger.app.tell_negative import tell_negative
from services.ledger.bootstrap import build
from services.ledger.settings import LedgerSettings
from services.ledger.tests import report
from services.ledger.tests.payloads import Payment
from shared.runtime.settings import load_settings

DAY = timedelta(days=1)
ONE = Payment(1, merchant=1)
NEVER, EAGER, SELDOM = None, Folding(every_seals=1, entries_min=1), Folding(every_seals=3, entries_min=2)
ENTRIES = """
SELECT a.owner, a.currency, greatest(j.booked_at, j.effective_at) AS counted_at, j.effective_at,
       CASE e.side::text WHEN 'credit' THEN e.amount_minor ELSE -e.amount_minor END
  FROM entries e JOIN journals j ON j.position = e.journal_position JOIN accounts a ON a.account_id = e.account_id
 WHERE a.family = 'merchant_available' ORDER BY counted_at, j.position, e.line
"""


def settle(ledger, folding):
    Sealer(ledger.transactions).turn()
    if folding:
        Folder(ledger.transactions, folding).turn()


def listed(ledger, now):
    found = SqlNegativeBalances(ledger.engine).negative_balances(now, 1_000)
    return [(one.merchant_id, one.currency, one.balance_minor, one.since) for one in found.balances]


def plainly(ledger, now):
    """Every entry one after another: who is below zero, and with which it fell there for good."""
    found = {}
    for owner, currency, counted_at, effective_at, net_minor in ledger.rows(ENTRIES):
        if effective_at < now:
            balance_minor, since = found.get((owner, currency), (0, None))
            after_minor = balance_minor + int(net_minor)
            fell = counted_at if balance_minor >= 0 else since
            found[owner, currency] = (after_minor, fell if after_minor < 0 else None)
    rows = [(*account, balance, since) for account, (balance, since) in found.items() if balance < 0]
    return sorted(rows, key=lambda row: (row[3], row[0], row[1]))


@pytest.mark.parametrize("folding", [NEVER, EAGER])
def test_money_that_comes_later_covers_nothing_yet(ledger, folding):
    now = datetime.now(UTC)
    steps = [
        (ONE.captured(500), now - DAY),
        (replace(report.settled(ONE, 500), available_on=now + DAY), now),
        (ONE.refund_requested(300), now - DAY),
        (ONE.refund_requested(250, 1), now + 2 * DAY),
    ]
    for payload, time in steps:
        ledger.tell(payload, time=time)
        settle(ledger, folding)
    booked = ledger.rows("SELECT booked_at FROM journals WHERE amount_minor = 300")[0][0]
    later = datetime.now(UTC)
    assert listed(ledger, later) == [(ONE.merchant_id, "EUR", -300, booked)]
    assert listed(ledger, now + 1.5 * DAY) == []
    assert listed(ledger, now + 3 * DAY) == [(ONE.merchant_id, "EUR", -50, now + 2 * DAY)]


@pytest.mark.parametrize("folding", [NEVER, EAGER, SELDOM])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_what_every_entry_says_at_any_time(ledger, folding, seed):
    random = Random(seed)  # noqa: S311  # draws a history, guards nothing
    now = datetime.now(UTC)
    for number in range(1, 31):
        payment = Payment(number, merchant=random.randint(1, 2))
        days = random.choice([-2, -1, 0, 0, 1, 2, 5]) * DAY
        amount = random.randint(1, 1_000)
        if random.random() < 0.5:
            ledger.tell(payment.captured(amount), time=now - DAY)
            ledger.tell(replace(report.settled(payment, amount), available_on=now + days))
        else:
            ledger.tell(payment.refund_requested(amount, fee_returned_minor=amount % 3), time=now + days)
        if random.random() < 0.7:
            settle(ledger, folding)
    seen = 0
    for at in (now - 1.5 * DAY, datetime.now(UTC), *(now + nth * DAY / 2 for nth in range(1, 13))):
        expected = plainly(ledger, at)
        assert listed(ledger, at) == expected, at
        seen += len(expected)
        totals = SqlNegativeBalances(ledger.engine).negative_totals(at)
        assert totals == SqlNegativeBalances(ledger.engine).negative_balances(at, 1).totals
        assert sum(total.owed_minor for total in totals) == -sum(row[2] for row in expected)
    assert seen


def test_the_metric_does_not_wait_for_the_sum_of_the_books(ledger, ledger_urls, monkeypatch):
    """That sum grows with the books until the time limit ends it; merchants' debts are looked up by a role of its own."""
    ledger.tell(ONE.refund_requested(300), time=datetime.now(UTC) - DAY)
    told = []
    monkeypatch.setattr("services.ledger.bootstrap._tell_negative", lambda *said: told.append(said[:2]))
    monkeypatch.setattr(
        "services.ledger.bootstrap.check_balance", lambda *_: pytest.fail("the books are large")
    )
    environment = {"LEDGER_DATABASE_URL": ledger_urls.app, "LEDGER_RELAY_DATABASE_URL": ledger_urls.app}
    runtime = build(load_settings(LedgerSettings, environment))
    try:
        runtime.roles["work.negatives"]().turn()
    finally:
        runtime.close()
    assert told == [("EUR", 300)]


def test_zero_is_told_as_well_though_nothing_has_taken_effect_yet(ledger):
    ledger.tell(ONE.reversal_given_back(600, 9), time=datetime.now(UTC) + DAY)
    told = []
    tell_negative(SqlNegativeBalances(ledger.engine), datetime.now(UTC), lambda *all_: told.append(all_))
    assert told == [("EUR", 0, 0.0)]
