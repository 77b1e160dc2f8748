"""Adjustments in the tests: two people, a merchant with money, and what is proposed and decided."""

from __future__ import annotations

from services.ledger.adapters.accounts import AccountDirectory
from services.ledger.app.adjust_books import approve_adjustment, propose_adjustment
from services.ledger.domain.adjustment_templates import TEMPLATES
from services.ledger.domain.adjustments import Proposed
from services.ledger.domain.chart import AccountRef, Owner
from services.ledger.domain.posting import owner_of
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


def known(ledger, template="merchant_credit", *, currency="EUR", **parameters):
    """Open what it would book on, as if facts had: people only ever name accounts that there are."""
    parameters = parameters or {"merchant_id": MERCHANT}
    named = {leg.family: leg.family.owner for leg in TEMPLATES[template].legs}
    accounts = {
        AccountRef(family.name, owner_of(kind, parameters), currency)
        for family, kind in named.items()
        if kind is not Owner.PLATFORM
    }
    ledger.transactions.run(lambda uow: AccountDirectory().ids_of(accounts, uow.connection), name="test")


def propose(ledger, template, amount, **parameters):
    known(ledger, template, **parameters)
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
