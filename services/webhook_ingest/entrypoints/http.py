"""`POST /webhooks/{processor}` and the operator's view of what came in. 2xx only after the commit."""

import threading
from collections.abc import Mapping
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Annotated, Any, Final, Literal

import orjson
from fastapi import Depends, FastAPI, Query, Request
from starlette.responses import Response

from services.webhook_ingest.adapters.read_models import delivery_with_body, list_deliveries
from services.webhook_ingest.adapters.unit_of_work import DeliveryUnitOfWork
from services.webhook_ingest.app.accept_webhook import accept_webhook, authenticate, refuse_webhook
from services.webhook_ingest.app.ports import Delivery, Source, Verdict
from services.webhook_ingest.domain.rate_cap import RateCap
from services.webhook_ingest.domain.reading import LEVELS_MAX, TooDeep
from services.webhook_ingest.domain.signature import Refused
from shared.kernel.clock import Clock
from shared.kernel.crash_points import crash_point
from shared.kernel.errors import Rejected
from shared.persistence.unit_of_work import Transactions, in_steps
from shared.runtime.group_commit import Apart, GroupCommit
from shared.runtime.http import api, json_reply, log_fields, read_body
from shared.runtime.metric_names import WEBHOOK_DELAY_SECONDS, WEBHOOKS
from shared.runtime.metrics import counter, histogram
from shared.runtime.operator_tokens import Operator, OperatorRole, TokenVerifier, operator_with
from shared.runtime.request_threads import RequestThreads

BODY_BYTES_MAX: Final = 256 * 1024
BODY_DEADLINE_S: Final = 10.0
RECEIVED: Final = b'{"received":true}'
VerdictName = Literal["accepted", "unrecognised", "quarantined"]


class Intake:
    """What one delivery goes through between its last byte and its answer."""

    def __init__(
        self,
        sources: Mapping[str, Source],
        transactions: Transactions[DeliveryUnitOfWork],
        *,
        clock: Clock,
        refused_kept_per_minute: int,
        threads: RequestThreads,
        groups: GroupCommit[DeliveryUnitOfWork],
    ) -> None:
        self._sources = sources
        self._transactions = transactions
        self._clock = clock
        self._cap = RateCap(refused_kept_per_minute)
        self._cap_lock = threading.Lock()
        self._threads = threads
        self._groups = groups

    async def receive(self, request: Request, processor: str) -> Response:
        """Verify, keep, announce, answer. Every failure to verify is the same 401; only who signed learns of a 400."""
        source = self._sources.get(processor)
        if source is None:
            raise Rejected("not_found", "No such route.", status=404, stored=False)
        body = await read_body(request)
        headers = request.headers.getlist(source.signature_header)
        # Two headers of this name: a proxy and we might each read another one.
        signature = headers[0] if len(headers) == 1 else None
        try:
            delivery = authenticate(source, body, signature, now=self._clock.now())
        except Refused as refused:
            await self._refuse(source, body, refused)
            raise _answer_to(refused) from None
        verdict = await self._accept(delivery)
        self._count(delivery, verdict)
        log_fields(request, processor_event_id=delivery.reading.event_id, verdict=verdict.value)
        crash_point("webhook.before_reply")
        return json_reply(RECEIVED)

    async def _accept(self, delivery: Delivery) -> Verdict:
        """In the company of those that came meanwhile; by itself where one of them was at fault."""
        with suppress(Apart):
            return await self._groups.run(partial(accept_webhook, delivery))
        return await self._threads.run(self._alone, delivery)

    def _alone(self, delivery: Delivery) -> Verdict:
        def work(uow: DeliveryUnitOfWork) -> Verdict:
            return in_steps(uow, [(copy_context(), accept_webhook(delivery, uow))])[0]

        return self._transactions.run(work, name="accept_webhook")

    async def _refuse(self, source: Source, body: bytes, refused: Refused) -> None:
        counter(WEBHOOKS, source.processor, Verdict.REFUSED.value)
        with self._cap_lock:
            kept = self._cap.take(self._clock.monotonic_s())
        if kept:
            await self._threads.run(self._keep_refused, source.processor, body, refused.reason)

    def _keep_refused(self, processor: str, body: bytes, reason: str) -> None:
        work = partial(refuse_webhook, processor, body, reason)
        self._transactions.run(work, name="refuse_webhook")

    def _count(self, delivery: Delivery, verdict: Verdict) -> None:
        counter(WEBHOOKS, delivery.source.processor, verdict.value)
        fact = delivery.reading.fact
        if verdict is Verdict.ACCEPTED and fact is not None:
            delay_s = (self._clock.now() - fact.occurred_at).total_seconds()
            histogram(WEBHOOK_DELAY_SECONDS, max(0.0, delay_s), delivery.source.processor)


def _answer_to(refused: Refused) -> Rejected:
    if isinstance(refused, TooDeep):
        message = f"JSON may be nested {LEVELS_MAX} levels deep."
        return Rejected(refused.reason, message, status=400, stored=False)
    return Rejected("signature_invalid", "Not accepted.", status=401, stored=False)


def make_app(
    intake: Intake, transactions: Transactions[DeliveryUnitOfWork], verifier: TokenVerifier | None
) -> FastAPI:
    """Return the application; without a verifier nobody sees what came in."""
    app = api(title="webhook-ingest", body_bytes_max=BODY_BYTES_MAX, body_deadline_s=BODY_DEADLINE_S)
    viewer = Depends(operator_with(verifier, OperatorRole.VIEWER))
    engine = transactions.engine

    @app.post("/webhooks/{processor}")
    async def receive(request: Request, processor: str) -> Response:
        return await intake.receive(request, processor)

    @app.get("/deliveries/{delivery_id}")
    def show(delivery_id: str, _operator: Annotated[Operator, viewer]) -> Response:
        with engine.connect() as connection:
            found = delivery_with_body(connection, delivery_id)
        if found is None:
            raise Rejected("not_found", "No such delivery.", status=404, stored=False)
        return _json(found)

    @app.get("/deliveries")
    def list_all(
        _operator: Annotated[Operator, viewer],
        verdict: Annotated[VerdictName | None, Query()] = None,
        payment: Annotated[str | None, Query(max_length=64)] = None,
        before: Annotated[str | None, Query(max_length=64)] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> Response:
        with engine.connect() as connection:
            rows = list_deliveries(
                connection, verdict=verdict, payment_id=payment, before=before, limit=limit
            )
        return _json({"data": rows})

    return app


def _json(value: Any) -> Response:
    return json_reply(orjson.dumps(value))
