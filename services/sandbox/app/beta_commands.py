"""Owns what callers may ask of beta: hold or sell, charge once, cancel, credit. No keys: each call is a new one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from services.sandbox.app import parsing
from services.sandbox.app.decisions import Decide
from services.sandbox.app.perform_unkeyed import Ask
from services.sandbox.domain import authorizations, captures
from services.sandbox.domain.authorizations import Order
from services.sandbox.domain.faults import Operation
from services.sandbox.domain.objects import Authorization, Capture, Effect, Origin, ProcessorObject
from services.sandbox.domain.payment_methods import payment_method
from shared.kernel.errors import Rejected
from shared.kernel.ids import Ids
from shared.kernel.money import minor_units, normalise_currency

OPENING: Final = frozenset({"txn_type", "value", "method", "merchant_ref", "order_ref"})
CHANGING: Final = frozenset({"value", "merchant_ref"})
SALE: Final = "SALE"
HOLD: Final = "HOLD"


@dataclass(frozen=True, slots=True)
class Value:
    """What a caller states as a value."""

    amount_minor: int
    currency: str


def open_transaction(raw: bytes, *, account: str, ids: Ids) -> Ask:
    """Hold money, or sell: hold and charge in one step under one reference."""
    body = parsing.read_body(raw, OPENING)
    kind = parsing.text(body, "txn_type")
    if kind not in (HOLD, SALE):
        raise Rejected("field_invalid", "Expected HOLD or SALE.", status=400, param="txn_type")
    value = value_in(body)
    if value is None:
        raise Rejected("field_missing", "A value is required.", status=400, param="value")
    payment_id = parsing.text(body, "order_ref") if body.get("order_ref") is not None else None
    order = Order(
        origin=Origin(
            account=account,
            payment_method=parsing.text(body, "method"),
            currency=value.currency,
            metadata={"payment": payment_id} if payment_id else {},
        ),
        reference=parsing.text(body, "merchant_ref"),
        amount_minor=value.amount_minor,
        capture=kind == SALE,
    )
    method = payment_method(order.origin.payment_method)

    def deciding(asked: Order) -> Decide:
        return lambda _, now: authorizations.authorize(
            asked, authorization_id=ids.new("bh_"), capture_id=ids.new("bc_"), now=now
        )

    return Ask(
        operation=Operation.AUTHORIZATION,
        reference=order.reference,
        parent_id=None,
        method=method,
        decide=deciding(order),
        decline=lambda code: deciding(replace(order, decline_code=code)),
        payment=payment_id,
    )


def charge(hold_id: str, raw: bytes, *, ids: Ids) -> Ask:
    """Charge a hold, once: what is not charged goes back at the same time."""
    body = parsing.read_body(raw, CHANGING)
    reference, value = parsing.text(body, "merchant_ref"), value_in(body)

    def decide(parent: ProcessorObject | None, now: datetime) -> Effect:
        if not isinstance(parent, Authorization):
            raise not_found()
        return authorizations.capture(
            parent,
            amount_in(value, parent),
            reference=reference,
            final=True,
            capture_id=ids.new("bc_"),
            now=now,
        )

    return Ask(
        operation=Operation.CAPTURE, reference=reference, parent_id=hold_id, method=None, decide=decide
    )


def cancel(hold_id: str, raw: bytes) -> Ask:
    """Give back what a hold still holds."""
    body = parsing.read_body(raw, CHANGING - {"value"})
    reference = parsing.text(body, "merchant_ref")

    def decide(parent: ProcessorObject | None, now: datetime) -> Effect:
        if not isinstance(parent, Authorization):
            raise not_found()
        return authorizations.void(parent, reference=reference, now=now)

    return Ask(operation=Operation.VOID, reference=reference, parent_id=hold_id, method=None, decide=decide)


def credit(charge_id: str, raw: bytes, *, ids: Ids) -> Ask:
    """Give charged money back, whole or in part."""
    body = parsing.read_body(raw, CHANGING)
    reference, value = parsing.text(body, "merchant_ref"), value_in(body)

    def decide(parent: ProcessorObject | None, now: datetime) -> Effect:
        if not isinstance(parent, Capture):
            raise not_found()
        return captures.refund(
            parent, amount_in(value, parent), reference=reference, refund_id=ids.new("bf_"), now=now
        )

    return Ask(
        operation=Operation.REFUND, reference=reference, parent_id=charge_id, method=None, decide=decide
    )


def value_in(body: Mapping[str, Any]) -> Value | None:
    """Read ``{"total": "19.99", "currency_code": "EUR"}``: exact, or refused."""
    stated = body.get("value")
    if stated is None:
        return None
    if not isinstance(stated, dict) or set(stated) != {"total", "currency_code"}:
        raise Rejected("amount_invalid", "Expected total and currency_code.", status=400, param="value")
    currency = normalise_currency(parsing.text(stated, "currency_code"))
    try:
        amount_minor = minor_units(parsing.text(stated, "total"), currency)
    except ValueError as error:
        raise Rejected("amount_invalid", f"The total is {error}.", status=400, param="value.total") from None
    if not 0 < amount_minor <= parsing.AMOUNT_LIMIT_MINOR:
        raise Rejected("amount_invalid", "Expected more than zero.", status=400, param="value.total")
    return Value(amount_minor, currency)


def amount_in(value: Value | None, parent: ProcessorObject) -> int | None:
    """Return the stated amount, none if it was left out; a value in another currency is refused."""
    if value is not None and value.currency != parent.origin.currency:
        raise Rejected("amount_invalid", "The transaction is in another currency.", status=400, param="value")
    return value.amount_minor if value is not None else None


def not_found() -> Rejected:
    """Return the refusal of what names no transaction of the kind that is meant."""
    return Rejected("not_found", "No such transaction.", status=404)
