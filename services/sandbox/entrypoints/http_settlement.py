"""Owns the script's steps about payouts: pay out now, close the days that are over, plant errors in the reports."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.sandbox.app import parsing
from services.sandbox.app.plant_errors import PlantErrors
from services.sandbox.app.rendering import timestamp
from services.sandbox.app.settle import Settling
from services.sandbox.domain.bank import Fate
from services.sandbox.domain.payouts import Payout
from services.sandbox.domain.planted_errors import OF_FILES, Error, Planted
from shared.kernel.errors import Rejected

PAYOUT_FIELDS: Final = frozenset({"processor", "fate", "everything"})
ERROR_FIELDS: Final = frozenset({"seed", "each", "of_files", "file", "payment"})
SEED_CHARACTERS_MAX: Final = 32


@dataclass(frozen=True, slots=True)
class SettlementScript:
    """What may be said of payouts and their reports."""

    settling: Settling
    planting: PlantErrors

    async def act(self, what: str, raw: bytes) -> dict[str, Any]:
        """Take one step; a refusal names the field."""
        steps: Mapping[str, Callable[[bytes], Awaitable[dict[str, Any]]]] = {
            "payouts": self._pay,
            "days": self._close,
            "errors": self._plant,
        }
        return await steps[what](raw)

    async def _pay(self, raw: bytes) -> dict[str, Any]:
        body = parsing.read_body(raw, PAYOUT_FIELDS)
        processor, fate = parsing.text(body, "processor"), body.get("fate")
        if processor not in self.settling.terms:
            raise refused("processor", f"One of {', '.join(self.settling.terms)}.")
        if fate is not None and fate not in list(Fate):
            raise refused("fate", f"One of {', '.join(Fate)}.")
        made = await self.settling.pay_now(
            processor, fate=Fate(fate) if fate else None, everything=parsing.flag(body, "everything")
        )
        return {"data": [shown_payout(payout) for payout in made]}

    async def _close(self, raw: bytes) -> dict[str, Any]:
        parsing.read_body(raw, frozenset())
        return {"closed": await self.settling.close_days()}

    async def _plant(self, raw: bytes) -> dict[str, Any]:
        body = parsing.read_body(raw, ERROR_FIELDS)
        seed, each = parsing.text(body, "seed"), body.get("each", 1)
        if len(seed) > SEED_CHARACTERS_MAX:
            raise refused("seed", f"Expected a text of 1 to {SEED_CHARACTERS_MAX} characters.")
        if type(each) is not int:
            raise refused("each", "Expected a whole number.")
        processors = tuple(self.settling.terms)
        if "file" in body:
            planted = await self._damage(seed, body, processors)
        elif "payment" in body:
            raise refused("payment", "Goes with file, and only with that.")
        else:
            of_files = parsing.flag(body, "of_files")
            planted = await self.planting.plant(seed, each=each, processors=processors, of_files=of_files)
        return {"data": [shown_error(error) for error in planted]}

    async def _damage(
        self, seed: str, body: Mapping[str, Any], processors: tuple[str, ...]
    ) -> Sequence[Planted]:
        if "each" in body:
            raise refused("each", "A file has one such error; leave it out with file.")
        if "of_files" in body:
            raise refused("of_files", "Goes without file: that damages every report as it is.")
        if body["file"] not in list(OF_FILES):
            raise refused("file", f"One of {', '.join(OF_FILES)}.")
        payment = parsing.text(body, "payment") if "payment" in body else None
        return await self.planting.damage(seed, Error(body["file"]), processors=processors, payment=payment)


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


def shown_error(planted: Planted) -> dict[str, Any]:
    """An error as the answer key tells it."""
    entry = planted.unbooked or planted.invented or planted.unwritten
    return {
        "error": str(planted.error),
        "break_type": planted.break_type,
        "processor": planted.processor,
        "account": planted.account,
        "currency": planted.currency,
        "payout_id": planted.payout_id,
        "told_payout_id": planted.told_payout_id,
        "transaction_id": planted.transaction_id,
        "object_id": planted.object_id,
        "payment_id": planted.payment_id,
        "reference": planted.reference,
        "bank_reference": entry.bank_reference if entry else None,
        "true_minor": planted.true_minor,
        "told_minor": planted.told_minor,
        "at_risk_minor": planted.at_risk_minor,
    }


def refused(param: str, message: str) -> Rejected:
    """What a field that is wrong is answered with."""
    return Rejected("field_invalid", message, status=400, param=param, stored=False)
