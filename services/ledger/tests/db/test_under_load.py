"""Bulk, payouts and facts at the same time, all of one merchant and spread over 10,000: no deadlock, nothing lost.

Every session opens accounts by a memory and in an order of its own, as processes do: each has another seed of hashes,
which is the order of its sets. That they did overlap is read from the rows; floors are come to by all at once.
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random

import psycopg
import pytest
import sqlalchemy as sa

from services.ledger.adapters.accounts import AccountDirectory
from services.ledger.adapters.head_keys import HeadVerifier
from services.ledger.adapters.sealed_books import sealed_books
from services.ledger.adapters.sealing import Sealer
from services.ledger.app.verify_seals import verify_seals
from services.ledger.domain.chart import AccountRef
from services.ledger.tests import import_lines, report
from services.ledger.tests.bringing import agreed, bring
from services.ledger.tests.db.adjusting import approve, propose
from services.ledger.tests.db.conftest import Ledger
from services.ledger.tests.expected import PROCESSOR
from services.ledger.tests.payloads import Payment, ident
from shared.kernel.errors import Rejected
from shared.persistence.engine import make_engine
from shared.testing.waiting import eventually

pytestmark = pytest.mark.db
BROUGHT = 1_000
OPENED_AT_ONCE = 1_000
IMPORTERS, LINES, IMPORT_BATCH = 2, 1_500, 100
PEOPLE, PAYDAYS, PAYOUTS = 4, 15, 20
CONSUMERS, BATCHES, FACTS = 4, 5, 30
SESSIONS = IMPORTERS + PEOPLE + CONSUMERS + 1
COMPANY_S = 120
"""So long somebody waits for the others; who fails leaves them waiting."""
PACE_S = 0.2
"""Between a consumer's further batches: it would take people's turns, and bring all its money before they pay any out."""
#: Half of what everybody does is done to these few.
HOT = 20
#: What every merchant had behind each of its payouts, in the order of the books.
LOWEST = """
SELECT min(left_minor) FROM (
    SELECT j.rule, sum(CASE e.side WHEN 'credit' THEN e.amount_minor ELSE -e.amount_minor END)
                       OVER (PARTITION BY e.account_id ORDER BY e.journal_position) AS left_minor
      FROM entries e JOIN accounts a USING (account_id) JOIN journals j ON j.position = e.journal_position
     WHERE a.family = 'merchant_available') AS running
"""
BALANCES = """
SELECT a.family, a.owner, a.currency,
       sum(CASE WHEN e.side = a.normal_side THEN e.amount_minor ELSE -e.amount_minor END)::bigint
  FROM entries e JOIN accounts a USING (account_id) GROUP BY 1, 2, 3
"""
KINDS = """
SELECT CASE WHEN rule = 'imported' THEN 'bulk' WHEN rule LIKE '%merchant_payout%' THEN 'payout'
            ELSE 'fact' END FROM journals ORDER BY position
"""
#: Merchants whose available money all three kinds have moved.
COLLIDED = """
SELECT count(*) FROM (
    SELECT e.account_id FROM entries e JOIN accounts a USING (account_id) JOIN journals j ON j.position = e.journal_position
     WHERE a.family = 'merchant_available' GROUP BY 1
    HAVING bool_or(j.rule LIKE '%merchant_payout%') AND bool_or(j.rule = 'capture_settled')
       AND bool_or(j.rule = 'imported')) AS collided
