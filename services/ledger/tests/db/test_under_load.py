"""Payouts beside facts, all from one merchant and spread over 10,000: no deadlock, nothing lost, every floor holds."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest
import sqlalchemy as sa

from services.ledger.tests import import_lines, report
from services.ledger.tests.bringing import bring
from services.ledger.tests.db.adjusting import approve, propose
from services.ledger.tests.db.conftest import Ledger
from services.ledger.tests.payloads import Payment, ident
from shared.kernel.errors import Rejected
from shared.persistence.engine import make_engine

pytestmark = pytest.mark.db
FUNDED = 1_000
PEOPLE, PAYOUTS = 4, 40
CONSUMERS, BATCHES, FACTS = 2, 8, 60
#: What every merchant had behind each of its journals, in the order of the books.
LOWEST = """
SELECT min(left_minor) FROM (
    SELECT sum(CASE e.side WHEN 'credit' THEN e.amount_minor ELSE -e.amount_minor END)
               OVER (PARTITION BY e.account_id ORDER BY e.journal_position) AS left_minor
      FROM entries e JOIN accounts a USING (account_id) WHERE a.family = 'merchant_available') AS running
"""
LEFT = """
SELECT a.owner, sum(CASE e.side WHEN 'credit' THEN e.amount_minor ELSE -e.amount_minor END)::bigint
  FROM entries e JOIN accounts a USING (account_id) WHERE a.family = 'merchant_available' GROUP BY a.owner
"""
DEADLOCK = "40P01"


@pytest.fixture
def busy(ledger_urls):
    """The ledger with a session for everybody, and what the database refused of it, retried or not."""
    engine = make_engine(ledger_urls.app, application_name="ledger-test", pool_size=PEOPLE + CONSUMERS)
    refused = []
    sa.event.listen(
        engine, "handle_error", lambda context: refused.append(context.original_exception.sqlstate)
    )
    yield Ledger(engine), refused
    engine.dispose()


@pytest.mark.parametrize("merchants", [1, 10_000], ids=["one merchant", "10,000 merchants"])
def test_floors_hold_beside_facts_under_load(busy, tmp_path, merchants):
    ledger, refused_by_database = busy
    fund(ledger, tmp_path, merchants)
    model, guard = Counter({ident("mer", n): FUNDED for n in range(merchants)}), threading.Lock()
    refused = Counter()

    def pay_out(number):
        chance = Random(number)  # noqa: S311 - the same movements each time
        for _ in range(PAYOUTS):
            # Every other one from the same few: these wait for each other's turns.
            which = chance.randrange(min(merchants, 3) if chance.random() < 0.5 else merchants)
            merchant, amount = ident("mer", which), chance.randrange(50, 600)
            made = propose(ledger, "merchant_payout", amount, merchant_id=merchant, bank_account="main_eur")
            try:
                approve(ledger, made)
            except Rejected as error:
                if error.code != "floor_reached":
                    raise
                refused["payouts"] += 1
            else:
                with guard:
                    model[merchant] -= amount

    def consume(number):
        chance = Random(number)  # noqa: S311 - the same facts each time
        for batch in range(BATCHES):
            told = []
            for nth in range(FACTS):
                payment = Payment(number * 10_000 + batch * FACTS + nth, merchant=chance.randrange(merchants))
                told += [payment.captured(10), report.settled(payment, 10)]
                with guard:
                    model[payment.merchant_id] += 10
            ledger.tell(*told)

    with ThreadPoolExecutor(PEOPLE + CONSUMERS) as together:
        running = [together.submit(pay_out, number) for number in range(PEOPLE)]
        running += [together.submit(consume, number) for number in range(1, CONSUMERS + 1)]
    for each in running:
        each.result()

    assert dict(ledger.rows(LEFT)) == dict(model)
    assert ledger.rows(LOWEST)[0][0] >= 0
    assert refused["payouts"] > 0
    assert DEADLOCK not in refused_by_database
    assert ledger.reader.trial_balance().balanced


def fund(ledger, folder, merchants):
    said = [import_lines.line(n, merchant=ident("mer", n), amount=FUNDED) for n in range(merchants)]
    path = import_lines.write(folder / "opening.jsonl", said)
    assert bring(ledger, path, batch=2_000).booked == merchants
