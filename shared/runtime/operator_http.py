"""What operators' endpoints share: who acts and why, how what they changed is shown and kept; and the routes about
parked keys that every consumer has.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Final, Generic, TypeVar

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Query, Request
from pydantic import AfterValidator, Field, StringConstraints
from starlette.responses import Response

from shared.kernel.operators import Actor
from shared.messaging.envelope import KEY_MAX_BYTES
from shared.messaging.parked import ParkedPlace
from shared.persistence.idempotency import OPERATOR_MODE, Principal
from shared.persistence.unit_of_work import UnitOfWork
from shared.runtime.http import ApiModel, document, request_id
from shared.runtime.idempotent_http import IdempotentHttp, Outcome, Reply, json_answer
from shared.runtime.models import PRINTABLE
from shared.runtime.operations import Act, Operations
from shared.runtime.operator_tokens import (
    Operator,
    OperatorRole,
    TokenVerifier,
    bearer,
    operator_with,
    unauthorized,
)

U = TypeVar("U", bound=UnitOfWork)
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=512), PRINTABLE]
TopicName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.]{0,127}$")]
LIST_MAX: Final = 1_000
"""Rows that one GET shows at most."""
Limit = Annotated[int, Query(ge=1, le=LIST_MAX)]
CursorText = Annotated[str | None, Query(max_length=1_000)]


def _fits_a_record(key: str) -> str:
    if len(key.encode()) > KEY_MAX_BYTES:
        raise ValueError(f"at most {KEY_MAX_BYTES} bytes")
    return key


KeyText = Annotated[str, StringConstraints(min_length=1), PRINTABLE, AfterValidator(_fits_a_record)]
"""What the key of a record may be: some hold blanks, as that of a route for all merchants does."""


class OperatorCaller:
    """The operator behind one request, asked for in the request's thread; keys are each operator's own."""

    __slots__ = ("_operator", "_role", "_token", "_verifier", "request_id")

    def __init__(self, verifier: TokenVerifier | None, request: Request, role: OperatorRole) -> None:
        self._verifier = verifier
        self._token = bearer(request)
        self._role = role
        self._operator: Operator | None = None
        self.request_id = request_id(request)

    def __call__(self, _connection: sa.Connection | None = None, /) -> Principal:
        """The operator's own keys, if the token is good and the role high enough; asks no database."""
        if self._verifier is None:
            raise unauthorized()
        self._operator = self._verifier.operator(self._token)
        self._operator.require(self._role)
        return Principal(owner_id=f"operator:{self._operator.subject}", mode=OPERATOR_MODE)

    @property
    def operator(self) -> Operator:
        """Who it was found to be."""
        if self._operator is None:
            raise unauthorized()
        return self._operator

    def act(self, reason: str) -> Act:
        """Who acts, why, and by which request."""
        operator = self.operator
        return Act(
            actor=operator.subject,
            reason=reason,
            role=operator.role.name.lower(),
            request_id=self.request_id,
        )


class ReasonBody(ApiModel):
    """A decision that says nothing but why, such as POST …/approve and …/reject."""

    reason: Reason


def actor_of(caller: OperatorCaller) -> Actor:
    """The operator behind the request's token, once the idempotency layer asked who it is."""
    return acting(caller.operator, caller.request_id)


def acting(who: Operator, request: str) -> Actor:
    """An operator as the use cases know them."""
    return Actor(name=who.subject, role=who.role.name.lower(), request_id=request)


class RedriveBody(ApiModel):
    """Which parked key to try again."""

    topic: TopicName
    key: KeyText
    reason: Reason


class SkipBody(ApiModel):
    """Which version of a parked key counts as applied."""

    topic: TopicName
    key: KeyText
    version: Annotated[int, Field(ge=1)]
    reason: Reason


class DiscardBody(ApiModel):
    """Which parked record without a version to drop."""

    record: KeyText
    reason: Reason


class ParkedKeysApi(Generic[U]):
    """``/operator/parked-keys``: list, redrive, skip, discard; the last two under four eyes, held by SQL as well."""

    def __init__(
        self, http: IdempotentHttp[U], operations: Operations[U], verifier: TokenVerifier | None
    ) -> None:
        self._operations = operations
        self._verifier = verifier
        self._http = http

    def router(self) -> APIRouter:
        """The routes; mount them where the service serves HTTP."""
        operations, router = self._operations, APIRouter()
        operator, approver = OperatorRole.OPERATOR, OperatorRole.APPROVER

        def redrive(uow: U, body: Any, act: Act) -> dict[str, Any]:
            return operations.redrive_in(uow, body.topic, body.key, act)

        def skip(uow: U, body: Any, act: Act) -> dict[str, Any]:
            return operations.propose_skip_in(uow, body.topic, body.key, body.version, act)

        def approve_skip(uow: U, body: Any, act: Act) -> dict[str, Any]:
            return operations.approve_skip_in(uow, body.topic, body.key, body.version, act)

        def discard(uow: U, body: Any, act: Act) -> dict[str, Any]:
            return operations.propose_discard_in(uow, body.record, act)

        def approve_discard(uow: U, body: Any, act: Act) -> dict[str, Any]:
            return operations.approve_discard_in(uow, body.record, act)

        viewer = Depends(operator_with(self._verifier, OperatorRole.VIEWER))

        @router.get("/operator/parked-keys", dependencies=[viewer])
        async def listing(limit: Limit = 100, cursor: CursorText = None) -> Response:
            """Keys blocked for this service's consumer, oldest first."""
            behind = ParkedPlace.read(cursor) if cursor is not None else None
            page = await self._http.threads.run(lambda: operations.parked_page(limit, behind))
            shown = [asdict(key) for key in page.keys]
            return document({"data": shown, "next_cursor": page.behind.cursor if page.behind else None})

        for path, model, role, work in (
            ("redrive", RedriveBody, operator, redrive),
            ("skip", SkipBody, operator, skip),
            ("approve-skip", SkipBody, approver, approve_skip),
            ("discard", DiscardBody, operator, discard),
            ("approve-discard", DiscardBody, approver, approve_discard),
        ):
            route = f"/operator/parked-keys/{path}"
            router.add_api_route(route, self._endpoint(route, model, role, work), methods=["POST"])
        return router

    def _endpoint(self, route: str, model: type[ApiModel], role: OperatorRole, work: Any) -> Any:
        endpoint = self._http.endpoint("POST", route, model, render=_render, present=_no_headers)

        async def handle(request: Request) -> Response:
            caller = OperatorCaller(self._verifier, request, role)

            def execute(uow: U, body: Any) -> Outcome:
                done = work(uow, body, caller.act(body.reason))
                named = body.record if isinstance(body, DiscardBody) else f"{body.topic}/{body.key}"
                return Outcome(resource_id=named, reply=json_answer(200, done))

            return await endpoint.handle(request, caller, execute)

        handle.__doc__ = f"{route}: an operator's action, idempotent and audited."
        return handle


def _no_headers(_uow: Any, _resource_id: str) -> dict[str, str]:
    """What was parked has no present state of its own to tell."""
    return {}


def _render(_uow: Any, resource_id: str) -> Reply:
    """Only asked for where a reply was not stored with its effect, which here it always is."""
    return json_answer(200, {"target": resource_id})
