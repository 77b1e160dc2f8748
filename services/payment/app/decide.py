"""Operators decide what no evidence decides: operations in review, and strays. Four eyes where money moves."""

from dataclasses import dataclass, replace

from services.payment.app.apply_fact import ApplyFact, apply_fact
from services.payment.app.ports import OperatorUnit
from services.payment.app.settle_counted import settle_counted
from services.payment.domain.cases import OF_REVIEW, Case
from services.payment.domain.changes import Moment
from services.payment.domain.correcting_strays import check_correctable, correct
from services.payment.domain.deciding import give_up
from services.payment.domain.decisions import OUTCOMES, Decision, DecisionKind, DecisionState, Outcome
from services.payment.domain.facts import Fact
from services.payment.domain.holding import release_hold
from services.payment.domain.operations import ANSWERS, Operation, OperationState, OperationType
from services.payment.domain.operator_facts import proof_of_success, would_decide
from services.payment.domain.payment import Payment
from services.payment.domain.resolving_strays import (
    accept,
    check_acceptable,
    check_returnable,
    request_return,
    request_void,
)
from services.payment.domain.risking import settle_denials
from services.payment.domain.status import Source
from services.payment.domain.strays import Stray
from shared.kernel.errors import InvariantViolation, Rejected
from shared.kernel.operators import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Propose:
    """What an operator wants decided. ``evidence`` says where the proof is: a report, a ticket, a statement."""

    kind: DecisionKind
    subject_id: str
    outcome: Outcome
    reason: str
    actor: Actor
    evidence: str = ""
    object_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """The second pair of eyes."""

    decision_id: str
    approve: bool
    reason: str
    actor: Actor


def propose(command: Propose, uow: OperatorUnit) -> Decision:
    """Keep the proposal, once per wish and person; where no money moves it is applied at once."""
    if command.outcome not in OUTCOMES[command.kind]:
        raise Rejected(
            "outcome_unfit", f"{command.outcome} is nothing to decide of this", status=422, param="outcome"
        )
    if command.kind is DecisionKind.OPERATION and not command.evidence.strip():
        raise Rejected("evidence_missing", "say where the proof is", status=422, param="evidence")
    payment = _locked(uow, command.subject_id, command.kind)
    truth = _truth(uow, command.evidence) if command.outcome is Outcome.CORRECT else None
    decision = _decision(command, payment, truth, uow)
    before = uow.decisions.open_for(command.subject_id)
    if before is not None:
        if _same_wish(before, decision):
            return before
        raise Rejected(
            "decision_open",
            f"decision {before.decision_id} on it waits for its second pair of eyes",
            stored=False,
            extra={"decision": before.decision_id},
        )
    uow.acted(command.actor, f"propose_{command.outcome.value}", command.subject_id, command.reason)
    if not decision.moves_money:
        decision = replace(
            decision,
            state=DecisionState.APPLIED,
            decided_by=command.actor.name,
            decided_at=uow.now,
            decided_reason=command.reason,
        )
    else:
        _check(payment, decision, truth, uow)
    uow.decisions.add(decision)
    if decision.state is DecisionState.APPLIED:
        _apply(payment, decision, command.actor, uow)
    return decision


def settle(command: Settle, uow: OperatorUnit) -> Decision:
    """Approve a proposal, which applies it in this transaction, or reject it, which leaves everything as it was."""
    found = uow.decisions.locked(command.decision_id)
    if found is None:
        raise Rejected("decision_not_found", "there is no such decision", status=404, stored=False)
    wanted = DecisionState.APPLIED if command.approve else DecisionState.REJECTED
    if found.state is not DecisionState.PROPOSED:
        raise Rejected(
            "decision_final", f"it is {found.state.value} already", extra={"decision": found.decision_id}
        )
    if command.approve and found.proposed_by == command.actor.name:
        raise Rejected("four_eyes", "somebody else than the proposer approves it", status=403, stored=False)
    settled = replace(
        found,
        state=wanted,
        decided_by=command.actor.name,
        decided_at=uow.now,
        decided_reason=command.reason,
    )
    verb = "approve" if command.approve else "reject"
    uow.acted(command.actor, f"{verb}_{found.outcome.value}", found.subject_id, command.reason)
    if command.approve:
        _apply(_locked(uow, found.subject_id, found.kind), settled, command.actor, uow)
    uow.decisions.settle(settled)
    return settled


