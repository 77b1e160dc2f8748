"""Facts about what was found astray before: it ends, turns into money, is lost or comes back, and is asked no more."""

from services.payment.domain.absorbing_captures import restore, reverse
from services.payment.domain.changes import Moment
from services.payment.domain.facts import Fact, ObjectType, ProcessorObject, Role
from services.payment.domain.holding import refresh_capturable, release_hold
from services.payment.domain.operations import Operation
from services.payment.domain.payment import Payment
from services.payment.domain.routing import takes_several_captures
from services.payment.domain.straying import end_stray
from services.payment.domain.strays import StrayKind

#: A hold that says so holds nothing any more.
_HOLDS_NOTHING = frozenset({"voided", "expired", "declined"})
#: A capture that says so took its money, whether or not it kept it.
_TOOK = frozenset({"succeeded", "failed"})


def stays_astray(thing: ProcessorObject) -> bool:
    """Whether the object's further facts are the stray's, also where it is still not what was asked for."""
    return thing.role is Role.STRAY and thing.object_type in {ObjectType.AUTHORIZATION, ObjectType.CAPTURE}


def absorb_stray(payment: Payment, thing: ProcessorObject, fact: Fact, moment: Moment) -> None:
    """Follow the stray; the operation under which it was found has its own end, or a person who decides it."""
    if thing.object_type is ObjectType.AUTHORIZATION:
        if fact.status in _HOLDS_NOTHING:
            end_stray(payment, thing.stray_id, moment)
    elif fact.status == "succeeded":
        restore(payment, thing, fact, moment)
    elif fact.status in {"failed", "declined"}:
        reverse(payment, thing, fact, moment)


def use_up_hold(payment: Payment, hold: ProcessorObject | None, moment: Moment) -> None:
    """What captures took of a stray hold is held no more: it is astray as money, or counts, and never twice.

    One that failed later took it too, also where that is all that was heard of it: what it gave back is not held again.
    A processor that takes one capture of a hold gives the rest back with it.
    A void of ours that is under way keeps its own end: it gave nothing of the captured part back.
    """
    stray = payment.strays.get(hold.stray_id or "") if hold is not None else None
    if hold is None or stray is None or stray.kind is not StrayKind.HOLD or stray.released:
        return
    taken_minor = sum(
        thing.amount_minor
        for thing in payment.objects.values()
        if thing.object_type is ObjectType.CAPTURE
        and thing.status in _TOOK
        and (thing.processor, thing.account, thing.parent_id) == hold.key
    )
    if taken_minor and not takes_several_captures(hold.processor):
        taken_minor = max(taken_minor, stray.amount_minor)
    if taken_minor <= stray.taken_back_minor:
        return
    stray.taken_back_minor = taken_minor
    stray.released = taken_minor >= stray.amount_minor
    stray.dirty = True
    payment.touch(moment)
    if stray.released:
        _close_case_of_hold(payment, hold, moment)


def _close_case_of_hold(payment: Payment, hold: ProcessorObject, moment: Moment) -> None:
    """Nothing is held any more: the money that it became is before a person for itself, and not at risk twice."""
    found = [
        case for case in payment.cases if case.reason == "stray_found" and case.subject == hold.object_id
    ]
    payment.answer_cases(
        found, moment, why=f"the hold {hold.object_id} was captured: nothing of it is held any more"
    )


def end_hold_taken_astray(payment: Payment, moment: Moment) -> None:
    """The last capture of our hold went astray, asked for as such or the only one there is: no rest is held.

    One that was not the last leaves a rest that is smaller by what it took.

    Asked after every fact, because the capture may be told before the hold; what it took stays astray.
    """
    if payment.authorization_id is None or payment.authorization_released:
        return
    astray = any(
        thing.object_type is ObjectType.CAPTURE
        and thing.role is Role.STRAY
        and thing.parent_id == payment.authorization_id
        and (not takes_several_captures(thing.processor) or _asked_as_last(payment, thing.operation_id))
        for thing in payment.objects.values()
    )
    if astray:
        release_hold(payment, "final_capture", moment)
    refresh_capturable(payment)
    # With nothing left to capture, what was settled of it may be all there is.
    payment.derive_status(moment)


def end_hold_of_other_answer(payment: Payment, fact: Fact, asked: Operation | None, moment: Moment) -> None:
    """Our last capture was answered with something else that took money of our hold, known before or not.

    Whatever name and amount it goes by, it came of that call, with which the processor gave the rest back.
    """
    if (
        asked is not None
        and asked.final
        and fact.object_type is ObjectType.CAPTURE
        and fact.status == "succeeded"
        and fact.parent_id == payment.authorization_id
    ):
        release_hold(payment, "final_capture", moment)


def _asked_as_last(payment: Payment, operation_id: str | None) -> bool:
    operation = payment.operations.get(operation_id or "")
    return operation is not None and operation.final
