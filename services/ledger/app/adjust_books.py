"""People correct the books by two: one proposes a filled-in template, another approves it, and only then it is booked.

A mistake is answered by a reversal, which is an adjustment itself: proposed, approved by somebody else, once.
"""

from __future__ import annotations

from dataclasses import replace

from services.ledger.app.adjustment_ports import AdjustingUnit
from services.ledger.domain.adjustment_templates import TEMPLATES
from services.ledger.domain.adjustments import (
    Adjustment,
    Answer,
    Answered,
    Proposed,
    check_known,
    check_proposal,
    check_step,
    floor_account,
    journal_for,
    owners_named,
    reversal_for,
)
from services.ledger.domain.chart import Side
from services.ledger.domain.journal import Cause, Journal
from services.ledger.domain.periods import check_open
from services.ledger.domain.posting import entries_for
from shared.kernel.decisions import DecisionState, check_four_eyes
from shared.kernel.errors import InvariantViolation, Rejected
from shared.kernel.operators import Actor, OperatorAct


def propose_adjustment(
    proposed: Proposed, actor: Actor, work: AdjustingUnit, *, adjustment_id: str | None = None
) -> Adjustment:
    """Keep the proposal, under a new id unless its own is told; nothing is booked."""
    check_proposal(proposed)
    _check_owners(proposed, work)
    named = adjustment_id or work.ids.new("adj_")
    work.adjustments.add(named, proposed, by=actor.name, at=work.now)
    work.acted(OperatorAct(actor=actor, action="adjustment_proposed", target=named, reason=proposed.reason))
    return stored_adjustment(named, work)


def propose_reversal(
    adjustment_id: str, reason: str, attachment: str, actor: Actor, work: AdjustingUnit
) -> Adjustment:
    """Propose to take an approved adjustment back, once."""
    original = stored_adjustment(adjustment_id, work, locked=True)
    if original.reverses_adjustment_id is not None:
        raise Rejected("adjustment_is_reversal", "a reversal is not reversed: propose the adjustment anew")
    if original.state is not DecisionState.APPROVED:
        raise Rejected(
            "adjustment_wrong_state",
            f"adjustment {adjustment_id} is {original.state}: nothing was booked that could be reversed",
            extra={"adjustment": adjustment_id, "state": original.state.value},
        )
    standing = work.adjustments.reversal_of(adjustment_id)
    if standing is not None:
        raise Rejected(
            "adjustment_reversed_already",
            f"adjustment {adjustment_id} is reversed by {standing}",
            extra={"adjustment": adjustment_id, "reversed_by": standing},
        )
    reversal = Proposed(
        template=original.template,
        parameters=original.parameters,
        amount_minor=original.amount_minor,
        currency=original.currency,
        reason=reason,
        attachment=attachment,
        reverses_adjustment_id=adjustment_id,
    )
    return propose_adjustment(reversal, actor, work)


def approve_adjustment(adjustment_id: str, reason: str, actor: Actor, work: AdjustingUnit) -> Adjustment:
    """Book it; refused for its proposer, below a floor, beyond what is open under its key, and in a closed month."""
    adjustment = stored_adjustment(adjustment_id, work, locked=True)
    check_step(adjustment, DecisionState.APPROVED)
    check_four_eyes(adjustment.proposed_by, actor.name)
    if adjustment.reverses_adjustment_id is None:
        _check_owners(adjustment, work)
        _check_clearing(adjustment, work)
        _check_floor(adjustment, work)
        _check_owed(adjustment, work)
    event_id = work.acted(
        OperatorAct(actor=actor, action="adjustment_approved", target=adjustment_id, reason=reason)
    )
    decided = replace(
        _decided(adjustment, DecisionState.APPROVED, reason, actor, work), journal_id=work.ids.new("jrn_")
    )
    journal = journal_of(decided, Cause(event_id=event_id, event_type="OperatorActed", version=1), work)
    check_open(journal.effective_at, work.periods.opens_at())
    work.journals.add(journal)
    return _keep(decided, event_id, work)


def reject_adjustment(adjustment_id: str, reason: str, actor: Actor, work: AdjustingUnit) -> Adjustment:
    """End a proposal; its proposer may, too."""
    adjustment = stored_adjustment(adjustment_id, work, locked=True)
    check_step(adjustment, DecisionState.REJECTED)
    act = OperatorAct(actor=actor, action="adjustment_rejected", target=adjustment_id, reason=reason)
    event_id = work.acted(act)
    return _keep(_decided(adjustment, DecisionState.REJECTED, reason, actor, work), event_id, work)


def withdraw_adjustment(
    waiting: Adjustment, reason: str, by: str, cause_event_id: str, work: AdjustingUnit
) -> None:
    """End a proposal that whoever asked for it wants no more; it was read for that, ``locked``."""
    check_step(waiting, DecisionState.REJECTED)
    actor = Actor(name=by, role="operator")
    _keep(_decided(waiting, DecisionState.REJECTED, reason, actor, work), cause_event_id, work)


