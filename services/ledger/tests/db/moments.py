"""Books whose journals were booked in one order and take effect in another: what reads of a moment are held against."""

from __future__ import annotations

from datetime import timedelta

from services.ledger.adapters.sealing import Sealer
from services.ledger.adapters.snapshotting import Folder
from services.ledger.app.fold_snapshots import Folding
from services.ledger.domain.chart import AccountRef
from services.ledger.tests.payloads import NOW, Payment

DAY = timedelta(days=1)
ONE, TWO = Payment(1, merchant=1), Payment(2, merchant=2)
DOLLARS = Payment(3, merchant=1, currency="USD")
PENDING = AccountRef("merchant_pending", ONE.merchant_id, "EUR")


def seal(ledger):
    Sealer(ledger.transactions).turn()


def at_several_times(ledger, *, folded):
    """Merchant 1: 10,000 - 300 captured at NOW, 500 more available in two days, 40 taken in one; some dollars."""
    steps = [
        (NOW, ONE.captured(10_000, 300)),
        (NOW - 3 * DAY, TWO.captured(800)),
        (NOW + 2 * DAY, ONE.reversal_given_back(500, 1)),
        (NOW + DAY, ONE.refund_requested(40)),
        (NOW, DOLLARS.captured(70)),
    ]
    folder = Folder(ledger.transactions, Folding(every_seals=1, entries_min=1))
    for time, payload in steps:
        ledger.tell(payload, time=time)
        seal(ledger)
        if folded:
            folder.turn()
    return ledger
