"""From the bytes of a report to a merchant's money: the line settles the payment, and on its day the money is available.

Payment, ledger and reconciliation are real on their own databases, with their relays and consumer loops.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.ledger.adapters.balances import SqlBalances
from services.ledger.app.balances import merchant_balances
from services.ledger.app.moments import EVERYTHING, Moment
from services.payment.domain.pricing import Price, RefundPolicy
from services.payment.domain.status import Status
from services.payment.tests.world import ACCOUNT, AMOUNT, MERCHANT, authorized, captured, wish
from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork
from services.reconciliation.app.announce_lines import announce_lines
from services.reconciliation.app.run_matching import RunKind, run_matching
from services.reconciliation.domain.sources import Source, SourceKind
from services.reconciliation.entrypoints.consumer import ROUTES
from services.reconciliation.tests.reports import declare, report, take_in
from services.reconciliation.tests.writers import tieout_payout, tieout_row
from shared.kernel.clock import SystemClock
from shared.kernel.ids import UlidIds
from shared.kernel.jitter import Jitter
from shared.messaging.consumer import ConsumerLoop
from shared.messaging.relay import Relay
from shared.persistence.engine import make_engine
from shared.persistence.unit_of_work import Transactions
from tests.integration.chain import Chain, answered, looked_up, webhook

pytestmark = pytest.mark.timeout(600)
PRICE = Price(
    percent_ppm=29_000, fixed_minor=30, refund_policy=RefundPolicy.PROPORTIONAL, dispute_fee_minor=0
)
OURS = AMOUNT * 29 // 1_000 + 30
NET = AMOUNT - OURS
ALPHA = Source(
    source="alpha", kind=SourceKind.SETTLEMENT, format="tieout_csv", processor="alpha", account=ACCOUNT, options={}
)  # fmt: skip
#: A day that no run of this test comes to.
AVAILABLE_ON = datetime(2040, 1, 3, tzinfo=UTC)


class Reconciled:
    """Reconciliation beside payment and ledger, on the same broker."""

    def __init__(self, chain, urls):
        self.chain = chain
        self.engine = make_engine(urls.app, application_name="reconciliation-test", pool_size=4)
        self._relay_engine = make_engine(urls.relay, application_name="relay-test", pool_size=2)
        clock, jitter = SystemClock(), Jitter()
        self.transactions = Transactions(
            self.engine, ReconciliationUnitOfWork, source="/tieout/reconciliation", clock=clock, ids=UlidIds()
        )
        self._relay = Relay(
            self._relay_engine, chain.broker, owner_id="rr", clock=clock, jitter=jitter, listen_channel=None,
            lease_ttl_s=600,
        )  # fmt: skip
        self._loop = ConsumerLoop(chain.broker, self.transactions, ROUTES, clock=clock, jitter=jitter)
        self._member = chain.broker.make_consumer(self._loop.subscription.consumer)
        self._member.subscribe(self._loop.subscription.topics, on_assign=_see, on_revoke=_see, on_lost=_see)

    def close(self):
        self._relay.abandon()
        for engine in (self._relay_engine, self.engine):
            engine.dispose()

    def run(self, work):
        return self.transactions.run(work, name="test")

    def rows(self, query):
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(query)]

    def hear(self):
        """Everything that payment and the ledger said."""
        while self._loop.turn(self._member, 0) or any(self._member.lag().values()):
            pass

    def tell(self):
        """What became of the lines and what they prove, until nothing moves anywhere."""
        while self.run(announce_lines):
            pass
        self.run(lambda uow: run_matching(RunKind.INCREMENTAL, "test", uow, datetime.now(UTC)))
        while self.run(lambda uow: uow.telling.tell() or uow.reporting.tell(timedelta())):
            pass
        with self.engine.connect() as connection:
            waiting = "SELECT count(*) FROM outbox WHERE sent_at IS NULL"
            while connection.exec_driver_sql(waiting).scalar_one():
                self._relay.turn(0)
                connection.rollback()
        self.chain.drain()


def _see(_assigned):
    """Nothing is to be prepared."""


@pytest.fixture
def chain(service_database):
    made = Chain(service_database)
    made.agree_price(PRICE)
    yield made
    made.close()


@pytest.fixture
def reconciled(chain, service_database):
    made = Reconciled(chain, service_database("reconciliation"))
    declare(made, ALPHA)
    yield made
    made.close()


def balance(chain, moment):
    """The merchant's pending and available money, and what arrives when."""
    (found,) = merchant_balances(MERCHANT, "EUR", moment, SqlBalances(chain.books))
    arriving = [(each.available_on, each.amount_minor) for each in found.arriving]
    return found.pending_minor, found.available_minor, arriving


