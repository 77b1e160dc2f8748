"""A POST as it was asked and as it is answered, on its way through the idempotency layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

import sqlalchemy as sa
from pydantic import BaseModel
from starlette.responses import Response

from shared.kernel.errors import InvariantViolation
from shared.persistence.idempotency import Claim, Fingerprint, Principal, StoredReply
from shared.persistence.unit_of_work import UnitOfWork

REPLAYED_HEADER: Final = "Idempotent-Replayed"

U = TypeVar("U", bound=UnitOfWork)
M = TypeVar("M", bound=BaseModel)


class Caller(Protocol):
    """Who sends a request, still to be asked for: in the transaction given, or in none."""

    def __call__(self, connection: sa.Connection | None = None, /) -> Principal:
        """The caller, or ``Rejected``."""
        ...


@dataclass(frozen=True, slots=True)
class Asked(Generic[M]):
    """A request as read: its key, its wait, its body and what that asks for."""

    key: str
    wait_s: float
    body: M
    fingerprint: Fingerprint
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a handler's transaction did: ``wait_for`` is what ``Waiters`` asks about.

    ``reply`` answers at once, in the same transaction, where nothing is waited for; without it the reply is
    rendered from what is stored, in a transaction of its own.
    """

    resource_id: str
    wait_for: str | None = None
    reply: StoredReply | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply, how it came about, and on a replay the headers that tell the present."""

    reply: StoredReply
    result: str
    present: Mapping[str, str] | None = None

    def response(self) -> Response:
        headers = dict(self.reply.headers)
        if self.present is not None:
            headers |= {REPLAYED_HEADER: "true", **self.present}
        return Response(self.reply.body, status_code=self.reply.status, headers=headers)


Execute = Callable[[U, M], Outcome]
Foresee = Callable[[U, M], None]


class Post(Generic[U, M]):
    """One request on its way, and the claim that its last try made."""

    __slots__ = (
        "_claim",
        "asked",
        "caller",
        "execute",
        "foresee",
        "path_ids",
        "refused_about",
        "resource_id",
        "waits",
    )

    def __init__(
        self,
        asked: Asked[M],
        caller: Principal | Caller,
        execute: Execute[U, M],
        foresee: Foresee[U, M] | None,
        path_ids: Mapping[str, str],
        resource_id: str | None,
        waits: bool,
        refused_about: Callable[[M], str] | None,
    ) -> None:
        self.asked = asked
        self.caller = caller
        self.execute = execute
        self.foresee = foresee
        self.path_ids = path_ids
        self.resource_id = resource_id
        self.waits = waits
        self.refused_about = refused_about
        self._claim: Claim | None = None

    @property
    def claim(self) -> Claim:
        if self._claim is None:
            raise InvariantViolation("claimed_first", "a request went on before it had claimed its key")
        return self._claim

    @claim.setter
    def claim(self, claim: Claim) -> None:
        self._claim = claim