def _locked(uow: OperatorUnit, subject_id: str, kind: DecisionKind) -> Payment:
    holder = uow.payments.holder(subject_id)
    payment = uow.payments.locked(holder) if holder is not None else None
    known = payment is not None and subject_id in (
        payment.operations if kind is DecisionKind.OPERATION else payment.strays
    )
    if payment is None or not known:
        raise Rejected(f"{kind.value}_not_found", f"there is no such {kind.value}", status=404, stored=False)
    return payment


def _truth(uow: OperatorUnit, evidence_id: str) -> Fact:
    """The evidence that is to be believed, by its id in the payment's timeline."""
    fact = uow.evidence.find(evidence_id.strip())
    if fact is None:
        raise Rejected(
            "evidence_unknown",
            "name the evidence that tells the truth by its id: GET /operator/payments/{id}/timeline shows it",
            status=422,
            param="evidence",
        )
    return fact


def _decision(command: Propose, payment: Payment, truth: Fact | None, uow: OperatorUnit) -> Decision:
    if command.kind is DecisionKind.OPERATION:
        operation = payment.operations[command.subject_id]
        moves_money = operation.direction != "none"
        amount_minor, currency = operation.amount_minor, payment.currency_of(operation)
    else:
        stray = payment.strays[command.subject_id]
        moves_money = command.outcome is not Outcome.VOID
        told = truth or stray
        amount_minor, currency = told.amount_minor, told.currency
    return Decision(
        decision_id=uow.ids.new("dec_"),
        kind=command.kind,
        subject_id=command.subject_id,
        payment_id=payment.payment_id,
        outcome=command.outcome,
        moves_money=moves_money,
        amount_minor=amount_minor,
        currency=currency,
        evidence=command.evidence,
        object_id=command.object_id,
        reason=command.reason,
        state=DecisionState.PROPOSED,
        proposed_by=command.actor.name,
        proposed_at=uow.now,
    )


def _same_wish(before: Decision, now: Decision) -> bool:
    return (before.outcome, before.object_id, before.evidence, before.proposed_by) == (
        now.outcome,
        now.object_id,
        now.evidence,
        now.proposed_by,
    )


def _check(payment: Payment, decision: Decision, truth: Fact | None, uow: OperatorUnit) -> None:
    """Tell the proposer now what could only fail later, in the hands of somebody else who cannot mend it."""
    if decision.kind is DecisionKind.OPERATION:
        operation = payment.operations[decision.subject_id]
        _in_review(operation)
        if decision.outcome is Outcome.SUCCEEDED:
            proof = _proof(payment, operation, decision, uow)
            if not would_decide(payment, operation, proof, _moment(decision, uow)):
                raise _decides_nothing(proof)
    elif decision.outcome is Outcome.RETURN:
        check_returnable(payment, payment.strays[decision.subject_id])
    elif decision.outcome is Outcome.ACCEPT:
        check_acceptable(payment, payment.strays[decision.subject_id])
    elif truth is not None:
        check_correctable(payment, payment.strays[decision.subject_id], truth)


def _in_review(operation: Operation) -> None:
    if operation.state is not OperationState.IN_REVIEW:
        raise Rejected(
            "operation_not_in_review",
            f"operation {operation.operation_id} is {operation.state.value}; a person decides what is in review",
            extra={"operation": operation.operation_id},
        )


