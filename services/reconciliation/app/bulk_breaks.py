"""What operators do about many breaks at once: seen first, then done exactly as it was seen.

A preview says of every break what would become of it, and sums the money at risk of those that would change; its token
stands for all of that. Whoever acts presents the token: if anything is otherwise by then, nothing is done. What the
preview said would change is changed in one transaction, all of it or nothing; what it said would be refused is left as
it is and named again. The rules are those of a single break, four eyes included.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, Protocol

from services.reconciliation.app.assign_break import Assigned, AssignUnit, assign_break
from services.reconciliation.app.resolve_break import (
    Decided,
    ResolveUnit,
    StoredBreak,
    approve_resolution,
    defer_break,
    propose_acceptance,
    reject_resolution,
)
from services.reconciliation.domain.break_life import TOLD_ELSEWHERE, BreakState
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor, OperatorAct

BULK_MAX: Final = 500
"""Breaks that one act may be about; more are another act."""
_OF_ALL: Final = frozenset({"due_date_invalid"})
"""Refusals that are the same for every break: they refuse the whole."""


class BulkAction(StrEnum):
    """What may be done to many at once."""

    DEFER = "defer"
    ACCEPT = "accept"
    APPROVE = "approve"
    REJECT = "reject"
    ASSIGN = "assign"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which breaks: those that are named, or else all of a state that fit."""

    break_ids: tuple[str, ...] = ()
    state: str | None = None
    """Where none is named: what the action can be done to unless something is said."""
    kind: str | None = None
    currency: str | None = None
    at_risk_max_minor: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be done to which breaks."""

    action: BulkAction
    selection: Selection
    due_on: date | None = None
    owner: str | None = None
    """To whom they are assigned; None: to nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkRow:
    """One break as it is, and what would become of it; or why nothing would."""

    break_id: str
    type: str | None
    state: str | None
    currency: str | None
    ours_minor: int | None
    theirs_minor: int | None
    at_risk_minor: int | None
    proposed_by: str | None
    proposal: str | None
    owner: str | None
    becomes: str | None
    refused: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkResult:
    """All rows by id, what they come to, and the token that stands for all of it."""

    action: BulkAction
    preview: str
    changed: int
    refused: int
    at_risk_minor: Mapping[str, int]
    """By currency, of the breaks that change."""
    rows: Sequence[BulkRow]


class ManyBreaks(Protocol):
    """Breaks of one transaction, many at once."""

    def selected(
        self, selection: Selection, state: str, *, limit: int, locked: bool
    ) -> Sequence[StoredBreak]:
        """Breaks by id."""
        ...

    def decide_all(self, decided: Sequence[tuple[str, Decided]]) -> None:
        """Write what people decided, and add it to the history."""
        ...

    def assign_all(self, assigned: Sequence[tuple[str, Assigned]]) -> None:
        """Write whose they are."""
        ...


class BulkUnit(Protocol):
    """What one transaction offers."""

    @property
    def now(self) -> datetime: ...
    @property
    def breaks(self) -> ManyBreaks: ...

    def announce(self, act: OperatorAct) -> None:
        """Say what an operator did."""
        ...


class _Rehearsal:
    """A transaction's face towards single decisions: what they would write is gathered and not written."""

    def __init__(self, found: Sequence[StoredBreak], now: datetime) -> None:
        self._found = {each.break_id: each for each in found}
        self.now = now
        self.decided: list[tuple[str, Decided]] = []
        self.assigned: list[tuple[str, Assigned]] = []
        self.acts: list[OperatorAct] = []

    @property
    def breaks(self) -> _Rehearsal:
        return self

    def locked(self, break_id: str) -> StoredBreak | None:
        return self._found.get(break_id)

    def decide(self, break_id: str, decided: Decided) -> None:
        self.decided.append((break_id, decided))
        self._found[break_id] = replace(self._found[break_id], state=decided.state)

    def assign(self, break_id: str, assigned: Assigned) -> None:
        self.assigned.append((break_id, assigned))

    def announce(self, act: OperatorAct) -> None:
        self.acts.append(act)


@dataclass(frozen=True, slots=True)
class _Step:
    """An action: what it is done to unless something is said, and the decision about one break."""

    state: BreakState
    apply: Callable[[str, Wanted, str, Actor, AssignUnit], StoredBreak]


def _defer(break_id: str, wanted: Wanted, reason: str, actor: Actor, uow: ResolveUnit) -> StoredBreak:
    if wanted.due_on is None:
        raise Rejected("due_date_invalid", "due_on: expected a day", status=400, param="due_on", stored=False)
    return defer_break(break_id, wanted.due_on, reason, actor, uow)


def _approve(break_id: str, _: Wanted, reason: str, actor: Actor, uow: ResolveUnit) -> StoredBreak:
    found = uow.breaks.locked(break_id)
    if found is not None and found.resolution in TOLD_ELSEWHERE:
        raise Rejected(
            "break_approved_alone",
            f"break {break_id}: a {found.resolution} is approved by itself",
            stored=False,
        )
    # The preview's token stands for the proposal of every row.
    proposal = "" if found is None else found.proposal or ""
    return approve_resolution(break_id, proposal, reason, actor, uow)


