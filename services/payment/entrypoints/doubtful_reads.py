"""Reading what is in doubt has it looked up, whichever of a payment's faces is read (design 4.4)."""

from __future__ import annotations

from datetime import timedelta

from starlette.requests import Request

from services.payment.adapters.read_models import FoundPayment, find_payment
from services.payment.app.apply_fact import LOOK_UP_EVERY_S
from services.payment.app.request_look_up import RequestLookUp, request_look_up
from services.payment.domain.status import Certainty
from services.payment.entrypoints.edge_parts import EdgeParts
from shared.persistence.idempotency import Principal
from shared.runtime.http import request_id


async def read_payment(parts: EdgeParts, payment_id: str) -> FoundPayment | None:
    """A payment, and whether a doubt of it is due to be looked up."""
    look_up_before = parts.clock.now() - timedelta(seconds=LOOK_UP_EVERY_S)
    return await parts.read(
        lambda connection: find_payment(connection, payment_id, look_up_before=look_up_before)
    )


async def look_up(parts: EdgeParts, principal: Principal, payment_id: str, request: Request) -> None:
    """Ask for the look-ups, at most one per operation and 5 s."""
    command = RequestLookUp(
        merchant_id=principal.owner_id,
        mode=principal.mode,
        payment_id=payment_id,
        request_id=request_id(request),
    )
    await parts.threads.run(
        lambda: parts.http.transactions.run(lambda uow: request_look_up(command, uow), name="GET look-up")
    )


async def look_up_if_doubtful(
    parts: EdgeParts, principal: Principal, payment_id: str, certainty: str, request: Request
) -> None:
    """The same for a part of a payment that was read: its own certainty tells whether there is anything to ask."""
    if certainty != Certainty.UNCERTAIN.value:
        return
    shown = await read_payment(parts, payment_id)
    if shown is not None and shown.look_up_due:
        await look_up(parts, principal, payment_id, request)
