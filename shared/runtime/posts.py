"""A POST as it was asked and as it is answered, on its way through the idempotency layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

import sqlalchemy as sa
from pydantic import BaseModel
from starlette.responses import Response

from shared.persistence.idempotency import Fingerprint, Principal, StoredReply

REPLAYED_HEADER: Final = "Idempotent-Replayed"

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
