"""Owns the script's routes about payouts: pay out now, close the days that are over."""

from typing import Any, Final

from services.sandbox.app import parsing
from services.sandbox.app.rendering import timestamp
from services.sandbox.app.settle import Settling
from services.sandbox.domain.bank import Fate
from services.sandbox.domain.payouts import Payout
from shared.kernel.errors import Rejected

PAYOUT_FIELDS: Final = frozenset({"processor", "fate", "everything"})


async def on_settling(settling: Settling, what: str, raw: bytes) -> dict[str, Any]:
    """Pay out at once, or close the days that are over without waiting for the worker to do it."""
    if what == "days":
        parsing.read_body(raw, frozenset())
        return {"closed": await settling.close_days()}
    body = parsing.read_body(raw, PAYOUT_FIELDS)
    processor, fate = parsing.text(body, "processor"), body.get("fate")
    if processor not in settling.terms:
        raise _refused("processor", f"One of {', '.join(settling.terms)}.")
    if fate is not None and fate not in list(Fate):
        raise _refused("fate", f"One of {', '.join(Fate)}.")
    made = await settling.pay_now(
        processor, fate=Fate(fate) if fate else None, everything=parsing.flag(body, "everything")
    )
    return {"data": [shown_payout(payout) for payout in made]}


def shown_payout(payout: Payout) -> dict[str, Any]:
    """A payout as callers see it."""
    return {
        "id": payout.id,
        "processor": payout.processor,
        "account": payout.account,
        "currency": payout.currency,
        "amount": payout.amount_minor,
        "batch_number": payout.batch_number,
        "made_on": payout.made_on.isoformat(),
        "made_at": timestamp(payout.made_at),
        "arrives_on": payout.arrives_on.isoformat(),
        "trace": payout.trace,
        "fate": str(payout.fate),
    }


def _refused(param: str, message: str) -> Rejected:
    return Rejected("field_invalid", message, status=400, param=param, stored=False)
