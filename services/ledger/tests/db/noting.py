"""Books with a note of every kind beside their journals, sealed and signed, for the tests of notes."""

from __future__ import annotations

from datetime import UTC, datetime

from services.ledger.adapters.head_keys import HeadSigner, HeadVerifier
from services.ledger.adapters.heads import stored_heads
from services.ledger.adapters.sealed_books import sealed_books
from services.ledger.app.adjust_books import reject_adjustment
from services.ledger.app.verify_seals import verify_seals
from services.ledger.tests import report
from services.ledger.tests.bringing import bring
from services.ledger.tests.db.adjusting import BOB, MERCHANT, book, propose
from services.ledger.tests.db.closing import close, seal
from services.ledger.tests.import_lines import line, write
from services.ledger.tests.payloads import Payment
from shared.runtime.operator_tokens import new_key_pair

PRIVATE, PUBLIC = new_key_pair()
JULY, MIDNIGHT = datetime(2024, 7, 15, tzinfo=UTC), datetime(2024, 8, 1, tzinfo=UTC)
NOTED = ("line_matches", "late_journals", "adjustments", "import_proposals", "imports", "period_closes")
"""The tables that have notes."""


class Noted:
    """Books with a note of every kind, sealed, and the heads as somebody outside keeps them."""

    def __init__(self, ledger, path):
        self.ledger = ledger
        signer = HeadSigner(PRIVATE)
        ledger.tell(Payment(1).captured(10_000, 300), time=JULY)
        close(ledger, "2024-07")
        ledger.tell(Payment(2).captured(10_000, 300), time=JULY)
        ledger.tell(Payment(3).captured(10_000, 300), time=MIDNIGHT)
        ledger.tell(report.matched("1", Payment(2), "cap", 10_000))
        book(ledger, "merchant_credit", 500, merchant_id=MERCHANT)
        rejected = propose(ledger, "merchant_credit", 400, merchant_id=MERCHANT)
        ledger.transactions.run(lambda uow: reject_adjustment(rejected, "no", BOB, uow), name="test")
        propose(ledger, "merchant_credit", 300, merchant_id=MERCHANT)
        bring(ledger, write(path, [line(1)]))
        seal(ledger, signer)
        # No journal comes with it: a head is signed for the note alone.
        (last,) = ledger.tell(report.matched("2", Payment(3), "cap", 10_000))
        seal(ledger, signer)
        with ledger.engine.connect() as connection:
            self.kept = stored_heads(connection, 0)
        ((early,),) = ledger.rows("SELECT journal_id FROM journals WHERE position = 3")
        self.words = {"early": early, "last": last.event_id, "end": self.kept[-1].notes}

    def found(self, kept=True, after=0):
        with sealed_books(self.ledger.engine) as books:
            return verify_seals(books, self.kept if kept else [], HeadVerifier([PUBLIC]), after=after)
