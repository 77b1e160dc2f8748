"""A tiny consistent history in all databases and topics: a sale in doubt, refunds, a stray, a hold; and its heal."""

from tools.tests.db.tiny_payments import payments
from tools.tests.db.tiny_reconciliation import breaks, closed_months, hear_journals, our_side, reports
from tools.tests.db.tiny_rows import TinyRows
from tools.tests.db.tiny_surroundings import (
    adjustments,
    brought_over,
    risk_decisions,
    sandbox_book,
    sealed,
    take_in,
    webhooks,
)


class TinyHistory(TinyRows):
    """Built once, written as often as a test needs it whole again."""

    def __init__(self) -> None:
        super().__init__()
        for scene in (
            payments, sandbox_book, webhooks, risk_decisions, adjustments, sealed, brought_over, our_side, reports, breaks,
            closed_months, hear_journals, take_in,
        ):  # fmt: skip
            scene(self)
