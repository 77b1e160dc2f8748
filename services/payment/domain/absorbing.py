"""Taking in one fact: newer or not, whole or mismatched, and then by the kind of object it names."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Final

from services.payment.domain.absorbing_authorizations import absorb_authorization
from services.payment.domain.absorbing_captures import absorb_capture, came_and_went, reverse, success_before
from services.payment.domain.absorbing_disputes import absorb_dispute, absorb_dispute_row
from services.payment.domain.absorbing_refunds import absorb_refund, given_back
from services.payment.domain.absorbing_reversals import absorb_reversal, absorb_reversal_row
from services.payment.domain.absorbing_strays import (
    absorb_stray,
    end_hold_of_other_answer,
    end_hold_taken_astray,
    stays_astray,
    use_up_hold,
)
from services.payment.domain.changes import Moment
from services.payment.domain.facts import (
    ROW_STATUSES,
    STATUSES,
    Fact,
    ObjectType,
    ProcessorObject,
    Role,
    object_of,
    row_of,
)
from services.payment.domain.operations import ANSWERS, Operation, OperationType
from services.payment.domain.payment import Payment
from services.payment.domain.reported import may_be_in_doubt
from services.payment.domain.reviewing import relieve, review
from services.payment.domain.risking import settle_denials
from services.payment.domain.status import Source
from services.payment.domain.straying import end_stray_refund, find_stray
from services.payment.domain.strays import StrayKind

_MONEY_STATUSES: Final = frozenset({"authorized", "succeeded"})
#: What money is called that an object of this type shows and nobody asked for in this way.
_STRAY_KINDS: Final = {
    ObjectType.AUTHORIZATION: StrayKind.HOLD,
    ObjectType.CAPTURE: StrayKind.MONEY,
    ObjectType.REFUND: StrayKind.REFUND,
}
_Absorb = Callable[[Payment, ProcessorObject, Fact, Operation | None, Moment], bool]
_BY_TYPE: Final[Mapping[ObjectType, _Absorb]] = {
    ObjectType.AUTHORIZATION: absorb_authorization,
    ObjectType.CAPTURE: absorb_capture,
    ObjectType.REFUND: absorb_refund,
    ObjectType.DISPUTE: absorb_dispute,
    ObjectType.REVERSAL: absorb_reversal,
}
_AbsorbRow = Callable[[Payment, ProcessorObject, Fact, Moment], bool]
_ROWS: Final[Mapping[ObjectType, _AbsorbRow]] = {
    ObjectType.DISPUTE: absorb_dispute_row,
    ObjectType.REVERSAL: absorb_reversal_row,
}
#: They follow their capture's currency, and look at it themselves.
_TAKEN_BACK: Final = frozenset(_ROWS)


class Verdict(StrEnum):
    """What became of a fact; it is kept as evidence whatever it says."""

    APPLIED = "applied"
    OUTDATED = "outdated"
    WAITS = "waits"


def absorb(payment: Payment, fact: Fact, moment: Moment, *, asked: Operation | None = None) -> Verdict:
    """Apply a fact to its payment: per object the highest (version, time, status rank) wins, never arrival order.

    ``asked`` is the operation whose call was answered with this fact although something else was asked for.
    ``WAITS`` changes nothing: the fact needs an object, or an amount, that is not known yet.
    """
    if fact.row_key is not None and fact.object_type in _ROWS:
        return _absorb_row(payment, fact, moment)
    known = payment.objects.get(fact.key)
    if known is not None and known.object_type is not fact.object_type:
        return _other_kind(payment, fact, moment)
    if known is not None and not known.implied and fact.rank <= known.rank:
        _check_contradiction(payment, known, fact, moment)
        end_hold_of_other_answer(payment, fact, asked, moment)
        return Verdict.OUTDATED
    fact = _with_own_parent(payment, known, fact, moment)
    thing = known or object_of(fact)
    operation = _operation_of(payment, fact, thing)
    unread = _unread(fact, operation)
    if unread is not None:
        # The object keeps its place: an older fact that we do understand must still count when it comes.
        payment.open_case(
            unread,
            f"{fact.object_id}:{fact.status}",
            moment,
            exposure_minor=fact.amount_minor,
            currency=fact.currency,
        )
        return Verdict.APPLIED
    unsaid = operation is None and moment.source is Source.SETTLEMENT and may_be_in_doubt(payment, fact)
    too_early = unsaid or _foreign_refund_of_unknown(payment, operation, fact)
    if too_early or not _take_in(payment, thing, fact, operation, moment, asked=asked):
        return Verdict.WAITS
    if known is not None:
        _check_amount(payment, thing, fact, moment)
    thing.absorb(fact)
    if operation is not None and thing.operation_id is None and thing.role is Role.SEEN:
        thing.operation_id = operation.operation_id
    payment.objects[thing.key] = thing
    use_up_hold(payment, _hold_of(payment, thing), moment)
    end_hold_taken_astray(payment, moment)
    end_hold_of_other_answer(payment, fact, asked, moment)
    payment.touch(moment)
    settle_denials(payment, moment)
    return Verdict.APPLIED


def _hold_of(payment: Payment, thing: ProcessorObject) -> ProcessorObject | None:
    """The hold that a fact speaks of, or of which its capture took money: either may be told first."""
    if thing.object_type is ObjectType.CAPTURE:
        return payment.objects.get((thing.processor, thing.account, thing.parent_id or ""))
    return thing if thing.object_type is ObjectType.AUTHORIZATION else None


def _take_in(
    payment: Payment,
    thing: ProcessorObject,
    fact: Fact,
    operation: Operation | None,
    moment: Moment,
    *,
    asked: Operation | None,
) -> bool:
    """Set it aside, or let it count by its kind; False where it needs an object, or an amount, not known yet."""
    if stays_astray(thing):
        absorb_stray(payment, thing, fact, moment)
        return True
    if _mismatched(payment, thing, operation, fact, asked=asked) or _refund_astray(payment, thing):
        _set_aside(payment, thing, fact, operation or _made_by(asked, fact), moment)
        return True
    return _BY_TYPE[fact.object_type](payment, thing, fact, operation, moment)


def _other_kind(payment: Payment, fact: Fact, moment: Moment) -> Verdict:
    """One name for two kinds of object, whoever is wrong: what counts already must not be taken for the other."""
    payment.open_case(
        "contradicting_evidence",
        f"{fact.object_id}:{fact.object_type.value}",
        moment,
        exposure_minor=fact.amount_minor,
        currency=fact.currency,
    )
    return Verdict.OUTDATED


def _with_own_parent(payment: Payment, known: ProcessorObject | None, fact: Fact, moment: Moment) -> Fact:
    """An object stays whose it was: money that counts for one capture is never moved to another by a later word.

    A later word that names none is about the same one, and is no contradiction.
    """
    parent_id = known.parent_id if known is not None else None
    if parent_id is None or fact.parent_id == parent_id:
        return fact
    if fact.parent_id is not None:
        payment.open_case(
            "contradicting_evidence",
            f"{fact.object_id}:parent",
            moment,
            exposure_minor=fact.amount_minor,
            currency=fact.currency,
            words=f"of {fact.parent_id}",
        )
    return replace(fact, parent_id=parent_id)


def _absorb_row(payment: Payment, fact: Fact, moment: Moment) -> Verdict:
    """A money row is told once and never changes: the same row saying something else is a contradiction."""
    thing = row_of(fact)
    known = payment.objects.get(thing.key)
    if known is not None:
        said = (known.status, known.amount_minor, known.currency)
        if said != (fact.status, fact.amount_minor, fact.currency):
            payment.open_case(
                "contradicting_evidence",
                thing.object_id,
                moment,
                exposure_minor=known.amount_minor,
                currency=known.currency,
                words=fact.words,
            )
        return Verdict.OUTDATED
    unread = "status_unknown" if fact.status not in ROW_STATUSES[fact.object_type] else None
    if unread is None and fact.amount_minor == 0:
        unread = "money_without_amount"
    if unread is not None:
        payment.open_case(
            unread,
            f"{thing.object_id}:{fact.status}",
            moment,
            exposure_minor=fact.amount_minor,
            currency=fact.currency,
        )
        return Verdict.APPLIED
    if not _ROWS[fact.object_type](payment, thing, fact, moment):
        return Verdict.WAITS
    payment.objects[thing.key] = thing
    payment.touch(moment)
    return Verdict.APPLIED


def _unread(fact: Fact, operation: Operation | None) -> str | None:
    """Why the fact decides nothing: a status that its type does not have, or money of no amount at all."""
    if fact.status not in STATUSES[fact.object_type]:
        return "status_unknown"
    # Of a capture only what was taken can fail; a dispute claims its amount also where it echoes an answer of ours.
    failed = fact.object_type is ObjectType.CAPTURE and fact.status == "failed"
    claims = operation is None and (failed or fact.status in {"pending", *_MONEY_STATUSES})
    nothing = fact.amount_minor == 0 and (claims or fact.object_type is ObjectType.DISPUTE)
    return "money_without_amount" if nothing else None


def _foreign_refund_of_unknown(payment: Payment, operation: Operation | None, fact: Fact) -> bool:
    """A refund in another currency can be right: of a stray in that currency, once that is known."""
    if fact.object_type is not ObjectType.REFUND or operation is not None:
        return False
    parent = given_back(payment, fact, operation)
    return fact.currency != payment.currency and (parent is None or parent.role is Role.SEEN)


def _operation_of(payment: Payment, fact: Fact, thing: ProcessorObject) -> Operation | None:
    """The operation under which the object stands, if it is of a kind that could have made it."""
    operations = payment.operations
    return _made_by(operations.get(fact.reference or "") or operations.get(thing.operation_id or ""), fact)


def _made_by(operation: Operation | None, fact: Fact) -> Operation | None:
    """The operation, if it is of a kind that makes such objects."""
    if operation is None:
        return None
    fits = {
        ObjectType.AUTHORIZATION: operation.type is OperationType.AUTHORIZE,
        ObjectType.CAPTURE: operation.takes_money,
        ObjectType.REFUND: operation.type in {OperationType.REFUND, OperationType.STRAY_RETURN},
        ObjectType.DISPUTE: operation.type in ANSWERS,
    }
    return operation if fits.get(fact.object_type, False) else None


def _mismatched(
    payment: Payment,
    thing: ProcessorObject,
    operation: Operation | None,
    fact: Fact,
    *,
    asked: Operation | None,
) -> bool:
    """Whether the object is not what was asked for; another currency is never ours, unless a stray's."""
    if fact.object_type in _TAKEN_BACK:
        return False
    if thing.role is Role.ADOPTED and not (operation is not None and operation.undecided):
        # Somebody took it for the merchant's although it was not what was asked for: what it says later, that it
        # failed above all, is about money that counts.
        return fact.currency != payment.currency
    if asked is not None:
        return True
    other_amount = operation is not None and fact.amount_minor != operation.amount_minor
    parent = given_back(payment, fact, operation) if fact.object_type is ObjectType.REFUND else None
    stray = payment.strays.get(parent.stray_id or "") if parent is not None else None
    if stray is not None:
        ours = operation is not None and operation.stray_id == stray.stray_id
        return fact.currency != stray.currency or (ours and other_amount)
    if fact.currency != payment.currency:
        return True
    return other_amount


