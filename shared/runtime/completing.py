"""Goes through the keys whose owner died; one that cannot be completed keeps none of the others waiting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.kernel.errors import CommitUnknown
from shared.persistence.idempotency import abandoned_keys
from shared.persistence.unit_of_work import Transactions
from shared.runtime.edge import is_unavailable
from shared.runtime.logs import logger

_log = logger(__name__)


def complete_each(transactions: Transactions[Any], complete: Callable[[str], bool], limit: int) -> int:
    """Complete up to ``limit`` abandoned keys, the longest abandoned first; returns how many it were.

    What fails is told in the log and left behind, with whatever lies before the others: it goes on counting as
    abandoned, and is tried again by the next pass. Raises where the database cannot be asked.
    """
    left: list[str] = []

    def abandoned(uow: Any) -> Sequence[str]:
        return abandoned_keys(uow.connection, limit, left)

    while True:
        scopes = transactions.run(abandoned, name="abandoned")
        done = [_completed(complete, scope) for scope in scopes]
        left += [scope for scope, is_done in zip(scopes, done, strict=True) if not is_done]
        if any(done) or len(scopes) < limit:
            return sum(done)


def _completed(complete: Callable[[str], bool], scope: str) -> bool:
    try:
        return complete(scope)
    except Exception as error:
        if isinstance(error, CommitUnknown) or (
            isinstance(error, DBAPIError | PoolTimeout) and is_unavailable(error)
        ):
            raise
        _log.exception("abandoned_key_failed", scope=scope)
        return False
