"""Two people bring a file of journals over: one proposes what was checked, another approves its digest.

Nothing is booked by either; ``import_journals`` books a file whose digest is approved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol

from shared.kernel.decisions import NEXT, DecisionState, check_four_eyes
from shared.kernel.errors import Rejected
from shared.kernel.ids import Ids
from shared.kernel.operators import Actor, OperatorAct

_ACTIONS: Final = {
    DecisionState.APPROVED: "import_approved",
    DecisionState.REJECTED: "import_rejected",
}
_TOLD_CHARS_MAX: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedFile:
    """A file that was checked whole: its bytes' digest, and what they say. ``totals``: debits in minor units."""

    sha256: bytes
    name: str
    lines: int
    journals: int
    totals: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportProposal:
    """A proposal as its row tells: which file, who brought it, and who decided about it."""

    import_id: str
    file_sha256: bytes
    file_name: str
    lines: int
    journals: int
    totals: Mapping[str, int]
    reason: str
    state: DecisionState
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    decision_reason: str | None = None


class ImportProposals(Protocol):
    """Proposals of one transaction."""

    def find(self, file_sha256: bytes) -> ImportProposal | None:
        """The proposal of these bytes that stands, else one that was rejected.

        Nobody else proposes or decides until this transaction ends.
        """
        ...

    def add(self, proposal: ImportProposal) -> None: ...
    def decide(self, import_id: str, state: DecisionState, *, by: str, reason: str) -> None: ...


class ProposingUnit(Protocol):
    """What one transaction offers."""

    @property
    def now(self) -> datetime: ...
    @property
    def ids(self) -> Ids: ...
    @property
    def import_proposals(self) -> ImportProposals: ...

    def acted(self, act: OperatorAct) -> str: ...


def propose_import(file: CheckedFile, reason: str, actor: Actor, work: ProposingUnit) -> ImportProposal:
    """Keep the proposal; the same bytes again are the proposal that stands, whoever gives them."""
    standing = work.import_proposals.find(file.sha256)
    if standing is not None and standing.state is not DecisionState.REJECTED:
        return standing
    proposal = ImportProposal(
        import_id=work.ids.new("imp_"),
        file_sha256=file.sha256,
        file_name=file.name,
        lines=file.lines,
        journals=file.journals,
        totals=file.totals,
        reason=reason,
        state=DecisionState.PROPOSED,
        proposed_by=actor.name,
        proposed_at=work.now,
    )
    work.import_proposals.add(proposal)
    work.acted(import_act("import_proposed", proposal.import_id, file.sha256, reason, actor))
    return proposal


def approve_import(file_sha256: bytes, reason: str, actor: Actor, work: ProposingUnit) -> ImportProposal:
    """Let exactly these bytes be booked; never by who proposed them."""
    return _decide(file_sha256, DecisionState.APPROVED, reason, actor, work)


def reject_import(file_sha256: bytes, reason: str, actor: Actor, work: ProposingUnit) -> ImportProposal:
    """End a proposal; the same file may be proposed anew."""
    return _decide(file_sha256, DecisionState.REJECTED, reason, actor, work)


def approved_proposal(file_sha256: bytes, work: ProposingUnit) -> ImportProposal:
    """The proposal that lets these bytes be booked, or a refusal that says what is missing."""
    found = work.import_proposals.find(file_sha256)
    if found is None or found.state is DecisionState.REJECTED:
        raise _not_proposed(file_sha256)
    if found.state is not DecisionState.APPROVED:
        raise Rejected(
            "import_not_approved",
            f"{found.proposed_by} proposed {file_sha256.hex()}; somebody else has to approve it first",
            stored=False,
        )
    return found


def import_act(action: str, import_id: str, file_sha256: bytes, reason: str, actor: Actor) -> OperatorAct:
    """What is told of a step; whoever hears it knows the file by its digest."""
    told = f"sha256:{file_sha256.hex()} {reason}"
    return OperatorAct(actor=actor, action=action, target=import_id, reason=told[:_TOLD_CHARS_MAX])


def _decide(
    file_sha256: bytes, state: DecisionState, reason: str, actor: Actor, work: ProposingUnit
) -> ImportProposal:
    found = work.import_proposals.find(file_sha256)
    if found is None:
        raise _not_proposed(file_sha256)
    if state not in NEXT[found.state]:
        raise Rejected(
            "import_wrong_state",
            f"the import of {file_sha256.hex()} is {found.state}",
            extra={"import": found.import_id, "state": found.state.value},
        )
    if state is DecisionState.APPROVED:
        check_four_eyes(found.proposed_by, actor.name)
    work.import_proposals.decide(found.import_id, state, by=actor.name, reason=reason)
    work.acted(import_act(_ACTIONS[state], found.import_id, file_sha256, reason, actor))
    return replace(found, state=state, decided_by=actor.name, decided_at=work.now, decision_reason=reason)


def _not_proposed(file_sha256: bytes) -> Rejected:
    said = f"nobody proposed a file with the SHA-256 {file_sha256.hex()}: `ledger imports propose FILE`"
    return Rejected("import_not_proposed", said, status=404, stored=False)
