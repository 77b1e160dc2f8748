"""Give strays back by policy: what was never tried, is no mismatch and is not disputed; the rest is for a person."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from services.payment.app.decide import return_astray
from services.payment.app.ports import OperatorUnit, Takes, takes_all
from services.payment.domain.changes import Moment
from services.payment.domain.resolving_strays import disputed, given_back_otherwise, request_void
from services.payment.domain.status import Source
from services.payment.domain.strays import StrayKind

RETURN_BATCH: Final = 20
CAUSE: Final = "policy:stray_returns"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnStrays:
    """Strays that have lain for so long; facts that say more of them come within seconds."""

    after_s: float
    limit: int = RETURN_BATCH
    #: Payments whose work failed rest: so many are looked at beyond the limit, and these are taken.
    resting: int = 0
    takes: Takes = takes_all


class StrayUnit(OperatorUnit, Protocol):
    """A transaction that can also find untouched strays."""

    def untouched_strays(self, found_before_s: float, limit: int) -> list[tuple[str, str]]:
        """Payment and stray of what is the policy's to give back: nothing else counts to the limit."""
        ...


def return_strays(command: ReturnStrays, uow: StrayUnit) -> int:
    """Ask for returns and voids, at most once per stray; tell how many were asked for."""
    untouched = uow.untouched_strays(command.after_s, command.limit + command.resting)
    found = [(payment_id, stray_id) for payment_id, stray_id in untouched if command.takes(payment_id)]
    uow.payments.lock_many({payment_id for payment_id, _ in found})
    moment = Moment(now=uow.now, cause_id=CAUSE, ids=uow.ids, source=Source.OPERATOR)
    asked = 0
    for payment_id, stray_id in found:
        payment = uow.payments.locked(payment_id)
        stray = payment.strays.get(stray_id) if payment is not None else None
        if payment is None or stray is None or stray.mismatch or stray.released or disputed(payment, stray):
            continue
        if any(operation.stray_id == stray_id for operation in payment.operations.values()):
            continue
        if given_back_otherwise(payment, stray):
            continue
        if stray.found_at > uow.now - timedelta(seconds=command.after_s):
            continue
        if stray.kind is StrayKind.HOLD:
            request_void(payment, stray, moment)
        elif stray.returnable_minor > 0:
            return_astray(payment, stray, moment, uow)
        else:
            continue
        asked += 1
    return asked
