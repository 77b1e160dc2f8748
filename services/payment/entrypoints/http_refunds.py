"""Refunds over HTTP: ask for one, look at one."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.payment.adapters.read_models import find_refund
from services.payment.adapters.unit_of_work import PaymentUnitOfWork
from services.payment.app.refund_payment import RefundPayment, refund_payment
from services.payment.app.views import refund_view
from services.payment.entrypoints.doubtful_reads import look_up_if_doubtful
from services.payment.entrypoints.edge_parts import EdgeParts, found, not_found, own_id
from services.payment.entrypoints.requests import REFUND_ID, RefundBody
from shared.runtime.http import document, log_fields, request_id
from shared.runtime.idempotent_http import Outcome, Reply, json_answer


class RefundsApi:
    """Handlers of ``/refunds``."""

    def __init__(self, parts: EdgeParts) -> None:
        self._parts = parts
        self._create = parts.http.endpoint("POST", "/refunds", RefundBody, render=render_created)

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter()
        router.add_api_route("/refunds", self.create, methods=["POST"], status_code=201)
        router.add_api_route("/refunds/{refund_id}", self.get, methods=["GET"])
        return router

    async def create(self, request: Request) -> Response:
        """Give captured money back, whole or in part."""
        caller = self._parts.access.caller(request)

        def execute(uow: PaymentUnitOfWork, body: RefundBody) -> Outcome:
            command = RefundPayment(
                merchant_id=caller.principal.owner_id,
                mode=caller.principal.mode,
                payment_id=body.payment,
                request_id=request_id(request),
                amount_minor=body.amount,
                reason=body.reason,
                metadata=body.metadata,
            )
            refund = refund_payment(command, uow)
            payment = found(uow.payments.locked(body.payment), body.payment)
            log_fields(request, payment_id=body.payment, refund_id=refund.refund_id)
            return Outcome(
                resource_id=refund.refund_id,
                wait_for=refund.operation_id,
                reply=json_answer(201, refund_view(payment, refund)),
            )

        return await self._create.handle(
            request, caller, execute, refused_about=lambda body: str(body.payment)
        )

    async def get(self, request: Request, refund_id: str) -> Response:
        """Show a refund; reading a doubtful one has it looked up."""
        principal = await self._parts.access.merchant(request)
        own_id(refund_id, REFUND_ID, "refund")
        shown = await self._parts.read(lambda connection: find_refund(connection, refund_id))
        if shown is None or shown.owner != principal:
            raise not_found("refund")
        await look_up_if_doubtful(self._parts, principal, shown.view.payment, shown.view.certainty, request)
        return document(shown.view)


def render_created(uow: PaymentUnitOfWork, refund_id: str) -> Reply:
    """A refund as stored, for the reply to the request that made it."""
    return json_answer(201, found(find_refund(uow.connection, refund_id), refund_id).view)