"""


class OwnOrder(AccountDirectory):
    """Is asked for accounts in an order of its own, as by a process with a seed of its own."""

    def __init__(self, seed):
        super().__init__()
        self._order = Random(seed)  # noqa: S311 - the same order each time

    def ids_of(self, wanted, connection):
        """As of the books, whatever the order."""
        asked = sorted(wanted)
        self._order.shuffle(asked)
        return super().ids_of(asked, connection)


@pytest.fixture
def engine(ledger_urls):
    """A session for everybody."""
    made = make_engine(ledger_urls.app, application_name="ledger-test", pool_size=SESSIONS + 1)
    yield made
    made.dispose()


class Load:
    """Everybody's work, and beside it what every account must then hold, added up by nobody but this."""

    def __init__(self, engine, merchants, folder):
        self.engine, self.merchants, self.folder = engine, merchants, folder
        self.expected, self.refused, self._guard = Counter(), Counter(), threading.Lock()
        self.begin = threading.Barrier(SESSIONS, timeout=COMPANY_S)
        self.working, self.bringing = SESSIONS - 1, IMPORTERS
        self.payday = threading.Barrier(PEOPLE, action=self._next_payday, timeout=COMPANY_S)
        self.asked = threading.Barrier(PEOPLE, timeout=COMPANY_S)
        self.paydays, self.paid_today, self._chance = 0, None, Random(0)  # noqa: S311 - the same each time
        self.paid, self.paid_enough = 0, threading.Event()

    def open_all(self):
        """A file with one line for every merchant, so that the load is spread over as many accounts as it says."""
        ledger, everybody = Ledger(self.engine), [ident("mer", nth) for nth in range(self.merchants)]
        said = [import_lines.line(f"open-{each}", merchant=each, amount=1) for each in everybody]
        path = import_lines.write(self.folder / "open.jsonl", said)
        agreed(ledger, path)
        assert bring(ledger, path, batch=OPENED_AT_ONCE).booked == self.merchants
        self._add({("merchant_available", each, "EUR"): 1 for each in everybody})
        self._add({("bank_cash", "iban-1", "EUR"): self.merchants})

    def together(self):
        with ThreadPoolExecutor(SESSIONS) as pool:
            running = [pool.submit(self._work, self._bring, number) for number in range(IMPORTERS)]
            running += [pool.submit(self._work, self._pay_out, number) for number in range(PEOPLE)]
            running += [pool.submit(self._work, self._consume, number) for number in range(CONSUMERS)]
            running.append(pool.submit(self._seal))
        for each in sorted(running, key=_only_left_alone):
            each.result()
        while Sealer(Ledger(self.engine).transactions).turn():
            pass

    def _work(self, work, number):
        try:
            own = OwnOrder(f"{work.__name__} {number}")
            work(Ledger(self.engine, own), number, Random(number))  # noqa: S311 - the same work each time
        except BaseException:
            for company in (self.begin, self.payday, self.asked):
                company.abort()
            self.bringing = 0
            self.paid_enough.set()
            raise
        finally:
            with self._guard:
                self.working -= 1

    def _merchant(self, chance):
        hot = min(self.merchants, HOT)
        return ident("mer", chance.randrange(hot if chance.random() < 0.5 else self.merchants))

    def _add(self, sums):
        with self._guard:
            self.expected.update(sums)

    def _at_least(self, times):
        """So often, and on for as long as the bulk goes on, which has company to its end; then people come first."""
        for nth in itertools.count():
            if nth >= times:
                self.paid_enough.wait(PACE_S)
                if self.bringing <= 0:
                    return
            yield nth

    def _bring(self, ledger, number, chance):
        """One merchant after the other, and every fourth time one of those that everybody moves.

        The last lines wait for payouts, so that these have company to their end, however slow they are.
        """
        said, sums = [], Counter()
        for nth in range(LINES):
            merchant = ident("mer", (nth * IMPORTERS + number) % self.merchants)
            merchant = merchant if nth % 4 else self._merchant(chance)
            said.append(import_lines.line(f"{number}-{nth}", merchant=merchant, amount=BROUGHT))
            sums["merchant_available", merchant, "EUR"] += BROUGHT
            sums["bank_cash", "iban-1", "EUR"] += BROUGHT
        most = import_lines.write(self.folder / f"{number}.jsonl", said[:-IMPORT_BATCH])
        rest = import_lines.write(self.folder / f"{number}-rest.jsonl", said[-IMPORT_BATCH:])
        for path in (most, rest):
            agreed(ledger, path)
        self.begin.wait()
        assert bring(ledger, most, batch=IMPORT_BATCH).booked == LINES - IMPORT_BATCH
        assert self.paid_enough.wait(COMPANY_S)
        assert bring(ledger, rest, batch=IMPORT_BATCH).booked == IMPORT_BATCH
        with self._guard:
            self.bringing -= 1
        self._add(sums)

    def _next_payday(self):
        """One merchant whom all pay out at once, as long as there is company."""
        self.paydays += 1
        going_on = self.paydays <= PAYDAYS or self.bringing > 0
        self.paid_today = self._merchant(self._chance) if going_on else None

    def _pay_out(self, ledger, number, _chance):
        """Each wants all that there is: whoever looks without waiting for the others takes it a second time."""
        self.begin.wait()
        while True:
            self.payday.wait()
            merchant = self.paid_today
            if merchant is None:
                return
            account = AccountRef("merchant_available", merchant, "EUR")
            there = ledger.transactions.read(
                lambda uow, account=account: uow.adjustments.available_minor(account), name="look"
            )
            amount = max(there - number, 1)
            made = propose(ledger, "merchant_payout", amount, merchant_id=merchant, bank_account="main_eur")
            self.asked.wait()
            self._approve(ledger, made, merchant, amount)

    def _approve(self, ledger, made, merchant, amount):
        try:
            approve(ledger, made)
        except Rejected as error:
            if error.code != "floor_reached":
                raise
            with self._guard:
                self.refused[merchant] += 1
        else:
            paid = dict.fromkeys(
                (("merchant_available", merchant, "EUR"), ("bank_cash", "main_eur", "EUR")), -amount
            )
            self._add(paid)
            with self._guard:
                self.paid += 1
                if self.paid >= PAYOUTS:
                    self.paid_enough.set()

    def _consume(self, ledger, number, chance):
        self.begin.wait()
        for batch in self._at_least(BATCHES):
            told, sums = [], Counter()
            for nth in range(FACTS):
                payment = Payment(1 + number * 100_000 + batch * FACTS + nth)
                payment.merchant_id = payment.base["merchant_id"] = self._merchant(chance)
                told += [payment.captured(10, 3), report.settled(payment, 10, 3)]
                sums["processor_receivable", PROCESSOR, "EUR"] += 10
                sums["fee_revenue", "platform", "EUR"] += 3
                sums["merchant_available", payment.merchant_id, "EUR"] += 7
            ledger.tell(*told)
            self._add(sums)

    def _seal(self):
        sealer = Sealer(Ledger(self.engine).transactions)
        self.begin.wait()
        while sealer.turn() or self.working:
            pass


