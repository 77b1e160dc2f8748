"""Matches by hand: what two people may pair where no rule does, and the life of such a match as a table.

What is paired comes out: one account, category, way and currency, and a difference of at most what is agreed for the
source. It is no write-off, and no rule's exact match is taken away by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from services.reconciliation.domain.break_life import TOLD_ELSEWHERE, BreakState
from services.reconciliation.domain.matching import BY_HAND, DIFFERS_FROM_RANK
from shared.kernel.errors import Rejected

#: Of each side: what people pair they have looked at.
MEMBERS_MAX: Final = 100


class HandState(StrEnum):
    """Where a match by hand stands."""

    PROPOSED = "PROPOSED"
    APPROVED = "APPROVED"
    #: It counts on until a second person approves that it is taken back.
    BACK_PROPOSED = "BACK_PROPOSED"
    REJECTED = "REJECTED"
    TAKEN_BACK = "TAKEN_BACK"
    #: A line was amended, or an item has another word, since it was read.
    OUTDATED = "OUTDATED"


class HandStep(StrEnum):
    """What moves it: people, or a run that finds it outdated."""

    APPROVE = "approve"
    REJECT = "reject"
    PROPOSE_BACK = "propose_back"
    APPROVE_BACK = "approve_back"
    KEEP = "keep"
    OUTDATE = "outdate"


_S, _T = HandState, HandStep
#: Absent means forbidden. The database holds the same pairs in ``check_hand_match_step``.
NEXT: Final[Mapping[tuple[HandState, HandStep], HandState]] = {
    (_S.PROPOSED, _T.APPROVE): _S.APPROVED,
    (_S.PROPOSED, _T.REJECT): _S.REJECTED,
    (_S.PROPOSED, _T.OUTDATE): _S.OUTDATED,
    (_S.APPROVED, _T.PROPOSE_BACK): _S.BACK_PROPOSED,
    (_S.APPROVED, _T.OUTDATE): _S.OUTDATED,
    (_S.BACK_PROPOSED, _T.APPROVE_BACK): _S.TAKEN_BACK,
    (_S.BACK_PROPOSED, _T.KEEP): _S.APPROVED,
    (_S.BACK_PROPOSED, _T.OUTDATE): _S.OUTDATED,
}


def advance(hand_match_id: str, state: HandState, step: HandStep) -> HandState:
    """Where the step leads, or the caller's mistake."""
    after = NEXT.get((state, step))
    if after is None:
        raise Rejected(
            "hand_match_wrong_state",
            f"{hand_match_id} is {state}: {step} is not possible",
            extra={"hand_match_id": hand_match_id, "state": state.value},
        )
    return after


@dataclass(frozen=True, slots=True, kw_only=True)
class HandMatch:
    """Readings of lines and words about items that people paired, and who decided what of it."""

    hand_match_id: str
    source: str
    currency: str
    ours_minor: int
    theirs_minor: int
    state: HandState
    reason: str
    proposed_by: str
    proposed_at: datetime
    approved_by: str | None = None
    back_proposed_by: str | None = None
    back_approved_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A line or an item as it stands now, with what else is known of it."""

    name: str
    said_by: str
    """The line's revision, or the event that is the word about the item."""
    can_be_matched: bool
    """A line that was told and stands, or an item that is expected; not in doubt: evidence ends a doubt."""
    kind: tuple[str, str, str, int]
    """Processor, account, category, and which way the money goes: 1 or -1."""
    currency: str
    amount_minor: int
    rule: str | None
    rule_rank: int | None
    """What claims it now."""
    subject: str
    """Of the break that it has, or would have."""
    break_state: str | None
    resolution: str | None
    held_by: str | None
    """Another match by hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Both sides, as they stand now."""

    lines: Sequence[Member]
    items: Sequence[Member]
    tolerance_minor: int
    """What is agreed for the source and the currency; 0 where nothing is."""

    @property
    def theirs_minor(self) -> int:
        return sum(line.amount_minor for line in self.lines)

    @property
    def ours_minor(self) -> int:
        return sum(item.amount_minor for item in self.items)


def check_names(side: str, names: Sequence[str]) -> None:
    """Refuse none, too many, or one twice."""
    if not 1 <= len(names) <= MEMBERS_MAX or len(set(names)) != len(names):
        raise _wrong(side, f"1 to {MEMBERS_MAX} different ones")


def check_pair(pair: Pair) -> None:
    """Refuse what cannot be matched, what is settled otherwise, and what does not come out."""
    for side, members in (("line_ids", pair.lines), ("item_keys", pair.items)):
        for member in members:
            _check_member(side, member)
    members = (*pair.lines, *pair.items)
    if len({member.kind for member in members}) != 1:
        raise _wrong("item_keys", "the lines' processor, account, category and way of the money")
    currencies = sorted({member.currency for member in members})
    if len(currencies) != 1:
        raise _wrong("item_keys", f"one currency, found {', '.join(currencies)}")
    differs = pair.theirs_minor - pair.ours_minor
    if abs(differs) > pair.tolerance_minor:
        raise Rejected(
            "hand_match_differs",
            f"lines of {pair.theirs_minor} and items of {pair.ours_minor} {currencies[0]} (minor units) differ by"
            f" {differs}; {pair.tolerance_minor} is agreed: a match by hand is no write-off",
            param="item_keys",
            extra={
                "theirs_minor": pair.theirs_minor,
                "ours_minor": pair.ours_minor,
                "tolerance_minor": pair.tolerance_minor,
                "currency": currencies[0],
            },
            stored=False,
        )


def _check_member(side: str, member: Member) -> None:
    if not member.can_be_matched:
        what = "a line that was told and stands" if side == "line_ids" else "an item that is expected"
        raise _wrong(side, f"{what}, which {member.name} is not")
    if member.held_by is not None:
        raise _taken("hand_match_held", side, member, f"is in the match by hand {member.held_by}")
    if member.rule_rank is not None and BY_HAND.rank != member.rule_rank < DIFFERS_FROM_RANK:
        raise _taken("hand_match_matched", side, member, f"is matched by {member.rule}")
    is_decided = member.break_state == BreakState.RESOLVED and member.resolution in TOLD_ELSEWHERE
    if is_decided or member.break_state in {BreakState.PROPOSED, BreakState.APPLYING}:
        raise _taken(
            "hand_match_decided",
            side,
            member,
            f"has a break that is {member.break_state}: {member.resolution}",
        )


def _taken(code: str, side: str, member: Member, why: str) -> Rejected:
    return Rejected(
        code, f"{side}: {member.name} {why}", param=side, extra={"name": member.name}, stored=False
    )


def _wrong(side: str, expected: str) -> Rejected:
    return Rejected(
        "hand_match_invalid", f"{side}: expected {expected}", status=400, param=side, stored=False
    )
