"""Books with a note of every kind beside their journals, sealed and signed, for the tests of notes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from schemas.generated import JournalPostedV1, PeriodCloseDecidedV1
from services.ledger.adapters.former_keys import keep_former_keys
from services.ledger.adapters.head_keys import HeadSigner, HeadVerifier
from services.ledger.adapters.heads import stored_heads
from services.ledger.adapters.restoring_closes import keep_told_closes
from services.ledger.adapters.sealed_books import sealed_books
from services.ledger.adapters.told_journals import keep_told
from services.ledger.app.adjust_books import reject_adjustment
from services.ledger.app.verify_seals import verify_seals
from services.ledger.tests import report
from services.ledger.tests.bringing import bring
from services.ledger.tests.db.adjusting import BOB, MERCHANT, book, propose
from services.ledger.tests.db.closing import close, seal
from services.ledger.tests.db.test_withdrawn_proposals import withdrawn
from services.ledger.tests.import_lines import line, write
from services.ledger.tests.payloads import Payment
from shared.persistence.engine import make_engine
from shared.runtime.operator_tokens import new_key_pair

PRIVATE, PUBLIC = new_key_pair()
JULY, MIDNIGHT = datetime(2024, 7, 15, tzinfo=UTC), datetime(2024, 8, 1, tzinfo=UTC)
NOTED = (
    "line_matches", "late_journals", "adjustments", "import_proposals", "imports", "period_closes",
    "withdrawn_proposals", "told_journals", "told_closes", "former_seal_keys", "exchange_rates",
)  # fmt: skip
"""The tables that have notes."""
TOLD = JournalPostedV1(
    journal_id="jrn_" + "0a" * 13, rule="capture", fact_key="cap_x", cause_event_id="evt_" + "0a" * 13,
    cause_event_type="PaymentCaptured.v1", payment_id="pay_" + "0a" * 13, merchant_id=None, currency="EUR", amount_minor=7,
    reverses_journal_id=None, effective_at=JULY, told_effective_at=JULY - timedelta(days=30),
)  # fmt: skip
CLOSED = PeriodCloseDecidedV1(
    close_id="cls_" + "0a" * 13, period="2024-06", state="APPROVED", reason="over", proposed_by="ada", proposed_at=JULY,
    decided_by="bob", decided_at=JULY, decision_reason="seen",
)  # fmt: skip


class Noted:
    """Books with a note of every kind, sealed, and the heads as somebody outside keeps them."""

    def __init__(self, ledger, urls, path):
        self.ledger = ledger
        told = make_engine(urls.owner, application_name="owner-test", pool_size=1)
        with told.begin() as owner:  # as books that were rebuilt begin
            keep_told(owner, [TOLD])
            keep_told_closes(owner, [CLOSED])
            keep_former_keys(owner, ["0123456789abcdef"])
        told.dispose()
        signer = HeadSigner(PRIVATE)
        ledger.tell(Payment(1).captured(10_000, 300), time=JULY)
        close(ledger, "2024-07")
        ledger.tell(Payment(2).captured(10_000, 300), time=JULY)
        ledger.tell(Payment(3).captured(10_000, 300), time=MIDNIGHT)
        ledger.tell(report.matched("1", Payment(2), "cap", 10_000))
        ledger.tell(
            report.accepted(
                "9",
                "charge",
                10_000,
                currency="USD",
                net_minor=9_150,
                net_currency="EUR",
                exchange_rate="0.9150",
            )
        )
        book(ledger, "merchant_credit", 500, merchant_id=MERCHANT)
        rejected = propose(ledger, "merchant_credit", 400, merchant_id=MERCHANT)
        ledger.transactions.run(lambda uow: reject_adjustment(rejected, "no", BOB, uow), name="test")
        ledger.tell(withdrawn())
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