def _refund_astray(payment: Payment, thing: ProcessorObject) -> bool:
    """Whether the object is a refund that was found astray: it stays so, whatever it says of itself later."""
    stray = payment.strays.get(thing.stray_id or "")
    return stray is not None and stray.kind is StrayKind.REFUND and stray.object_id == thing.object_id


def _set_aside(
    payment: Payment, thing: ProcessorObject, fact: Fact, operation: Operation | None, moment: Moment
) -> None:
    """Not what was asked for: the operation goes to review, the amounts stay, the money is a stray."""
    if operation is not None and operation.undecided:
        review(payment, operation, "echo_mismatch", moment, subject=thing.object_id, words=fact.words)
    else:
        payment.open_case(
            "echo_mismatch",
            thing.object_id,
            moment,
            exposure_minor=operation.amount_minor if operation else fact.amount_minor,
            currency=payment.currency_of(operation) if operation else fact.currency,
            operation_id=operation.operation_id if operation else None,
            words=fact.words,
        )
    if _refund_astray(payment, thing):
        if fact.status in {"failed", "declined"}:
            end_stray_refund(payment, thing, moment)
    elif came_and_went(thing, fact):
        _find_astray(payment, thing, success_before(fact), operation, moment)
        reverse(payment, thing, fact, moment)
    elif fact.status in _MONEY_STATUSES and thing.role is Role.SEEN:
        _find_astray(payment, thing, fact, operation, moment)


