"""What is written off, or cleared by hand, stands there: never more of it, and never of somebody who owes nothing."""

from __future__ import annotations

import pytest

from services.ledger.tests.db.adjusting import AVAILABLE, MERCHANT, approve, book, propose
from shared.kernel.errors import Rejected

pytestmark = pytest.mark.db


def refused(code, call, *arguments):
    with pytest.raises(Rejected) as told:
        call(*arguments)
    assert told.value.code == code
    return told.value


def test_no_more_is_written_off_than_a_merchant_owes(ledger):
    book(ledger, "merchant_debit", 500, merchant_id=MERCHANT)
    too_much = propose(ledger, "merchant_debt_write_off", 501, merchant_id=MERCHANT)
    assert refused("more_than_owed", approve, ledger, too_much).extra["owed_minor"] == 500
    book(ledger, "merchant_debt_write_off", 500, merchant_id=MERCHANT)
    refused(
        "more_than_owed", approve, ledger, propose(ledger, "merchant_debt_write_off", 1, merchant_id=MERCHANT)
    )
    assert ledger.balances().get(AVAILABLE, 0) == 0


def test_nothing_is_written_off_of_a_merchant_who_has_money(ledger):
    book(ledger, "merchant_credit", 500, merchant_id=MERCHANT)
    wanted = propose(ledger, "merchant_debt_write_off", 1, merchant_id=MERCHANT)
    assert refused("more_than_owed", approve, ledger, wanted).extra["owed_minor"] == 0


@pytest.mark.parametrize("template", ["rounding_gain_cleared", "rounding_loss_cleared"])
def test_no_rounding_is_cleared_that_is_not_there(ledger, template):
    refused("more_than_owed", approve, ledger, propose(ledger, template, 1))
