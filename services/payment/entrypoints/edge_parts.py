"""What every router of the payment service's edge works with, and the few moves that they share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import sqlalchemy as sa

from services.payment.adapters.read_models import present_state
from services.payment.adapters.unit_of_work import PaymentUnitOfWork
from services.payment.domain.routing import Places
from services.payment.entrypoints.access import Access
from shared.kernel.clock import Clock
from shared.kernel.errors import InvariantViolation, Rejected
from shared.runtime.idempotent_http import IdempotentHttp
from shared.runtime.operations import Operations
from shared.runtime.operator_tokens import TokenIssuer, TokenVerifier
from shared.runtime.request_threads import RequestThreads

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeParts:
    """Made once per process by the composition root."""

    http: IdempotentHttp[PaymentUnitOfWork]
    access: Access
    threads: RequestThreads
    #: One statement per use, without a transaction around it.
    reading: sa.Engine
    clock: Clock
    #: Where new authorizations may go.
    places: Places
    operations: Operations[PaymentUnitOfWork]
    tokens: TokenIssuer | None = None
    operators: TokenVerifier | None = None

    async def read(self, look: Callable[[sa.Connection], T]) -> T:
        """Run a single query in a request thread."""
        return await self.threads.run(self._read, look)

    def _read(self, look: Callable[[sa.Connection], T]) -> T:
        with self.reading.connect() as connection:
            return look(connection)


def present_headers(uow: PaymentUnitOfWork, resource_id: str) -> Mapping[str, str]:
    """How the payment stands now, for replays of what was said then."""
    state = present_state(uow.connection, resource_id)
    return {} if state is None else {"Payment-Status": state[0], "Payment-Certainty": state[1]}


def found(value: T | None, what: str) -> T:
    """What a key row names exists: both were committed together."""
    if value is None:
        raise InvariantViolation("resource_exists", f"{what} has a key but no row")
    return value


def own_id(text: str, pattern: str, what: str) -> str:
    """An id from a path; what cannot be one of ours does not exist."""
    if not re.fullmatch(pattern, text):
        raise not_found(what)
    return text


def not_found(what: str) -> Rejected:
    """The same for what is not there and for what belongs to somebody else."""
    return Rejected(f"{what}_not_found", f"there is no such {what}", status=404, stored=False)