def before(at):
    return Moment(effective_before=at)


def line(operation_id, **more):
    said = {
        "available_on_utc": AVAILABLE_ON.isoformat(sep=" ")[:19], "source_id": "cap_1", "our_reference": operation_id,
    }  # fmt: skip
    return tieout_row(1, "po_1", **said | more)


def test_a_settled_payment_is_the_merchants_money_from_the_day_on_that_its_line_says(chain, reconciled):
    payment = chain.stand.create(wish())
    (operation_id,) = payment.operations
    chain.publish(payment.payment_id, webhook(authorized(payment)), webhook(captured(payment)))
    chain.drain()
    reconciled.hear()
    day_after = AVAILABLE_ON + timedelta(seconds=1)
    for moment in (EVERYTHING, before(datetime.now(UTC)), before(day_after)):
        assert balance(chain, moment) == (NET, 0, [])

    take_in(reconciled, report(line(operation_id)))
    reconciled.tell()
    # Of a payout that is not closed nothing is settled yet.
    assert balance(chain, EVERYTHING) == (NET, 0, [])
    assert chain.stand.payment(payment.payment_id).status is Status.CAPTURED

    take_in(reconciled, report(line(operation_id), tieout_payout(9, "po_1", AMOUNT - 170)))
    reconciled.tell()
    assert chain.stand.payment(payment.payment_id).status is Status.SETTLED
    assert balance(chain, EVERYTHING)[:2] == (0, NET)
    # Until its day it is told of as arriving, and no second earlier is it available.
    assert balance(chain, before(datetime.now(UTC))) == (NET, 0, [(AVAILABLE_ON, NET)])
    assert balance(chain, before(AVAILABLE_ON))[:2] == (NET, 0)
    assert balance(chain, before(day_after)) == (0, NET, [])

    # What a corrected report no longer has is the merchant's money no more.
    take_in(reconciled, report(tieout_payout(9, "po_1", 0)))
    reconciled.tell()
    assert chain.stand.payment(payment.payment_id).status is Status.CAPTURED
    for moment in (EVERYTHING, before(day_after)):
        assert balance(chain, moment)[:2] == (NET, 0)


def test_a_payment_in_doubt_of_which_nobody_else_says_anything_is_settled_by_its_line(chain, reconciled):
    """No webhook comes, its call is not answered, and the last look-up finds nothing: the line is all there is."""
    payment = chain.stand.create(wish())
    (operation,) = payment.operations.values()
    chain.publish(
        payment.payment_id,
        answered(payment.payment_id, operation, "unknown", next_check_at=datetime.now(UTC)),
        looked_up(payment.payment_id, operation, next_check_at=None),
    )
    chain.drain()
    reconciled.hear()
    in_doubt = chain.stand.payment(payment.payment_id)
    assert (in_doubt.amounts.captured_minor, in_doubt.amounts.settled_minor) == (0, 0)
    assert [row[0] for row in reconciled.rows("SELECT standing FROM our_items")] == ["in_doubt"]
    assert evidence(chain, payment) == []

    paid_out = report(line(operation.operation_id), tieout_payout(9, "po_1", AMOUNT - 170))
    take_in(reconciled, paid_out)
    reconciled.tell()
    # Payment believes the line and says so; heard of, the line is matched with it, which settles it.
    reconciled.hear()
    reconciled.tell()

    settled = chain.stand.payment(payment.payment_id)
    assert settled.status is Status.SETTLED
    assert (settled.amounts.captured_minor, settled.amounts.settled_minor) == (AMOUNT, AMOUNT)
    # Everything that was applied to it came of the line, and of nothing else.
    assert evidence(chain, payment) == ["settlement"]
    causes = chain.stand.rows(
        "SELECT DISTINCT cause_id FROM outbox WHERE key = :key AND event_type IN"
        " ('PaymentCaptured.v1', 'OperationResolved.v1', 'CaptureSettled.v1')",
        key=payment.payment_id,
    )
    told = {
        event_id for (event_id,) in reconciled.rows("SELECT event_id FROM outbox WHERE event_type <> 'x'")
    }
    assert {cause for (cause,) in causes} <= told
    assert balance(chain, before(AVAILABLE_ON + timedelta(seconds=1))) == (0, NET, [])


def evidence(chain, payment):
    """By whom what was applied to the payment was said."""
    rows = chain.stand.rows(
        "SELECT DISTINCT source FROM evidence WHERE payment_id = :payment_id AND verdict = 'applied'",
        payment_id=payment.payment_id,
    )
    return sorted(source for (source,) in rows)