def _only_left_alone(work):
    """Whoever failed tells more than those who waited for it."""
    return isinstance(work.exception(), threading.BrokenBarrierError)


def interleaved(kinds):
    """How often the books go from one kind to another, and whether each was at work between the others' ends."""
    first = {kind: kinds.index(kind) for kind in set(kinds)}
    last = {kind: len(kinds) - 1 - kinds[::-1].index(kind) for kind in first}
    common = Counter(kinds[max(first.values()) : min(last.values()) + 1])
    return sum(one != next_ for one, next_ in itertools.pairwise(kinds)), common


@pytest.mark.parametrize("merchants", [1, 10_000], ids=["one merchant", "10,000 merchants"])
def test_nothing_is_lost_and_floors_hold_under_load(engine, ledger_urls, tmp_path, merchants):
    refused_by_database = []
    sa.event.listen(
        engine,
        "handle_error",
        lambda context: refused_by_database.append(context.original_exception.sqlstate),
    )
    load, ledger = Load(engine, merchants, tmp_path), Ledger(engine)
    load.open_all()
    load.together()
    assert "40P01" not in refused_by_database

    changes, common = interleaved([kind for (kind,) in ledger.rows(KINDS)])
    assert changes > 30
    assert min(common[kind] for kind in ("bulk", "payout", "fact")) > 10, common
    assert ledger.rows(COLLIDED)[0][0] >= min(merchants, HOT) // 2

    held = "SELECT count(DISTINCT e.account_id) FROM entries e JOIN accounts a USING (account_id) WHERE a.family = %s"
    assert ledger.rows(held % "'merchant_available'") == [(merchants,)]
    expected = {account: balance for account, balance in load.expected.items() if balance}
    assert {tuple(account): balance for *account, balance in ledger.rows(BALANCES) if balance} == expected
    assert ledger.reader.trial_balance().balanced
    assert ledger.rows(LOWEST)[0][0] >= 0
    assert load.refused, "nobody came to a floor"
    with sealed_books(engine) as books:
        found = verify_seals(books, [], HeadVerifier([]))
    assert (found.finding, found.sealed_to) == (None, ledger.rows("SELECT count(*) FROM journals")[0][0])

    engine.dispose()  # sessions tell what they counted when they end
    assert deadlocks(ledger_urls) == 0


def test_sessions_that_come_by_the_same_accounts_in_opposite_orders_queue_up(engine, ledger_urls):
    """Nobody has opened any of them yet: each waits for the other's, which in two orders is a deadlock."""
    together = threading.Barrier(2, timeout=COMPANY_S)
    rounds = [[AccountRef("merchant_pending", ident("mer", nth), "EUR") for nth in range(first, first + 500)]
              for first in range(0, 5_000, 500)]  # fmt: skip

    def open_all(sign):
        accounts = AccountDirectory()
        try:
            for wanted in rounds:
                together.wait()
                with engine.begin() as connection:
                    accounts.ids_of(wanted[::sign], connection)
        except BaseException:
            together.abort()
            raise

    with ThreadPoolExecutor(2) as pool:
        for opening in sorted([pool.submit(open_all, sign) for sign in (1, -1)], key=_only_left_alone):
            opening.result()
    engine.dispose()
    assert deadlocks(ledger_urls) == 0


def deadlocks(ledger_urls):
    counted = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    others = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ledger-test' AND datname = current_database()"
    with psycopg.connect(ledger_urls.app, autocommit=True) as connection:
        eventually(lambda: connection.execute(others).fetchone() == (0,))
        return connection.execute(counted).fetchone()[0]
