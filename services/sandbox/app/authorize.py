"""Authorize a card, or sell in one step."""

from dataclasses import replace
from typing import Final

from services.sandbox.app import parsing, rendering
from services.sandbox.app.decisions import Decide
from services.sandbox.app.perform import Command
from services.sandbox.domain import authorizations
from services.sandbox.domain.authorizations import Order
from services.sandbox.domain.faults import Operation
from services.sandbox.domain.objects import Authorization, Effect
from services.sandbox.domain.payment_methods import payment_method
from shared.kernel.errors import InvariantViolation
from shared.kernel.ids import Ids

FIELDS: Final = frozenset({"amount", "currency", "payment_method", "reference", "capture", "metadata"})


def authorize_command(raw: bytes, *, key: str, account: str, ids: Ids, path: str) -> Command:
    """Read the request; the effect is decided when it is performed."""
    body = parsing.read_body(raw, FIELDS)
    order = parsing.order(body, account)
    payment_method(order.origin.payment_method)

    def deciding(asked: Order) -> Decide:
        return lambda _, now: authorizations.authorize(
            asked, authorization_id=ids.new("auth_"), capture_id=ids.new("cap_"), now=now
        )

    return Command(
        operation=Operation.AUTHORIZATION,
        key=key,
        fingerprint=parsing.fingerprint(path, body),
        parent_id=None,
        payment_method=order.origin.payment_method,
        decide=deciding(order),
        decline=lambda code: deciding(replace(order, decline_code=code)),
        reference=order.reference,
        payment=order.origin.payment_id,
        render=_reply,
    )


def _reply(effect: Effect) -> tuple[int, bytes]:
    if not isinstance(effect.result, Authorization):
        raise InvariantViolation("authorization_result", f"an authorization gave a {effect.result.kind}")
    return rendering.authorization_reply(effect.result, effect.objects[1:])