def _apply(payment: Payment, decision: Decision, actor: Actor, uow: OperatorUnit) -> None:
    moment = _moment(decision, uow)
    before = {o.operation_id for o in payment.operations.values() if o.state is OperationState.IN_REVIEW}
    # What the decision itself brings before a person stays there.
    asked = [case for case in payment.cases if case.open]
    subjects = {decision.subject_id}
    if decision.kind is DecisionKind.OPERATION:
        operation = payment.operations[decision.subject_id]
        _in_review(operation)
        _decide_operation(payment, operation, decision, moment, uow)
    else:
        stray = payment.strays[decision.subject_id]
        subjects.add(stray.object_id)
        _decide_stray(payment, stray, decision, moment, uow)
    subjects |= {name for name in before if not payment.operations[name].undecided}
    payment.answer_cases(
        [case for case in asked if case.about(subjects) and not _needs_its_own(payment, case, decision)],
        moment,
        why=decision.decided_reason or decision.reason,
        by=actor.name,
        decision_id=decision.decision_id,
    )
    # What risk denied meanwhile waited for this.
    settle_denials(payment, moment)


def _needs_its_own(payment: Payment, case: Case, decision: Decision) -> bool:
    """Another decision: what was found under the operation is still astray, or the operation is still in review."""
    operation = payment.operations.get(case.operation_id or "")
    if case.reason in OF_REVIEW and operation is not None and operation.undecided:
        return True
    astray = {
        s.object_id for s in payment.strays.values() if s.stray_id != decision.subject_id and s.open_minor > 0
    }
    return case.reason == "stray_found" and case.subject in astray


def _decide_operation(
    payment: Payment, operation: Operation, decision: Decision, moment: Moment, uow: OperatorUnit
) -> None:
    if decision.outcome is Outcome.DECLINED:
        give_up(payment, operation, OperationState.DECLINED, moment)
        return
    if operation.type in ANSWERS:
        # It moves no money and makes no object: what the dispute became of it is told by the dispute's own facts.
        payment.advance(operation, OperationState.SUCCEEDED, moment)
        return
    proof = _proof(payment, operation, decision, uow)
    told = ApplyFact(
        fact=proof,
        source=Source.OPERATOR,
        cause_id=decision.decision_id,
        received_at=uow.now,
        payment_id=payment.payment_id,
    )
    apply_fact(told, uow)
    if operation.undecided and operation.type is OperationType.CANCEL:
        payment.advance(operation, OperationState.SUCCEEDED, moment)
        release_hold(payment, "merchant", moment)
    if operation.undecided:
        raise _decides_nothing(proof)


def _moment(decision: Decision, uow: OperatorUnit) -> Moment:
    return Moment(now=uow.now, cause_id=decision.decision_id, ids=uow.ids, source=Source.OPERATOR)


def _proof(payment: Payment, operation: Operation, decision: Decision, uow: OperatorUnit) -> Fact:
    """What is to show the success; refused where it is known here as another payment's."""
    proof = proof_of_success(payment, operation, decision.object_id, decision.evidence, uow.now)
    uow.refs.lock([proof.key])
    owner = uow.refs.owner(proof.key)
    if owner not in {None, payment.payment_id}:
        raise Rejected(
            "object_of_another_payment",
            f"{proof.object_id} belongs to payment {owner}",
            param="object_id",
            extra={"payment": owner},
        )
    return proof


def _decides_nothing(proof: Fact) -> Rejected:
    return Rejected(
        "evidence_decides_nothing",
        f"{proof.object_id} does not show that the operation succeeded; is it a stray? then decide that",
        param="object_id",
    )


def _decide_stray(
    payment: Payment, stray: Stray, decision: Decision, moment: Moment, uow: OperatorUnit
) -> None:
    if decision.outcome is Outcome.RETURN:
        return_astray(payment, stray, moment, uow)
    elif decision.outcome is Outcome.VOID:
        request_void(payment, stray, moment)
    else:
        counted_before = payment.captures_counted
        if decision.outcome is Outcome.ACCEPT:
            accept(payment, stray, moment)
        else:
            correct(payment, stray, _truth(uow, decision.evidence), moment, by=decision.decided_by or "")
        settle_counted(payment, counted_before, moment, uow)


def return_astray(payment: Payment, stray: Stray, moment: Moment, uow: OperatorUnit) -> Operation:
    """Ask for the return; what it takes is reserved twice over, in the domain and by one guarded update."""
    operation = request_return(payment, stray, moment)
    if not uow.payments.reserve_stray(stray.stray_id, operation.amount_minor):
        raise InvariantViolation("stray_room", f"{stray.stray_id} has nothing left to return")
    return operation
