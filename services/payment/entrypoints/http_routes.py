"""Routing rules over the operator API: the rules that hold, and one more under a key of its own."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from services.payment.adapters.routes import StoredRoutes
from services.payment.adapters.unit_of_work import PaymentUnitOfWork
from services.payment.app.manage_routes import RouteRule, SetRoute, set_route
from services.payment.entrypoints.edge_parts import EdgeParts
from services.payment.entrypoints.requests import SetRouteBody
from shared.runtime.http import document
from shared.runtime.idempotent_http import Outcome, Reply, json_answer
from shared.runtime.operator_http import OperatorCaller, actor_of
from shared.runtime.operator_tokens import OperatorRole, operator_with

ROUTE: Final = "/operator/routes"


class RoutesApi:
    """Handlers of ``/operator/routes``."""

    def __init__(self, parts: EdgeParts) -> None:
        self._parts = parts
        self._set = parts.http.endpoint(
            "POST", ROUTE, SetRouteBody, render=_render, present=lambda _uow, _id: {}
        )

    def router(self) -> APIRouter:
        """The routes; reading takes a viewer, setting an admin: it moves everybody's new payments."""
        router = APIRouter()
        viewer = Depends(operator_with(self._parts.operators, OperatorRole.VIEWER))
        router.add_api_route(ROUTE, self.list, methods=["GET"], dependencies=[viewer])
        router.add_api_route(ROUTE, self.set, methods=["POST"], status_code=201)
        return router

    async def list(self) -> Response:
        """The rules that hold now, the most special first; without one a payment goes to the default."""
        rules = await self._parts.read(lambda connection: StoredRoutes(connection).current())
        places = self._parts.places
        return document(
            {
                "default": places.default.processor,
                "processors": sorted({places.default.processor, *places.accounts}),
                "data": [_view(rule) for rule in rules],
            }
        )

    async def set(self, request: Request) -> Response:
        """Let a rule hold for authorizations asked for from now on."""
        caller = OperatorCaller(self._parts.operators, request, OperatorRole.ADMIN)
        places = self._parts.places

        def execute(uow: PaymentUnitOfWork, body: SetRouteBody) -> Outcome:
            command = SetRoute(
                processor=body.processor,
                reason=body.reason,
                actor=actor_of(caller),
                merchant_id=body.merchant or "",
                currency=body.currency or "",
            )
            rule = set_route(command, {places.default.processor, *places.accounts}, uow)
            return Outcome(resource_id=caller.request_id, reply=json_answer(201, _view(rule)))

        return await self._set.handle(request, caller, execute)


def _view(rule: RouteRule) -> dict[str, Any]:
    shown = asdict(rule)
    shown["merchant"] = shown.pop("merchant_id") or None
    shown["currency"] = shown["currency"] or None
    return shown


def _render(_uow: PaymentUnitOfWork, resource_id: str) -> Reply:
    """Only asked for where a reply was not stored with its effect, which it always is."""
    return json_answer(201, {"request": resource_id})