def stored_adjustment(adjustment_id: str, work: AdjustingUnit, *, locked: bool = False) -> Adjustment:
    """The adjustment, or the caller's mistake."""
    found = work.adjustments.get(adjustment_id, locked=locked)
    if found is None:
        raise Rejected(
            "adjustment_not_found", f"there is no adjustment {adjustment_id}", status=404, stored=False
        )
    return found


def journal_of(approved: Adjustment, cause: Cause, work: AdjustingUnit) -> Journal:
    """The journal of an approved adjustment, under its id; effective when it was decided, or with what it reverses."""
    if approved.journal_id is None or approved.decided_at is None:
        raise InvariantViolation("adjustment_booked", f"{approved.adjustment_id} is not approved")
    reversed_id = approved.reverses_adjustment_id
    if reversed_id is None:
        return journal_for(approved, cause, approved.journal_id, approved.decided_at)
    rule = TEMPLATES[approved.template].rule
    work.journals.load_amended([(rule, reversed_id)])
    original = work.journals.find_fact(rule, reversed_id)
    if original is None:
        raise InvariantViolation("adjustment_booked", f"{reversed_id} is approved and has no journal")
    return reversal_for(original, cause, approved.journal_id, approved.decided_at)


def _decided(
    adjustment: Adjustment, state: DecisionState, reason: str, actor: Actor, work: AdjustingUnit
) -> Adjustment:
    return replace(
        adjustment, state=state, decided_by=actor.name, decided_at=work.now, decision_reason=reason
    )


def _keep(decided: Adjustment, cause_event_id: str, work: AdjustingUnit) -> Adjustment:
    work.adjustments.decide(decided)
    work.announce_decision(decided, cause_event_id)
    _answer(decided, cause_event_id, work)
    return decided


def _answer(decided: Adjustment, cause_id: str, work: AdjustingUnit) -> None:
    """Tell reconciliation, where it proposed this one, or the one that this one takes back."""
    booked = decided.state is DecisionState.APPROVED
    asked = decided
    if decided.reverses_adjustment_id is not None:
        if not booked:
            return  # what it was to take back stands
        asked = stored_adjustment(decided.reverses_adjustment_id, work)
    if asked.asked_event_id is None:
        return
    applied = booked and asked is decided
    work.answer(
        Answer(
            break_id=asked.attachment,
            asked_event_id=asked.asked_event_id,
            outcome=Answered.APPLIED if applied else Answered.REFUSED,
            cause_id=cause_id,
            adjustment_id=decided.adjustment_id,
            journal_id=decided.journal_id,
            reason=f"{'reversed' if booked and not applied else decided.state.lower()}"
            f" by {decided.decided_by}: {decided.decision_reason}",
        )
    )


def _check_owners(proposed: Proposed, work: AdjustingUnit) -> None:
    """Facts and imports open accounts; one that people name by a slip of the pen would be a new one, with money."""
    for kind, owner in owners_named(proposed).items():
        check_known(proposed, kind, work.adjustments.currencies_held(kind, owner))


def _check_clearing(adjustment: Adjustment, work: AdjustingUnit) -> None:
    """A key that is mistyped, or cleared already, is told now, and not by what stands open for ever after."""
    leg = TEMPLATES[adjustment.template].clears
    if leg is None:
        return
    (entry,) = entries_for((leg,), adjustment.fields)
    key = adjustment.parameters["clearing_key"]
    work.adjustments.take_turns([f"{':'.join(entry.account)}:{key}"])
    net_minor = work.adjustments.open_minor(entry.account, key)
    open_minor = -net_minor if leg.side is Side.DEBIT else net_minor
    if open_minor < adjustment.amount_minor:
        raise Rejected(
            "clearing_key_not_open",
            f"under {key} no {adjustment.amount_minor} {adjustment.currency} are open that way",
            param="clearing_key",
            extra={"open_minor": max(open_minor, 0), "currency": adjustment.currency},
        )


def _check_floor(adjustment: Adjustment, work: AdjustingUnit) -> None:
    account = floor_account(adjustment)
    if account is None:
        return
    work.adjustments.take_turns([":".join(account)])
    available_minor = work.adjustments.available_minor(account)
    if available_minor < adjustment.amount_minor:
        raise Rejected(
            "floor_reached",
            f"{adjustment.amount_minor} {adjustment.currency} are more than is available",
            param="amount",
            extra={"available_minor": available_minor, "currency": adjustment.currency},
        )


def _check_owed(adjustment: Adjustment, work: AdjustingUnit) -> None:
    """What is written off or cleared stands there, by what has taken effect and by all that is booked."""
    template = TEMPLATES[adjustment.template]
    leg = next((leg for leg in template.legs if leg.family is template.takes_back), None)
    if leg is None:
        return
    (entry,) = entries_for((leg,), adjustment.fields)
    work.adjustments.take_turns([":".join(entry.account)])
    sign = 1 if leg.side is not leg.family.normal_side else -1
    owed_minor = min(sign * balance_minor for balance_minor in work.adjustments.balances_minor(entry.account))
    if owed_minor < adjustment.amount_minor:
        raise Rejected(
            "more_than_owed",
            f"{adjustment.amount_minor} {adjustment.currency} are more than stands there to be taken back",
            param="amount",
            extra={"owed_minor": max(owed_minor, 0), "currency": adjustment.currency},
        )
