"""What a taken key answers: the reply that it keeps, the reply that a dead owner left to be made, or a refusal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from shared.kernel.crash_points import crash_point
from shared.kernel.errors import InvariantViolation
from shared.persistence.idempotency import Claim, KeyRow, Standing, StoredReply, finish_key, read_key
from shared.persistence.unit_of_work import UnitOfWork
from shared.runtime.key_refusals import refusal_of
from shared.runtime.posts import Answered

U = TypeVar("U", bound=UnitOfWork)

Render = Callable[[U, str], StoredReply]
Present = Callable[[U, str], Mapping[str, str]]


class KeyAnswers(Generic[U]):
    """The keys of one endpoint. ``render`` makes the reply from what is stored, ``present`` the headers of now."""

    def __init__(self, render: Render[U], present: Present[U]) -> None:
        self._render = render
        self._present = present

    def answer(self, uow: U, claim: Claim) -> Answered:
        """The key is taken: replay, attach, or refuse; never execute."""
        row = read_key(uow.connection, claim.scope)
        standing = row.standing(claim.fingerprint) if row is not None else Standing.IN_USE
        if row is not None and standing is Standing.ABANDONED:
            row = read_key(uow.connection, claim.scope, locked=True)  # the completer may be at it too
            standing = row.standing(claim.fingerprint) if row is not None else Standing.IN_USE
        if row is not None and standing is Standing.FINISHED and row.reply is not None:
            return Answered(row.reply, "replayed", self._present_of(uow, row))
        if row is not None and standing is Standing.ABANDONED and row.resource_id is not None:
            reply = self.kept(uow, claim.scope, row.resource_id, claim.owner)
            return Answered(reply, "attached", self._present_of(uow, row))
        raise refusal_of(claim, row, standing)

    def kept(self, uow: U, scope: str, resource_id: str, owner: str) -> StoredReply:
        """Render and keep the reply, or return the one that somebody kept before."""
        reply = self._render(uow, resource_id)
        crash_point("idempotency.before_reply_stored")
        if finish_key(uow.connection, scope, owner, reply):
            return reply
        row = read_key(uow.connection, scope)
        if row is None or row.reply is None:
            raise InvariantViolation("key_finished", "a key in flight could be neither finished nor replayed")
        return row.reply

    def _present_of(self, uow: U, row: KeyRow) -> Mapping[str, str]:
        return self._present(uow, row.resource_id) if row.resource_id is not None else {}
