"""Set aside for a while a fact whose taking in failed: it goes on waiting, and keeps no other waiting."""

from dataclasses import dataclass

from services.payment.app.apply_fact import find_payment, refs_of
from services.payment.app.ports import PaymentUnit
from services.payment.app.wake_waiting_facts import is_stuck, look_again_later, moment_of, open_stuck_case


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAsideFact:
    """Which."""

    waiting_id: str


def set_aside_fact(command: SetAsideFact, uow: PaymentUnit) -> bool:
    """Look at it later, with back-off, and touch nothing else; tell whether it is stuck, and a person must know."""
    waiting = uow.waiting.locked(command.waiting_id)
    if waiting is None or waiting.next_check_at > uow.now:
        return False
    look_again_later(waiting, uow)
    return is_stuck(waiting, uow.now)


def tell_stuck_fact(command: SetAsideFact, uow: PaymentUnit) -> None:
    """Put it before a person, where its payment is known."""
    waiting = uow.waiting.locked(command.waiting_id)
    if waiting is None or not is_stuck(waiting, uow.now):
        return
    uow.refs.lock(refs_of(waiting.fact))
    payment = find_payment(uow, waiting.fact, waiting.payment_id)
    if payment is not None:
        open_stuck_case(payment, waiting, moment_of(waiting, uow))
