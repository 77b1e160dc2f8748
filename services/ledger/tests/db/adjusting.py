"""Adjustments in the tests: two people, a merchant with money, and what is proposed and decided."""

from __future__ import annotations

from services.ledger.app.adjust_books import approve_adjustment, propose_adjustment
from services.ledger.domain.adjustments import Proposed
from shared.kernel.operators import Actor

ADA = Actor(name="ada", role="operator")
BOB = Actor(name="bob", role="approver")
MERCHANT = "mer_" + "7" * 26
AVAILABLE = ("merchant_available", MERCHANT, "EUR")


def wanted(template, amount, *, currency="EUR", **parameters):
    return Proposed(
        template=template,
        parameters=parameters,
        amount_minor=amount,
        currency=currency,
        reason="a test",
        attachment="ticket 1",
    )


def propose(ledger, template, amount, **parameters):
    made = wanted(template, amount, **parameters)
    return ledger.transactions.run(lambda uow: propose_adjustment(made, ADA, uow), name="test").adjustment_id


def approve(ledger, adjustment_id, actor=BOB):
    return ledger.transactions.run(
        lambda uow: approve_adjustment(adjustment_id, "seen", actor, uow), name="test"
    )


def book(ledger, template, amount, **parameters):
    return approve(ledger, propose(ledger, template, amount, **parameters))


def pay_out(ledger, amount):
    return propose(ledger, "merchant_payout", amount, merchant_id=MERCHANT, bank_account="main_eur")
