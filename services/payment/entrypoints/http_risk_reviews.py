"""Reviews over the operator API: approved or refused, each POST under a key of its own; listed with all that waits."""

from __future__ import annotations

import re

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.payment.adapters.unit_of_work import PaymentUnitOfWork
from services.payment.entrypoints.edge_parts import EdgeParts, not_found
from services.payment.entrypoints.requests import OPERATION_ID, RiskReviewBody
from services.payment.entrypoints.risk_reviews import Word, say
from shared.persistence.idempotency import Principal
from shared.runtime.http import request_id
from shared.runtime.idempotent_http import Outcome, Reply, json_answer
from shared.runtime.operator_tokens import Operator, OperatorRole, bearer, unauthorized


class RiskReviewsApi:
    """Handlers of ``/operator/risk-reviews``."""

    def __init__(self, parts: EdgeParts) -> None:
        self._parts = parts
        route = "/operator/risk-reviews/{operation_id}/"
        self._approve = parts.http.endpoint("POST", route + "approve", RiskReviewBody, render=_render)
        self._refuse = parts.http.endpoint("POST", route + "refuse", RiskReviewBody, render=_render)

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(prefix="/operator/risk-reviews")
        router.add_api_route("/{operation_id}/approve", self.approve, methods=["POST"])
        router.add_api_route("/{operation_id}/refuse", self.refuse, methods=["POST"])
        return router

    async def approve(self, request: Request, operation_id: str) -> Response:
        """Let it go; where money moves by it a second person, an approver, must say so too."""
        return await self._say(request, operation_id, approve=True)

    async def refuse(self, request: Request, operation_id: str) -> Response:
        """End it."""
        return await self._say(request, operation_id, approve=False)

    async def _say(self, request: Request, operation_id: str, *, approve: bool) -> Response:
        who = self._operator(request, OperatorRole.OPERATOR)
        if not re.fullmatch(OPERATION_ID, operation_id):
            raise not_found("operation")

        def execute(uow: PaymentUnitOfWork, body: RiskReviewBody) -> Outcome:
            word = Word(
                operation_id=operation_id,
                approve=approve,
                actor=who.subject,
                role=who.role.name.lower(),
                reason=body.reason,
                cause_id=request_id(request),
                request_id=request_id(request),
            )
            said = say(word, uow)
            if approve and not said["awaits_second_person"] and said["two_people"]:
                who.require(OperatorRole.APPROVER)
            return Outcome(resource_id=operation_id, reply=json_answer(200, said))

        endpoint = self._approve if approve else self._refuse
        principal = Principal(owner_id=f"operator:{who.subject}", mode="operator")
        return await endpoint.handle(request, principal, execute, path_ids={"operation_id": operation_id})

    def _operator(self, request: Request, role: OperatorRole) -> Operator:
        if self._parts.operators is None:
            raise unauthorized()
        operator = self._parts.operators.operator(bearer(request))
        operator.require(role)
        return operator


def _render(_uow: PaymentUnitOfWork, resource_id: str) -> Reply:
    """Never needed to wait for anything, so only an owner that died between two statements comes here."""
    return json_answer(200, {"operation": resource_id})
