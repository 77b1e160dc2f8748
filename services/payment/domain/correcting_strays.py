"""A stray of which a reply had lied: put aside exactly as it went in, and judged anew by what other evidence says."""

from dataclasses import replace
from typing import Final

from services.payment.domain.absorbing import Verdict, absorb
from services.payment.domain.changes import Moment
from services.payment.domain.events import StrayAccepted
from services.payment.domain.facts import IMPLIED_VERSION, Fact, Role
from services.payment.domain.payment import Payment
from services.payment.domain.resolving_strays import ever_claimed, refuse_under_way, refused
from services.payment.domain.straying import refresh_stray_amount
from services.payment.domain.strays import Stray, StrayKind

#: The word by which each kind of stray was found.
_FOUND_BY: Final = {
    StrayKind.MONEY: "succeeded",
    StrayKind.HOLD: "authorized",
    StrayKind.REFUND: "succeeded",
}


def correct(payment: Payment, stray: Stray, truth: Fact, moment: Moment, *, by: str) -> None:
    """Believe ``truth``, evidence that we hold, instead of the reply by which the stray was found.

    ``moment`` is the decision's, ``by`` who approved it. Suspense gives back exactly what went in; then the object
    counts as if the reply had said so from the start: as the operation's own where that is what was asked for, else
    astray anew, in its true amount and currency.
    """
    check_correctable(payment, stray, truth)
    thing = payment.objects[truth.key]
    said = (thing.role, thing.amount_minor, thing.currency)
    stray.released = stray.accepted = True
    stray.dirty = True
    if stray.kind is not StrayKind.HOLD:
        payment.announce(
            StrayAccepted(stray_id=stray.stray_id, amount_minor=stray.amount_minor, currency=stray.currency),
            moment,
        )
    answered = {
        ("stray_found", thing.object_id),
        ("contradicting_evidence", f"{thing.object_id}:{thing.version}"),
    }
    payment.answer_cases(
        [case for case in payment.cases if (case.reason, case.subject) in answered],
        moment,
        why=f"corrected to {truth.words}",
        by=by,
        decision_id=moment.cause_id,
    )
    # What was said of it is void: any word that was meant is newer.
    thing.role, thing.stray_id, thing.operation_id = Role.SEEN, None, stray.operation_id
    thing.version, thing.implied, thing.dirty = IMPLIED_VERSION, True, True
    verdict = absorb(payment, replace(truth, reference=truth.reference or stray.operation_id), moment)
    refresh_stray_amount(payment)
    if verdict is not Verdict.APPLIED or (thing.role, thing.amount_minor, thing.currency) == said:
        raise refused(
            "evidence_decides_nothing", f"by it {stray.object_id} is what it was before: {truth.words}", stray
        )


def check_correctable(payment: Payment, stray: Stray, truth: Fact) -> None:
    """Refuse what no evidence can correct, and evidence that is about something else."""
    refuse_under_way(payment, stray)
    if stray.released or stray.returned_minor or stray.taken_back_minor:
        raise refused("stray_settled", "nothing of it, or not all, is astray any more", stray)
    if ever_claimed(payment, stray):
        raise refused("stray_disputed", "a stray that was disputed or reversed is not corrected", stray)
    if not stray.mismatch:
        raise refused("stray_not_correctable", "nothing that was said of it is in doubt", stray)
    if stray.corrects is not None:
        raise refused("stray_not_correctable", "what was said of it was corrected once already", stray)
    told = (truth.key, truth.object_type, truth.status)
    meant = ((stray.processor, stray.account, stray.object_id), stray.object_type, _FOUND_BY[stray.kind])
    if told != meant:
        raise refused(
            "evidence_unfit", f"it does not say that {stray.object_id} {_FOUND_BY[stray.kind]}", stray
        )
