"""Two people match by hand what no rule matches: one pairs lines with items, another approves, and two take it back.

What is agreed is an input of matching: the next run claims it before any rule, and every run over the same data does.
Nothing of a closed month changes: what is matched later is matched in the month that is open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from services.reconciliation.app.declare_source import declared_source
from services.reconciliation.app.ports import ReconciliationUnit
from services.reconciliation.domain.hand_matches import (
    HandMatch,
    HandState,
    HandStep,
    Pair,
    advance,
    check_names,
    check_pair,
)
from shared.kernel.decisions import check_four_eyes
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor, OperatorAct


class HandMatches(Protocol):
    """Matches by hand of one transaction."""

    def pair(self, source: str, line_ids: Sequence[str], item_keys: Sequence[str], own: str = "") -> Pair:
        """Both sides as they stand; their breaks are this transaction's until it ends."""
        ...

    def names(self, hand_match_id: str) -> dict[str, dict[str, str]]:
        """Of each side what was paired, and by which revision or event it was said."""
        ...

    def add(self, made: HandMatch, pair: Pair) -> bool:
        """Keep a proposal; false where somebody else holds one of its lines or items by now."""
        ...

    def locked(self, hand_match_id: str) -> HandMatch | None:
        """The match, which nobody else decides until this transaction ends."""
        ...

    def decide(self, decided: HandMatch, former: HandState, *, by: str, reason: str) -> None: ...


class HandUnit(ReconciliationUnit, Protocol):
    """What one transaction offers."""

    @property
    def hand_matches(self) -> HandMatches: ...


def propose_hand_match(
    source: str, line_ids: Sequence[str], item_keys: Sequence[str], reason: str, actor: Actor, uow: HandUnit
) -> HandMatch:
    """Pair lines of a source with items of ours; nothing is matched before somebody else approves it."""
    check_names("line_ids", line_ids)
    check_names("item_keys", item_keys)
    declared_source(source, uow)
    pair = uow.hand_matches.pair(source, line_ids, item_keys)
    check_pair(pair)
    made = HandMatch(
        hand_match_id=uow.ids.new("hnd_"),
        source=source,
        currency=pair.lines[0].currency,
        ours_minor=pair.ours_minor,
        theirs_minor=pair.theirs_minor,
        state=HandState.PROPOSED,
        reason=reason,
        proposed_by=actor.name,
        proposed_at=uow.now,
    )
    if not uow.hand_matches.add(made, pair):
        raise Rejected(
            "hand_match_held",
            "a line or an item is in another match by hand by now: look again",
            stored=False,
        )
    act = OperatorAct(actor=actor, action="hand_match_proposed", target=made.hand_match_id, reason=reason)
    uow.announce(act)
    return made


def approve_hand_match(hand_match_id: str, reason: str, actor: Actor, uow: HandUnit) -> HandMatch:
    """Let runs match it, as somebody else proposed it and as long as all of it stands as it was read."""
    stored = stored_hand_match(hand_match_id, uow)
    after = advance(hand_match_id, stored.state, HandStep.APPROVE)
    check_four_eyes(stored.proposed_by, actor.name)
    named = uow.hand_matches.names(hand_match_id)
    pair = uow.hand_matches.pair(
        stored.source, [*named["line_ids"]], [*named["item_keys"]], own=hand_match_id
    )
    for side, members in (("line_ids", pair.lines), ("item_keys", pair.items)):
        changed = [one.name for one in members if one.said_by != named[side][one.name]]
        if changed:
            raise Rejected(
                "hand_match_outdated",
                f"{side}: {', '.join(changed)} is not as it was when this was proposed: reject it and propose anew",
                param=side,
                extra={"names": changed},
                stored=False,
            )
    check_pair(pair)
    decided = replace(stored, state=after, approved_by=actor.name)
    return _decide(decided, stored.state, "hand_match_approved", reason, actor, uow)


def reject_hand_match(hand_match_id: str, reason: str, actor: Actor, uow: HandUnit) -> HandMatch:
    """End a proposal; its proposer may, too."""
    stored = stored_hand_match(hand_match_id, uow)
    decided = replace(stored, state=advance(hand_match_id, stored.state, HandStep.REJECT))
    return _decide(decided, stored.state, "hand_match_rejected", reason, actor, uow)


def propose_taking_back(hand_match_id: str, reason: str, actor: Actor, uow: HandUnit) -> HandMatch:
    """Propose that it counts no more; it does until somebody else approves that."""
    stored = stored_hand_match(hand_match_id, uow)
    after = advance(hand_match_id, stored.state, HandStep.PROPOSE_BACK)
    decided = replace(stored, state=after, back_proposed_by=actor.name)
    return _decide(decided, stored.state, "hand_match_back_proposed", reason, actor, uow)


def approve_taking_back(hand_match_id: str, reason: str, actor: Actor, uow: HandUnit) -> HandMatch:
    """Let the next run undo it, as somebody else proposed."""
    stored = stored_hand_match(hand_match_id, uow)
    after = advance(hand_match_id, stored.state, HandStep.APPROVE_BACK)
    check_four_eyes(stored.back_proposed_by or actor.name, actor.name)
    decided = replace(stored, state=after, back_approved_by=actor.name)
    return _decide(decided, stored.state, "hand_match_taken_back", reason, actor, uow)


def keep_hand_match(hand_match_id: str, reason: str, actor: Actor, uow: HandUnit) -> HandMatch:
    """End the proposal to take it back."""
    stored = stored_hand_match(hand_match_id, uow)
    after = advance(hand_match_id, stored.state, HandStep.KEEP)
    decided = replace(stored, state=after, back_proposed_by=None)
    return _decide(decided, stored.state, "hand_match_kept", reason, actor, uow)


def stored_hand_match(hand_match_id: str, uow: HandUnit) -> HandMatch:
    """The match, locked, or the caller's mistake."""
    found = uow.hand_matches.locked(hand_match_id)
    if found is None:
        raise Rejected(
            "hand_match_not_found", f"there is no match by hand {hand_match_id}", status=404, stored=False
        )
    return found


def _decide(
    decided: HandMatch, former: HandState, action: str, reason: str, actor: Actor, uow: HandUnit
) -> HandMatch:
    uow.hand_matches.decide(decided, former, by=actor.name, reason=reason)
    uow.announce(OperatorAct(actor=actor, action=action, target=decided.hand_match_id, reason=reason))
    return decided