def _find_astray(
    payment: Payment, thing: ProcessorObject, fact: Fact, operation: Operation | None, moment: Moment
) -> None:
    """The fact's own words are what is astray, also where an older word of the object is known."""
    thing.amount_minor, thing.currency, thing.fact_key = fact.amount_minor, fact.currency, fact.fact_key
    operation_id = operation.operation_id if operation else None
    kind = _STRAY_KINDS[fact.object_type]
    find_stray(payment, thing, kind, moment, operation_id=operation_id, mismatch=True)


def _check_contradiction(payment: Payment, known: ProcessorObject, fact: Fact, moment: Moment) -> None:
    """The same version of one object must not say two things; history is not rewritten for it."""
    # Where a processor has no versions, one moment and one status are as good: it cannot have been two amounts.
    same_version = fact.rank == known.rank or (
        fact.object_version is not None and fact.object_version == known.version
    )
    said = (known.status, known.amount_minor, known.currency)
    if same_version and said != (fact.status, fact.amount_minor, fact.currency):
        payment.open_case(
            "contradicting_evidence",
            f"{known.object_id}:{known.version}",
            moment,
            exposure_minor=known.amount_minor,
            currency=known.currency,
            words=fact.words,
        )


def _check_amount(payment: Payment, thing: ProcessorObject, fact: Fact, moment: Moment) -> None:
    """Money that counts already keeps its amount; an object that changes its own goes before a person."""
    if thing.counted_minor and thing.counted_minor != fact.amount_minor:
        payment.open_case(
            "amount_changed",
            thing.object_id,
            moment,
            exposure_minor=abs(thing.counted_minor - fact.amount_minor),
            operation_id=thing.operation_id,
        )
    else:
        relieve(payment, "amount_changed", thing.object_id, moment)
