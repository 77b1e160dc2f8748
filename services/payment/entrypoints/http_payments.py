"""The merchant's payments over HTTP: create, confirm, capture, cancel, read, list."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeVar

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.payment.adapters.notes import Note
from services.payment.adapters.read_models import FoundPayment, Wanted, find_payment, list_payments
from services.payment.adapters.timeline import read_timeline
from services.payment.adapters.unit_of_work import PaymentUnitOfWork
from services.payment.app.cancel_payment import CancelPayment, cancel_payment
from services.payment.app.capture_payment import CapturePayment, capture_payment
from services.payment.app.confirm_payment import ConfirmPayment, confirm_payment
from services.payment.app.create_payment import CreatePayment, create_payment
from services.payment.app.look_up_hold import LookUpHold, look_up_hold
from services.payment.app.views import payment_view
from services.payment.domain.payment import Payment
from services.payment.domain.status import Status
from services.payment.entrypoints.doubtful_reads import look_up, read_payment
from services.payment.entrypoints.edge_parts import EdgeParts, found, not_found, own_id
from services.payment.entrypoints.requests import (
    PAYMENT_ID,
    CancelPaymentBody,
    CapturePaymentBody,
    ConfirmPaymentBody,
    CreatePaymentBody,
)
from shared.kernel.errors import Rejected
from shared.kernel.moments import utc_moment
from shared.persistence.idempotency import Principal
from shared.runtime.http import ApiModel, document, invalid, log_fields, request_id
from shared.runtime.idempotent_http import IdempotentEndpoint, Outcome, Reply, json_answer
from shared.runtime.queries import each_once

M = TypeVar("M", bound=ApiModel)

PAGE_DEFAULT: Final = 25
PAGE_MAX: Final = 100
_QUERY: Final = frozenset({"cursor", "limit", "status", "reference", "created_gte"})


class PaymentsApi:
    """Handlers of ``/payments``; each POST is one transaction behind its idempotency key."""

    def __init__(self, parts: EdgeParts) -> None:
        self._parts = parts
        http = parts.http
        self._create = http.endpoint("POST", "/payments", CreatePaymentBody, render=render_created)
        self._confirm = http.endpoint(
            "POST", "/payments/{payment_id}/confirm", ConfirmPaymentBody, render=render
        )
        self._capture = http.endpoint(
            "POST", "/payments/{payment_id}/capture", CapturePaymentBody, render=render
        )
        self._cancel = http.endpoint(
            "POST", "/payments/{payment_id}/cancel", CancelPaymentBody, render=render
        )

    def router(self) -> APIRouter:
        """The routes; the fixed ones first."""
        router = APIRouter()
        router.add_api_route("/payments", self.create, methods=["POST"], status_code=201)
        router.add_api_route("/payments", self.page, methods=["GET"])
        router.add_api_route("/payments/{payment_id}", self.get, methods=["GET"])
        router.add_api_route("/payments/{payment_id}/timeline", self.timeline, methods=["GET"])
        router.add_api_route("/payments/{payment_id}/confirm", self.confirm, methods=["POST"])
        router.add_api_route("/payments/{payment_id}/capture", self.capture, methods=["POST"])
        router.add_api_route("/payments/{payment_id}/cancel", self.cancel, methods=["POST"])
        return router

    async def create(self, request: Request) -> Response:
        """Create a payment; with a payment method it is tried at once."""
        caller = self._parts.access.caller(request)
        payment_id = self._parts.http.ids.new("pay_")

        def execute(uow: PaymentUnitOfWork, body: CreatePaymentBody) -> Outcome:
            log_fields(request, payment_id=payment_id)
            command = CreatePayment(
                payment_id=payment_id,
                merchant_id=caller.principal.owner_id,
                mode=caller.principal.mode,
                amount_minor=body.amount,
                currency=body.currency,
                capture_method=body.method,
                processor=self._parts.places.default.processor,
                account=self._parts.places.default.account,
                accounts=self._parts.places.accounts,
                request_id=request_id(request),
                payment_method=body.payment_method,
                customer=body.customer,
                reference=body.reference,
                description=body.description,
                metadata=body.metadata,
                max_attempts=body.max_attempts,
            )
            return _outcome(create_payment(command, uow), 201)

        def foresee(uow: PaymentUnitOfWork, body: CreatePaymentBody) -> None:
            principal = caller.principal
            uow.payments.foresee_terms(principal.owner_id, body.currency, uow.now)
            if body.reference is not None:
                uow.payments.foresee_reference(principal.owner_id, principal.mode, body.reference)

        return await self._create.handle(
            request, caller, execute, resource_id=payment_id, foresee=foresee, together=caller.is_known
        )

    async def confirm(self, request: Request, payment_id: str) -> Response:
        """Try a payment method."""

        def execute(uow: PaymentUnitOfWork, body: ConfirmPaymentBody, principal: Principal) -> Payment:
            command = ConfirmPayment(
                merchant_id=principal.owner_id,
                mode=principal.mode,
                payment_id=payment_id,
                payment_method=body.payment_method,
                request_id=request_id(request),
                places=self._parts.places,
            )
            return confirm_payment(command, uow)

        return await self._on_payment(self._confirm, request, payment_id, execute)

    async def capture(self, request: Request, payment_id: str) -> Response:
        """Take held money, whole or in part; a hold that looks expired is looked up after the refusal."""
        expired: list[LookUpHold] = []

        def execute(uow: PaymentUnitOfWork, body: CapturePaymentBody, principal: Principal) -> Payment:
            command = CapturePayment(
                merchant_id=principal.owner_id,
                mode=principal.mode,
                payment_id=payment_id,
                request_id=request_id(request),
                amount_minor=body.amount,
                final=body.final,
            )
            try:
                return capture_payment(command, uow)
            except Rejected as rejected:
                if rejected.code == "authorization_expired":
                    expired.append(
                        LookUpHold(
                            merchant_id=principal.owner_id,
                            mode=principal.mode,
                            payment_id=payment_id,
                            request_id=command.request_id,
                        )
                    )
                raise

        response = await self._on_payment(self._capture, request, payment_id, execute)
        if expired:
            # The refusal rolled its transaction back; the look-up it calls for is a transaction of its own.
            await self._parts.threads.run(self._look_up_hold, expired[-1])
        return response

    async def cancel(self, request: Request, payment_id: str) -> Response:
        """Give the hold back, or end a payment that never had one."""

        def execute(uow: PaymentUnitOfWork, body: CancelPaymentBody, principal: Principal) -> Payment:
            command = CancelPayment(
                merchant_id=principal.owner_id,
                mode=principal.mode,
                payment_id=payment_id,
                request_id=request_id(request),
            )
            payment = cancel_payment(command, uow)
            if body.reason:
                uow.notes.add(
                    Note(
                        cause_id=command.request_id,
                        payment_id=payment_id,
                        kind="cancel_reason",
                        detail=body.reason,
                        at=uow.now,
                    )
                )
            return payment

        return await self._on_payment(self._cancel, request, payment_id, execute)

    async def get(self, request: Request, payment_id: str) -> Response:
        """Show a payment; reading a doubtful one has it looked up, at most once per operation and 5 s."""
        principal = await self._parts.access.merchant(request)
        shown = await self._found(principal, payment_id)
        if shown.look_up_due:
            await look_up(self._parts, principal, payment_id, request)
        return document(shown.view)

    async def timeline(self, request: Request, payment_id: str) -> Response:
        """Show all that happened to a payment, and why."""
        principal = await self._parts.access.merchant(request)
        view = (await self._found(principal, payment_id)).view
        entries = await self._parts.read(
            lambda connection: read_timeline(
                connection,
                payment_id,
                owner=principal.owner_id,
                created_at=view.created_at,
                updated_at=view.updated_at,
            )
        )
        return document({"payment": payment_id, "data": entries})

    async def page(self, request: Request) -> Response:
        """Show a page of payments, newest first."""
        principal = await self._parts.access.merchant(request)
        wanted = read_query(request.query_params.multi_items())
        # One more than asked for tells whether there is another page.
        probing = Wanted(
            limit=wanted.limit + 1,
            before=wanted.before,
            status=wanted.status,
            reference=wanted.reference,
            created_gte=wanted.created_gte,
        )
        rows = await self._parts.read(lambda connection: list_payments(connection, principal, probing))
        shown, more = rows[: wanted.limit], len(rows) > wanted.limit
        return document({"data": shown, "has_more": more, "next_cursor": shown[-1].id if more else None})

    async def _on_payment(
        self,
        endpoint: IdempotentEndpoint[PaymentUnitOfWork, M],
        request: Request,
        payment_id: str,
        execute: Callable[[PaymentUnitOfWork, M, Principal], Payment],
    ) -> Response:
        caller = self._parts.access.caller(request)
        try:
            own_id(payment_id, PAYMENT_ID, "payment")
        except Rejected:
            await self._parts.threads.run(caller)  # a stranger learns nothing about ids
            raise
        log_fields(request, payment_id=payment_id)
        return await endpoint.handle(
            request,
            caller,
            lambda uow, body: _outcome(execute(uow, body, caller.principal), 200),
            path_ids={"payment_id": payment_id},
            resource_id=payment_id,
        )

    async def _found(self, principal: Principal, payment_id: str) -> FoundPayment:
        own_id(payment_id, PAYMENT_ID, "payment")
        shown = await read_payment(self._parts, payment_id)
        if shown is None or shown.owner != principal:
            raise not_found("payment")
        return shown

    def _look_up_hold(self, command: LookUpHold) -> None:
        self._parts.http.transactions.run(lambda uow: look_up_hold(command, uow), name="expired hold look-up")


def render(uow: PaymentUnitOfWork, payment_id: str) -> Reply:
    """A payment as stored, for replies after a wait."""
    return json_answer(200, found(find_payment(uow.connection, payment_id), payment_id).view)


def render_created(uow: PaymentUnitOfWork, payment_id: str) -> Reply:
    """The same for the request that made it."""
    return json_answer(201, found(find_payment(uow.connection, payment_id), payment_id).view)


def _outcome(payment: Payment, status: int) -> Outcome:
    """Wait for the operation just asked for, if there is one."""
    operation = payment.latest_operation
    return Outcome(
        resource_id=payment.payment_id,
        wait_for=operation.operation_id if operation is not None and operation.undecided else None,
        reply=json_answer(status, payment_view(payment)),
    )


def read_query(given: Sequence[tuple[str, str]]) -> Wanted:
    """Read the list's parameters; each at most once, none that we do not know."""
    values = each_once(given, _QUERY)
    return Wanted(
        limit=_limit(values),
        before=_cursor(values),
        status=_status(values),
        reference=values.get("reference"),
        created_gte=_time(values),
    )


def _limit(values: Mapping[str, str]) -> int:
    text = values.get("limit", str(PAGE_DEFAULT))
    if not (text.isascii() and text.isdecimal() and len(text) <= 4 and 1 <= int(text) <= PAGE_MAX):  # noqa: PLR2004
        raise invalid("field_invalid", f"A whole number from 1 to {PAGE_MAX}.", "limit")
    return int(text)


def _cursor(values: Mapping[str, str]) -> str | None:
    cursor = values.get("cursor")
    if cursor is not None and not re.fullmatch(PAYMENT_ID, cursor):
        raise invalid("field_invalid", "Take it from next_cursor.", "cursor")
    return cursor


def _status(values: Mapping[str, str]) -> str | None:
    status = values.get("status")
    if status is not None and status not in Status.__members__:
        raise invalid("field_invalid", f"One of {', '.join(Status)}.", "status")
    return status


def _time(values: Mapping[str, str]) -> datetime | None:
    text = values.get("created_gte")
    if text is None:
        return None
    try:
        return utc_moment(text)
    except ValueError:
        raise invalid("field_invalid", "An RFC 3339 time with its offset.", "created_gte") from None
