"""Closing months in the tests: sealed, proposed by one, approved by another; and clocks that are wrong."""

from __future__ import annotations

from services.ledger.adapters.accounts import AccountDirectory
from services.ledger.adapters.sealing import Sealer
from services.ledger.adapters.unit_of_work import unit_of_work_builder
from services.ledger.app.close_period import approve_close, propose_close
from services.ledger.tests.db.adjusting import ADA, BOB
from shared.kernel.clock import SystemClock
from shared.kernel.months import Month
from shared.persistence.unit_of_work import Transactions


class StoppedClock(SystemClock):
    """A clock that shows one time."""

    def __init__(self, time):
        super().__init__()
        self._time = time

    def now(self):
        return self._time


class At:
    """The same books, by a process whose clock shows that time."""

    def __init__(self, ledger, time):
        self.transactions = Transactions(
            ledger.engine,
            unit_of_work_builder(AccountDirectory()),
            source="/tieout/ledger",
            clock=StoppedClock(time),
            ids=ledger.ids,
        )


def seal(ledger, signer=None):
    sealer = Sealer(ledger.transactions, signer)
    while sealer.turn():
        pass


def propose_closing(ledger, period, actor=ADA):
    month = Month.read(period)
    made = ledger.transactions.run(lambda uow: propose_close(month, "it is over", actor, uow), name="test")
    return made.close_id


def approve_closing(ledger, close_id, actor=BOB):
    return ledger.transactions.run(lambda uow: approve_close(close_id, "seen", actor, uow), name="test")


def close(ledger, period, *, sealed=True):
    if sealed:
        seal(ledger)
    return approve_closing(ledger, propose_closing(ledger, period))


def waits_for_turn(ledger):
    """Whether somebody waits for an advisory lock of this database."""
    waiting = (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return ledger.rows(waiting)[0][0] > 0
