"""Two people agree tolerances, fees and calendars: one proposes, another approves, and only then they count."""

from __future__ import annotations

from typing import Protocol

from services.reconciliation.app.declare_source import declared_source
from services.reconciliation.app.ports import ReconciliationUnit
from services.reconciliation.domain.terms import Said, Term, check_said, check_undecided
from shared.kernel.decisions import DecisionState, check_four_eyes
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor, OperatorAct


class Terms(Protocol):
    """Terms of one transaction: added and decided, never changed otherwise."""

    def add(self, term_id: str, said: Said, *, by: str, reason: str) -> None: ...

    def locked(self, term_id: str) -> Term | None:
        """The term, which nobody else decides until this transaction ends."""
        ...

    def decide(self, term_id: str, state: DecisionState, *, by: str, reason: str) -> None: ...


class AgreeUnit(ReconciliationUnit, Protocol):
    """What one transaction offers."""

    @property
    def terms(self) -> Terms: ...


def propose_term(said: Said, reason: str, actor: Actor, uow: AgreeUnit) -> Term:
    """Keep the proposal; nothing counts before somebody else approves it."""
    check_said(said)
    if said.source is not None:
        declared_source(said.source, uow)
    term_id = uow.ids.new("trm_")
    uow.terms.add(term_id, said, by=actor.name, reason=reason)
    uow.announce(OperatorAct(actor=actor, action="term_proposed", target=term_id, reason=reason))
    return stored_term(term_id, uow)


def approve_term(term_id: str, reason: str, actor: Actor, uow: AgreeUnit) -> Term:
    """Let it count from its moment on, and never from before this one; refused for its proposer."""
    term = stored_term(term_id, uow)
    check_undecided(term)
    check_four_eyes(term.proposed_by, actor.name)
    return _decide(term, DecisionState.APPROVED, "term_approved", reason, actor, uow)


def reject_term(term_id: str, reason: str, actor: Actor, uow: AgreeUnit) -> Term:
    """End a proposal; its proposer may, too."""
    term = stored_term(term_id, uow)
    check_undecided(term)
    return _decide(term, DecisionState.REJECTED, "term_rejected", reason, actor, uow)


def stored_term(term_id: str, uow: AgreeUnit) -> Term:
    """The term, locked, or the caller's mistake."""
    found = uow.terms.locked(term_id)
    if found is None:
        raise Rejected("term_not_found", f"there is no term {term_id}", status=404, stored=False)
    return found


def _decide(term: Term, state: DecisionState, action: str, reason: str, actor: Actor, uow: AgreeUnit) -> Term:
    uow.terms.decide(term.term_id, state, by=actor.name, reason=reason)
    uow.announce(OperatorAct(actor=actor, action=action, target=term.term_id, reason=reason))
    return stored_term(term.term_id, uow)
