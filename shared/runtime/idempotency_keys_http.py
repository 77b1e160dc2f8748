"""``GET /operator/idempotency-keys``: what a key stands for and what came under it, the same on every service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Annotated, Final, Generic, TypeVar

import orjson
import sqlalchemy as sa
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from shared.persistence.idempotency import KEY_CHARS_MAX
from shared.persistence.key_inspection import (
    InspectedKey,
    keys_by_text,
    keys_in_flight,
    keys_mismatched,
)
from shared.persistence.unit_of_work import UnitOfWork
from shared.runtime.http import json_reply
from shared.runtime.idempotent_http import IdempotentHttp
from shared.runtime.models import PRINTABLE
from shared.runtime.operator_tokens import OperatorRole, TokenVerifier, operator_with
from shared.runtime.strict_json import invalid

ROUTE: Final = "/operator/idempotency-keys"
QUESTIONS: Final = "owner and key, in_flight_for_s, mismatched_within_s"
LIST_MAX: Final = 1_000
SECONDS_MAX: Final = 366 * 24 * 3_600

U = TypeVar("U", bound=UnitOfWork)
Look = Callable[[sa.Connection], Sequence[InspectedKey]]
Owner = Annotated[Annotated[str, PRINTABLE] | None, Query(min_length=1, max_length=KEY_CHARS_MAX)]
"""A merchant's id, or an operator's subject, which a token takes in any script and with blanks."""
Key = Annotated[str | None, Query(pattern=rf"^[!-~]{{1,{KEY_CHARS_MAX}}}$")]
Seconds = Annotated[float | None, Query(ge=0, le=SECONDS_MAX)]
Limit = Annotated[int, Query(ge=1, le=LIST_MAX)]


class IdempotencyKeysApi(Generic[U]):
    """Reads only. A key is asked for by its owner (a merchant's id, or ``operator:`` and a name) and its text."""

    def __init__(self, http: IdempotentHttp[U], verifier: TokenVerifier | None) -> None:
        self._http = http
        self._verifier = verifier

    def router(self) -> APIRouter:
        """The route; mount it where the service serves HTTP."""
        router = APIRouter()
        viewer = Depends(operator_with(self._verifier, OperatorRole.VIEWER))

        @router.get(ROUTE, dependencies=[viewer])
        async def inspect(
            owner: Owner = None,
            key: Key = None,
            in_flight_for_s: Seconds = None,
            mismatched_within_s: Seconds = None,
            limit: Limit = 100,
        ) -> Response:
            """One key by owner and text, keys in flight by age, or keys under which another request came."""
            if (owner is None) is not (key is None):
                raise invalid("field_missing", "A key is found by owner and key together.", "owner")
            asked: list[Look] = []
            if owner is not None and key is not None:
                asked.append(partial(keys_by_text, owner=owner, key=key))
            if in_flight_for_s is not None:
                asked.append(partial(keys_in_flight, for_s=in_flight_for_s, limit=limit))
            if mismatched_within_s is not None:
                asked.append(partial(keys_mismatched, within_s=mismatched_within_s, limit=limit))
            if len(asked) != 1:
                raise invalid("field_invalid", f"Ask for exactly one of {QUESTIONS}.", None)
            look = asked[0]
            found = await self._http.threads.run(self._read, look)
            return json_reply(
                orjson.dumps({"data": [asdict(each) for each in found]}, option=orjson.OPT_UTC_Z)
            )

        return router

    def _read(self, look: Look) -> Sequence[InspectedKey]:
        return self._http.transactions.read(lambda uow: look(uow.connection), name="inspect keys")
