"""The operator API: what waits for somebody, and what somebody decides about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from services.payment.adapters.exposure import read_exposure
from services.payment.adapters.operator_lists import QUERIES, Behind, read_list
from services.payment.adapters.read_models import find_payment
from services.payment.adapters.timeline import read_timeline
from services.payment.adapters.unit_of_work import PaymentUnitOfWork
from services.payment.app.close_case import CloseCase, close_case
from services.payment.app.decide import Propose, Settle, propose, settle
from services.payment.app.dismiss_fact import DismissFact, dismiss_fact
from services.payment.domain.decisions import Decision, DecisionKind, Outcome
from services.payment.entrypoints.edge_parts import EdgeParts, not_found, own_id
from services.payment.entrypoints.requests import (
    CASE_ID,
    DECISION_ID,
    OPERATION_ID,
    PAYMENT_ID,
    STRAY_ID,
    WAITING_ID,
    CloseCaseBody,
    DecideOperationBody,
    DecideStrayBody,
    DismissFactBody,
    ReasonBody,
)
from shared.runtime.http import document
from shared.runtime.idempotent_http import IdempotentEndpoint, Reply, json_answer
from shared.runtime.idempotent_http import Outcome as Done
from shared.runtime.operator_http import OperatorCaller, actor_of
from shared.runtime.operator_tokens import OperatorRole, operator_with

LIST_MAX: Final = 1_000
Limit = Annotated[int, Query(ge=1, le=LIST_MAX)]
CursorText = Annotated[str | None, Query(max_length=100)]
PaymentId = Annotated[str | None, Query(pattern=PAYMENT_ID)]


def operator_routes(parts: EdgeParts) -> APIRouter:
    """What operators read; without a public key nobody gets in."""
    viewer = Depends(operator_with(parts.operators, OperatorRole.VIEWER))
    router = APIRouter(prefix="/operator", dependencies=[viewer])

    def listing(name: str) -> Callable[..., Any]:
        async def read(limit: Limit = 100, cursor: CursorText = None, payment: PaymentId = None) -> Response:
            behind = Behind.read(cursor) if cursor is not None else None
            page = await parts.read(
                lambda connection: read_list(connection, name, limit, behind=behind, payment_id=payment)
            )
            return document({"data": page.rows, "next_cursor": page.next_cursor})

        read.__doc__ = f"The {name.replace('-', ' ')} that wait, oldest first."
        return read

    for name in QUERIES:
        router.add_api_route(f"/{name}", listing(name), methods=["GET"])

    @router.get("/payments/{payment_id}/timeline")
    async def timeline(payment_id: str) -> Response:
        """All that happened to a payment, and why, whosever it is."""
        own_id(payment_id, PAYMENT_ID, "payment")
        shown = await parts.read(lambda connection: find_payment(connection, payment_id))
        if shown is None:
            raise not_found("payment")
        entries = await parts.read(
            lambda connection: read_timeline(
                connection,
                payment_id,
                owner=shown.owner.owner_id,
                created_at=shown.view.created_at,
                updated_at=shown.view.updated_at,
            )
        )
        return document({"payment": payment_id, "status": shown.view.status, "data": entries})

    @router.get("/exposure")
    async def exposure() -> Response:
        """Money in doubt per processor and currency: sum, number of operations, age of the oldest."""
        return document({"data": await parts.read(read_exposure)})

    return router


class DecisionsApi:
    """What operators do, each under a key of their own: decide, approve, reject, close, dismiss."""

    def __init__(self, parts: EdgeParts) -> None:
        self._parts = parts
        self._operation = self._endpoint("/operator/operations/{operation_id}/decision", DecideOperationBody)
        self._stray = self._endpoint("/operator/strays/{stray_id}/decision", DecideStrayBody)
        self._approve = self._endpoint("/operator/decisions/{decision_id}/approve", ReasonBody)
        self._reject = self._endpoint("/operator/decisions/{decision_id}/reject", ReasonBody)
        self._close = self._endpoint("/operator/cases/{case_id}/close", CloseCaseBody)
        self._dismiss = self._endpoint("/operator/waiting-facts/{waiting_id}/dismiss", DismissFactBody)

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(prefix="/operator")
        router.add_api_route(
            "/operations/{operation_id}/decision", self.decide_operation, status_code=201, methods=["POST"]
        )
        router.add_api_route(
            "/strays/{stray_id}/decision", self.decide_stray, status_code=201, methods=["POST"]
        )
        router.add_api_route("/decisions/{decision_id}/approve", self.approve, methods=["POST"])
        router.add_api_route("/decisions/{decision_id}/reject", self.reject, methods=["POST"])
        router.add_api_route("/cases/{case_id}/close", self.close, methods=["POST"])
        router.add_api_route("/waiting-facts/{waiting_id}/dismiss", self.dismiss, methods=["POST"])
        return router

    async def decide_operation(self, request: Request, operation_id: str) -> Response:
        """Say what became of an operation in review, with evidence; another person approves it where money moves."""
        own_id(operation_id, OPERATION_ID, "operation")
        caller = self._caller(request, OperatorRole.OPERATOR)

        def execute(uow: PaymentUnitOfWork, body: DecideOperationBody) -> Done:
            command = Propose(
                kind=DecisionKind.OPERATION,
                subject_id=operation_id,
                outcome=Outcome(body.outcome),
                reason=body.reason,
                evidence=body.evidence,
                object_id=body.object_id,
                actor=actor_of(caller),
            )
            return _proposed(propose(command, uow))

        return await self._operation.handle(request, caller, execute, path_ids={"operation_id": operation_id})

    async def decide_stray(self, request: Request, stray_id: str) -> Response:
        """Return, void, accept or correct a stray; another person approves it where money moves."""
        own_id(stray_id, STRAY_ID, "stray")
        caller = self._caller(request, OperatorRole.OPERATOR)

        def execute(uow: PaymentUnitOfWork, body: DecideStrayBody) -> Done:
            command = Propose(
                kind=DecisionKind.STRAY,
                subject_id=stray_id,
                outcome=Outcome(body.action),
                reason=body.reason,
                evidence=body.evidence or "",
                actor=actor_of(caller),
            )
            return _proposed(propose(command, uow))

        return await self._stray.handle(request, caller, execute, path_ids={"stray_id": stray_id})

    async def approve(self, request: Request, decision_id: str) -> Response:
        """The second pair of eyes: what was proposed is done, in this transaction."""
        return await self._settle(self._approve, request, decision_id, approve=True)

    async def reject(self, request: Request, decision_id: str) -> Response:
        """The proposal is off; everything stays as it was."""
        return await self._settle(self._reject, request, decision_id, approve=False)

    async def close(self, request: Request, case_id: str) -> Response:
        """Close a case with a reason; what blocks duplicates goes on blocking them."""
        own_id(case_id, CASE_ID, "case")
        caller = self._caller(request, OperatorRole.OPERATOR)

        def execute(uow: PaymentUnitOfWork, body: CloseCaseBody) -> Done:
            payment_id = close_case(
                CloseCase(case_id=case_id, reason=body.reason, actor=actor_of(caller)), uow
            )
            closed = {"id": case_id, "payment": payment_id, "closed_by": caller.operator.subject}
            return Done(resource_id=case_id, reply=json_answer(200, closed))

        return await self._close.handle(
            request, caller, execute, path_ids={"case_id": case_id}, resource_id=case_id
        )

    async def dismiss(self, request: Request, waiting_id: str) -> Response:
        """Let a fact rest that has fitted nowhere until its deadline; should it fit one day, it counts all the same."""
        own_id(waiting_id, WAITING_ID, "waiting_fact")
        caller = self._caller(request, OperatorRole.OPERATOR)

        def execute(uow: PaymentUnitOfWork, body: DismissFactBody) -> Done:
            payment_id = dismiss_fact(
                DismissFact(waiting_id=waiting_id, reason=body.reason, actor=actor_of(caller)), uow
            )
            dismissed = {"id": waiting_id, "payment": payment_id, "dismissed_by": caller.operator.subject}
            return Done(resource_id=waiting_id, reply=json_answer(200, dismissed))

        return await self._dismiss.handle(
            request, caller, execute, path_ids={"waiting_id": waiting_id}, resource_id=waiting_id
        )

    async def _settle(
        self,
        endpoint: IdempotentEndpoint[PaymentUnitOfWork, ReasonBody],
        request: Request,
        decision_id: str,
        *,
        approve: bool,
    ) -> Response:
        own_id(decision_id, DECISION_ID, "decision")
        caller = self._caller(request, OperatorRole.APPROVER if approve else OperatorRole.OPERATOR)

        def execute(uow: PaymentUnitOfWork, body: ReasonBody) -> Done:
            command = Settle(
                decision_id=decision_id, approve=approve, reason=body.reason, actor=actor_of(caller)
            )
            return Done(resource_id=decision_id, reply=json_answer(200, decision_view(settle(command, uow))))

        return await endpoint.handle(
            request, caller, execute, path_ids={"decision_id": decision_id}, resource_id=decision_id
        )

    def _caller(self, request: Request, role: OperatorRole) -> OperatorCaller:
        return OperatorCaller(self._parts.operators, request, role)

    def _endpoint(self, route: str, model: Any) -> IdempotentEndpoint[PaymentUnitOfWork, Any]:
        return self._parts.http.endpoint("POST", route, model, render=_render, present=lambda _uow, _id: {})


def decision_view(decision: Decision) -> dict[str, Any]:
    """A decision as operators see it."""
    shown = asdict(decision)
    shown["id"] = shown.pop("decision_id")
    return shown


def _proposed(decision: Decision) -> Done:
    return Done(resource_id=decision.decision_id, reply=json_answer(201, decision_view(decision)))


def _render(uow: PaymentUnitOfWork, resource_id: str) -> Reply:
    """The decision as it stands; only asked for where a reply was not stored with its effect, which it always is."""
    found = uow.decisions.locked(resource_id)
    return json_answer(200, {"id": resource_id} if found is None else decision_view(found))
