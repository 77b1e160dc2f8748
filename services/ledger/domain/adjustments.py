"""The life of an adjustment: proposed by one person, decided by another, and then it stands; and its journal."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.ledger.domain.adjustment_templates import (
    PARAMETERS,
    STRAY_PREFIX,
    TAKEN_BY,
    TEMPLATES,
    Template,
)
from services.ledger.domain.chart import AccountRef, Owner
from services.ledger.domain.journal import AMOUNT_MINOR_MAX, Cause, Journal, check_entries, reversal_of
from services.ledger.domain.posting import entries_for, owner_of
from services.ledger.domain.rules import balances
from shared.kernel.decisions import NEXT, DecisionState
from shared.kernel.errors import Rejected
from shared.kernel.money import currency_scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """What somebody wants booked: a template filled in, and why."""

    template: str
    parameters: Mapping[str, str]
    amount_minor: int
    currency: str
    reason: str
    attachment: str
    reverses_adjustment_id: str | None = None
    asked_event_id: str | None = None
    """The proposal of reconciliation that it is kept for, where it is one; ``attachment`` is its break then."""


class Answered(StrEnum):
    """What becomes here of an adjustment that reconciliation proposed."""

    ACCEPTED = "accepted"
    APPLIED = "applied"
    #: Nothing is booked, or what was booked is reversed.
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What reconciliation is told of a proposal of its own."""

    break_id: str
    asked_event_id: str
    outcome: Answered
    cause_id: str
    adjustment_id: str | None = None
    journal_id: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """That reconciliation wants a proposal of its own no more."""

    event_id: str
    asked_event_id: str
    break_id: str
    reason: str
    withdrawn_by: str
    """An operator there; or reconciliation, where the difference went away by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment(Proposed):
    """One adjustment with its life."""

    adjustment_id: str
    state: DecisionState
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    decision_reason: str | None = None
    journal_id: str | None = None

    @property
    def fields(self) -> dict[str, str | int]:
        """What legs are made from."""
        return {**self.parameters, "amount_minor": self.amount_minor, "currency": self.currency}


def check_proposal(proposed: Proposed) -> Template:
    """The template, or the caller's mistake: unknown, not filled in, too much filled in, no amount, no reason."""
    template = TEMPLATES.get(proposed.template)
    if template is None:
        raise _refused("template_unknown", "template", f"there is no template {proposed.template}")
    for name in template.takes:
        if not proposed.parameters.get(name):
            raise _refused("parameter_missing", name, f"{template.name} needs {name}")
    for name, value in proposed.parameters.items():
        if name not in template.takes:
            raise _refused("parameter_unknown", name, f"{template.name} takes no {name}")
        if PARAMETERS[name].fullmatch(value) is None:
            raise _refused("parameter_invalid", name, f"{value!r} is no {name}")
    if proposed.amount_minor <= 0:
        raise _refused("amount_not_positive", "amount", "the amount is above zero, in minor units")
    if proposed.amount_minor > AMOUNT_MINOR_MAX:
        raise _refused("amount_too_large", "amount", f"the amount is at most {AMOUNT_MINOR_MAX} minor units")
    currency_scale(proposed.currency)
    if template.takes_strays and proposed.parameters["clearing_key"].startswith(STRAY_PREFIX):
        raise _refused(
            "clearing_key_of_stray",
            "clearing_key",
            "a stray's money is given away by payment: return or accept the stray there",
        )
    for name, text in (("reason", proposed.reason), ("attachment", proposed.attachment)):
        if not text.strip():
            raise _refused(f"{name}_missing", name, f"an adjustment needs its {name}")
    return template


def owners_named(proposed: Proposed) -> Mapping[Owner, str]:
    """Whom a proposal that is filled in names, but the platform."""
    kinds = {leg.family.owner for leg in TEMPLATES[proposed.template].legs} - {Owner.PLATFORM}
    return {kind: owner_of(kind, proposed.parameters) for kind in sorted(kinds)}


def check_known(proposed: Proposed, kind: Owner, held: Collection[str]) -> None:
    """Refuse an owner who has no account, ``held`` being the currencies of those there are, and a currency beside them.

    The money that is open under a clearing key vouches for its currency: a merchant may bear what came in another.
    """
    param, owner = TAKEN_BY[kind][-1], owner_of(kind, proposed.parameters)
    if not held:
        raise _refused("account_not_found", param, f"the books know no {kind} {owner}")
    if proposed.currency not in held and TEMPLATES[proposed.template].clears is None:
        known = ", ".join(sorted(held))
        raise _refused("currency_not_held", "currency", f"{owner} has accounts in {known} only")


def check_step(adjustment: Adjustment, target: DecisionState) -> None:
    """Refuse a step that the table does not list, as the caller's mistake."""
    if target not in NEXT[adjustment.state]:
        raise Rejected(
            "adjustment_wrong_state",
            f"adjustment {adjustment.adjustment_id} is {adjustment.state} and cannot become {target}",
            extra={"adjustment": adjustment.adjustment_id, "state": adjustment.state.value},
        )


def journal_for(adjustment: Adjustment, cause: Cause, journal_id: str, effective_at: datetime) -> Journal:
    """The journal of an adjustment that reverses none."""
    template = TEMPLATES[adjustment.template]
    if not balances(template.legs):
        raise _refused(
            "template_unbalanced", "template", f"{template.name} does not balance: nothing is booked"
        )
    entries = entries_for(template.legs, adjustment.fields)
    check_entries(entries)
    return Journal(
        journal_id=journal_id,
        rule=template.rule,
        cause=cause,
        fact_key=adjustment.adjustment_id,
        subject=adjustment.adjustment_id,
        payment_id=None,
        merchant_id=adjustment.parameters.get("merchant_id"),
        currency=adjustment.currency,
        amount_minor=adjustment.amount_minor,
        effective_at=effective_at,
        entries=entries,
    )


def reversal_for(original: Journal, cause: Cause, journal_id: str, now: datetime) -> Journal:
    """The exact opposite of what stands, effective no earlier than it."""
    effective_at = max(now, original.effective_at)
    return reversal_of(original, journal_id=journal_id, cause=cause, effective_at=effective_at)


def floor_account(adjustment: Adjustment) -> AccountRef | None:
    """The account that must not go below zero by it; a reversal gives back what it took and has none."""
    floor = TEMPLATES[adjustment.template].floor
    if floor is None or adjustment.reverses_adjustment_id is not None:
        return None
    return AccountRef(floor.name, adjustment.parameters["merchant_id"], adjustment.currency)


def _refused(code: str, param: str, detail: str) -> Rejected:
    return Rejected(code, detail, status=422, param=param, stored=False)
