"""Disputes over HTTP: list them, look at one, hand evidence in, accept one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.payment.adapters.dispute_reads import (
    WantedDisputes,
    find_dispute,
    list_disputes,
    payment_of_dispute,
)
from services.payment.adapters.unit_of_work import PaymentUnitOfWork
from services.payment.app.answer_dispute import AnswerDispute, answer_dispute
from services.payment.app.views import dispute_view
from services.payment.domain.disputes import DisputeStatus
from services.payment.entrypoints.access import Caller
from services.payment.entrypoints.doubtful_reads import look_up_if_doubtful
from services.payment.entrypoints.edge_parts import EdgeParts, found, not_found, own_id
from services.payment.entrypoints.requests import (
    DISPUTE_ID,
    PAYMENT_ID,
    AcceptDisputeBody,
    DisputeEvidenceBody,
)
from shared.kernel.errors import Rejected
from shared.persistence.idempotency import Principal
from shared.runtime.http import document, invalid, log_fields, request_id
from shared.runtime.idempotent_http import Outcome, Reply, json_answer
from shared.runtime.queries import each_once

PAGE_DEFAULT: Final = 25
PAGE_MAX: Final = 100
_PATTERNS: Final[Mapping[str, tuple[str, str]]] = {
    "cursor": (DISPUTE_ID, "Take it from next_cursor."),
    "payment": (PAYMENT_ID, "The id of a payment."),
    "status": ("|".join(DisputeStatus), f"One of {', '.join(DisputeStatus)}."),
    "limit": (r"[1-9][0-9]?|100", f"A whole number from 1 to {PAGE_MAX}."),
}


class DisputesApi:
    """Handlers of ``/disputes``; each POST is one transaction behind its idempotency key."""

    def __init__(self, parts: EdgeParts) -> None:
        self._parts = parts
        http = parts.http
        self._evidence = http.endpoint(
            "POST", "/disputes/{dispute_id}/evidence", DisputeEvidenceBody, render=render
        )
        self._accept = http.endpoint(
            "POST", "/disputes/{dispute_id}/accept", AcceptDisputeBody, render=render
        )

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter()
        router.add_api_route("/disputes", self.page, methods=["GET"])
        router.add_api_route("/disputes/{dispute_id}", self.get, methods=["GET"])
        router.add_api_route("/disputes/{dispute_id}/evidence", self.evidence, methods=["POST"])
        router.add_api_route("/disputes/{dispute_id}/accept", self.accept, methods=["POST"])
        return router

    async def evidence(self, request: Request, dispute_id: str) -> Response:
        """Hand evidence in: the processor's tokens of uploaded files."""
        caller = await self._caller(request, dispute_id)

        def execute(uow: PaymentUnitOfWork, body: DisputeEvidenceBody) -> Outcome:
            return _answer(uow, request, caller.principal, dispute_id, body.documents)

        return await self._evidence.handle(
            request, caller, execute, path_ids={"dispute_id": dispute_id}, resource_id=dispute_id
        )

    async def accept(self, request: Request, dispute_id: str) -> Response:
        """Give the disputed money up."""
        caller = await self._caller(request, dispute_id)

        def execute(uow: PaymentUnitOfWork, _body: AcceptDisputeBody) -> Outcome:
            return _answer(uow, request, caller.principal, dispute_id, None)

        return await self._accept.handle(
            request, caller, execute, path_ids={"dispute_id": dispute_id}, resource_id=dispute_id
        )

    async def get(self, request: Request, dispute_id: str) -> Response:
        """Show a dispute; reading one with a doubtful answer has that looked up."""
        principal = await self._parts.access.merchant(request)
        own_id(dispute_id, DISPUTE_ID, "dispute")
        shown = await self._parts.read(lambda connection: find_dispute(connection, dispute_id))
        if shown is None or shown.owner != principal:
            raise not_found("dispute")
        await look_up_if_doubtful(self._parts, principal, shown.view.payment, shown.view.certainty, request)
        return document(shown.view)

    async def page(self, request: Request) -> Response:
        """Show a page of disputes, newest first."""
        principal = await self._parts.access.merchant(request)
        wanted = read_query(request.query_params.multi_items())
        # One more than asked for tells whether there is another page.
        probing = WantedDisputes(
            limit=wanted.limit + 1, before=wanted.before, status=wanted.status, payment=wanted.payment
        )
        rows = await self._parts.read(lambda connection: list_disputes(connection, principal, probing))
        shown, more = rows[: wanted.limit], len(rows) > wanted.limit
        return document({"data": shown, "has_more": more, "next_cursor": shown[-1].id if more else None})

    async def _caller(self, request: Request, dispute_id: str) -> Caller:
        caller = self._parts.access.caller(request)
        try:
            own_id(dispute_id, DISPUTE_ID, "dispute")
        except Rejected:
            await self._parts.threads.run(caller)  # a stranger learns nothing about ids
            raise
        return caller


def render(uow: PaymentUnitOfWork, dispute_id: str) -> Reply:
    """A dispute as stored, for replies after a wait."""
    return json_answer(200, found(find_dispute(uow.connection, dispute_id), dispute_id).view)


def read_query(given: Sequence[tuple[str, str]]) -> WantedDisputes:
    """Read the list's parameters; each at most once, none that we do not know."""
    values = each_once(given, _PATTERNS)
    for name, value in values.items():
        pattern, expected = _PATTERNS[name]
        if not re.fullmatch(pattern, value):
            raise invalid("field_invalid", expected, name)
    return WantedDisputes(
        limit=int(values.get("limit", PAGE_DEFAULT)),
        before=values.get("cursor"),
        status=values.get("status"),
        payment=values.get("payment"),
    )


def _answer(
    uow: PaymentUnitOfWork,
    request: Request,
    principal: Principal,
    dispute_id: str,
    documents: Mapping[str, str] | None,
) -> Outcome:
    payment_id = payment_of_dispute(uow.connection, principal, dispute_id)
    if payment_id is None:
        raise not_found("dispute")
    log_fields(request, payment_id=payment_id, dispute_id=dispute_id)
    command = AnswerDispute(
        merchant_id=principal.owner_id,
        mode=principal.mode,
        payment_id=payment_id,
        dispute_id=dispute_id,
        request_id=request_id(request),
        documents=documents,
    )
    dispute, operation = answer_dispute(command, uow)
    payment = found(uow.payments.locked(payment_id), payment_id)
    return Outcome(
        resource_id=dispute_id,
        wait_for=operation.operation_id,
        reply=json_answer(200, dispute_view(payment, dispute)),
    )