def _reject(break_id: str, _: Wanted, reason: str, actor: Actor, uow: ResolveUnit) -> StoredBreak:
    found = uow.breaks.locked(break_id)
    if found is not None and found.state is BreakState.APPLYING:
        raise Rejected(
            "break_rejected_alone",
            f"break {break_id}: what another service was asked for is given up by itself",
            stored=False,
        )
    return reject_resolution(break_id, reason, actor, uow)


def _assign(break_id: str, wanted: Wanted, reason: str, actor: Actor, uow: AssignUnit) -> StoredBreak:
    found = uow.breaks.locked(break_id)
    if found is not None and found.owner == wanted.owner:
        raise Rejected("break_assigned_already", f"break {break_id} is theirs already", stored=False)
    return assign_break(break_id, wanted.owner, reason, actor, uow)


STEPS: Final[Mapping[BulkAction, _Step]] = {
    BulkAction.DEFER: _Step(BreakState.OPEN, _defer),
    BulkAction.ACCEPT: _Step(
        BreakState.OPEN, lambda name, _, reason, actor, uow: propose_acceptance(name, reason, actor, uow)
    ),
    BulkAction.APPROVE: _Step(BreakState.PROPOSED, _approve),
    BulkAction.REJECT: _Step(BreakState.PROPOSED, _reject),
    BulkAction.ASSIGN: _Step(BreakState.OPEN, _assign),
}


def preview_bulk(wanted: Wanted, actor: Actor, uow: BulkUnit) -> BulkResult:
    """What would become of each break if this actor did it now; nothing is changed."""
    return _rehearse(wanted, "a preview", actor, uow, locked=False)[0]


def act_in_bulk(wanted: Wanted, preview: str, reason: str, actor: Actor, uow: BulkUnit) -> BulkResult:
    """Do what the preview said, all of it or nothing; refused where anything is otherwise since."""
    result, rehearsal = _rehearse(wanted, reason, actor, uow, locked=True)
    if result.preview != preview:
        raise Rejected(
            "preview_stale",
            "what would be done is no longer what was seen: look at a new preview",
            param="preview",
            stored=False,
        )
    uow.breaks.decide_all(rehearsal.decided)
    uow.breaks.assign_all(rehearsal.assigned)
    for act in rehearsal.acts:
        uow.announce(act)
    target = f"breaks:{result.preview}"
    uow.announce(
        OperatorAct(actor=actor, action=f"breaks_bulk_{wanted.action}", target=target, reason=reason)
    )
    return result


def _rehearse(
    wanted: Wanted, reason: str, actor: Actor, uow: BulkUnit, *, locked: bool
) -> tuple[BulkResult, _Rehearsal]:
    step, selection = STEPS[wanted.action], wanted.selection
    found = uow.breaks.selected(
        selection, selection.state or step.state.value, limit=BULK_MAX + 1, locked=locked
    )
    if max(len(found), len(selection.break_ids)) > BULK_MAX:
        raise Rejected(
            "bulk_too_many",
            f"at most {BULK_MAX} breaks at once: select fewer",
            param="break_ids",
            stored=False,
        )
    rehearsal = _Rehearsal(found, uow.now)
    names = sorted(set(selection.break_ids)) or [each.break_id for each in found]
    known = {each.break_id: each for each in found}
    rows = [_row(name, known.get(name), step, wanted, reason, actor, rehearsal) for name in names]
    at_risk: dict[str, int] = {}
    for row in rows:
        if row.refused is None and row.currency is not None:
            at_risk[row.currency] = at_risk.get(row.currency, 0) + (row.at_risk_minor or 0)
    changed = sum(row.refused is None for row in rows)
    return BulkResult(
        action=wanted.action,
        preview=_token(wanted, rows),
        changed=changed,
        refused=len(rows) - changed,
        at_risk_minor=dict(sorted(at_risk.items())),
        rows=rows,
    ), rehearsal


def _row(
    name: str,
    stored: StoredBreak | None,
    step: _Step,
    wanted: Wanted,
    reason: str,
    actor: Actor,
    rehearsal: _Rehearsal,
) -> BulkRow:
    becomes, refused = None, None
    try:
        becomes = step.apply(name, wanted, reason, actor, rehearsal).state.value
    except Rejected as rejected:
        if rejected.code in _OF_ALL:
            raise
        refused = rejected.code
    said: dict[str, Any] = {
        field: None if stored is None else getattr(stored, field)
        for field in (
            "type",
            "currency",
            "ours_minor",
            "theirs_minor",
            "at_risk_minor",
            "proposed_by",
            "proposal",
            "owner",
        )
    }
    state = None if stored is None else stored.state.value
    return BulkRow(break_id=name, state=state, becomes=becomes, refused=refused, **said)


def _token(wanted: Wanted, rows: Sequence[BulkRow]) -> str:
    """Stands for what is done and for everything that was seen of every break."""
    seen = [
        f"{row.break_id}|{row.type}|{row.state}|{row.currency}|{row.ours_minor}|{row.theirs_minor}"
        f"|{row.at_risk_minor}|{row.proposed_by}|{row.proposal}|{row.owner}|{row.becomes}|{row.refused}"
        for row in rows
    ]
    meant = [wanted.action, str(wanted.due_on), str(wanted.owner)]
    return hashlib.sha256("\n".join([*meant, *seen]).encode()).hexdigest()
