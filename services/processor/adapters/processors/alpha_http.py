"""The processor alpha over HTTP: sends, looks up and reads the feed; classifies, never guesses."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import httpx2
import orjson

from services.processor.adapters.processors.exchange import (
    Broken,
    Exchange,
    Names,
    always,
    read_document,
    refusal_of,
    reject_of,
    sha256,
)
from services.processor.adapters.processors.pages import Pages
from services.processor.app.ports import Capabilities, FeedPage, FeedReject, FeedUnreachable, InTime
from services.processor.domain.alpha_facts import PROCESSOR, fact_of_event, facts_of
from services.processor.domain.fact import Fact, Unrecognised
from services.processor.domain.operation import Operation
from services.processor.domain.outcome import (
    FAILURES,
    Answer,
    Found,
    LookUp,
    Result,
    result_of,
)
from services.processor.domain.policy import LookUpBy

FEED_PAGE: Final = 100
KEYS_LIVE_S: Final = 86_400.0
RETRY_AFTER_DIGITS_MAX: Final = 6

CAPABILITIES: Final = Capabilities(
    keys_live_s=KEYS_LIVE_S,
    look_up_by=LookUpBy.REFERENCE,
    partial_captures=True,
    multiple_captures=True,
    webhooks=True,
    feed=True,
)
_NAMES: Final = Names(
    event_id="id",
    event_type="type",
    object_id=("data", "object", "id"),
    reference=("data", "object", "reference"),
    payment_id=("data", "object", "metadata", "payment"),
)

NOT_EXECUTED: Final[Mapping[int, frozenset[str]]] = {
    401: frozenset({"unauthorized"}),
    429: frozenset({"rate_limited"}),
}
"""Codes that alpha's documentation declares as not executed. The status alone may be a proxy's, after the effect."""
REFUSED: Final[Mapping[int, frozenset[str]]] = {
    400: frozenset(
        {
            "amount_invalid",
            "body_invalid",
            "currency_unknown",
            "field_invalid",
            "field_missing",
            "field_unknown",
            "idempotency_key_missing",
        }
    ),
    409: frozenset(
        {
            "amount_exceeds_capturable",
            "amount_exceeds_refundable",
            "authorization_expired",
            "authorization_not_capturable",
            "authorization_not_voidable",
            "capture_not_refundable",
            "dispute_not_answerable",
        }
    ),
    422: frozenset({"payment_method_unknown", "request_refused"}),
}
"""Codes by which alpha's documentation refuses a request for good: nothing was done, and nothing would be. Any other
may be a proxy's, or say that our own key is under way, or was taken for another body: something was done under it."""
OURS_TO_FIX: Final = frozenset({401, 403})
"""A key of ours that is refused is no sign of alpha's health, and somebody is told."""


class AlphaProcessor:
    """One account at alpha. Made and closed inside the event loop that uses it."""

    name = PROCESSOR
    capabilities = CAPABILITIES

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str,
        account: str,
        total_timeout_s: float,
        connections: int,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.account = account
        self._exchange = Exchange(
            base_url=base_url,
            headers={"Authorization": f"Bearer {api_key}"},
            total_timeout_s=total_timeout_s,
            connections=connections,
            transport=transport,
        )
        self._feed = Pages(self._exchange, "events", events_max=FEED_PAGE)

    async def close(self) -> None:
        """Close the connections."""
        await self._exchange.close()

    async def send(self, operation: Operation, *, in_time: InTime = always) -> Answer:
        """Ask for the operation under its own key. Everything that is not proven is ``unknown``."""
        path, body = _request_of(operation)
        headers = {"Idempotency-Key": operation.idempotency_key, "Content-Type": "application/json"}
        try:
            status, raw, reply_headers = await self._exchange.call(
                "POST", path, headers, orjson.dumps(body), in_time=in_time
            )
        except Broken as broken:
            return Answer(
                result=FAILURES[broken.failure],
                error_code=broken.failure.value,
                message=str(broken),
                healthy=False,
            )
        try:
            return _answer_of(operation, status, raw, reply_headers, account=self.account)
        except (Unrecognised, ValueError) as error:
            reason = error.reason if isinstance(error, Unrecognised) else "not_json"
            return Answer(
                result=Result.UNKNOWN, error_code=f"shape:{reason}", body_sha256=sha256(raw), healthy=False,
                retry_after_s=_retry_after_s(reply_headers), throttled=status == httpx2.codes.TOO_MANY_REQUESTS,
            )  # fmt: skip

    async def look_up(
        self,
        operation: Operation,
        *,
        since: datetime | None = None,  # noqa: ARG002 - found by its reference, whenever it was sent
    ) -> LookUp:
        """Ask what became of the operation. No answer in order is ``unreachable``, which proves nothing."""
        if operation.kind == "cancel":
            # A void makes no object: the state of the authorization is the answer.
            path, many = f"authorizations/{operation.authorization_id}", False
        else:
            path, many = f"objects?reference={operation.operation_id}", True
        try:
            status, raw, headers = await self._exchange.call("GET", path, {}, None)
            if status != httpx2.codes.OK:
                return LookUp(
                    found=Found.UNREACHABLE,
                    error_code=f"http_{status}",
                    retry_after_s=_retry_after_s(headers),
                    healthy=status < httpx2.codes.INTERNAL_SERVER_ERROR,
                    throttled=status == httpx2.codes.TOO_MANY_REQUESTS,
                )
            facts = _facts_in(read_document(raw), many=many, account=self.account)
        except Broken as broken:
            return LookUp(found=Found.UNREACHABLE, error_code=broken.failure.value, healthy=False)
        except (Unrecognised, ValueError) as error:
            reason = error.reason if isinstance(error, Unrecognised) else "not_json"
            return LookUp(found=Found.UNREACHABLE, error_code=f"shape:{reason}", healthy=False)
        return _look_up_of(operation, facts)

    async def read_feed(self, cursor: str | None) -> FeedPage:
        """Return the page of the feed after the cursor."""
        try:
            status, raw, headers = await self._feed.read({"after": cursor} if cursor else {})
        except Broken as broken:
            raise FeedUnreachable(str(broken)) from broken
        if status != httpx2.codes.OK:
            raise FeedUnreachable(f"http_{status}", retry_after_s=_retry_after_s(headers))
        try:
            return _page_of(read_document(raw), account=self.account)
        except (Unrecognised, ValueError) as error:
            raise FeedUnreachable(f"shape: {error}") from error


def _request_of(operation: Operation) -> tuple[str, dict[str, Any]]:
    reference = operation.operation_id
    match operation.kind:
        case "authorize":
            return "authorizations", {
                "amount": operation.amount_minor,
                "currency": operation.currency,
                "payment_method": operation.payment_method,
                "reference": reference,
                "capture": operation.sale,
                "metadata": {"payment": operation.payment_id},
            }
        case "capture":
            return f"authorizations/{operation.authorization_id}/captures", {
                "amount": operation.amount_minor,
                "reference": reference,
                "final": operation.final,
            }
        case "cancel":
            return f"authorizations/{operation.authorization_id}/void", {"reference": reference}
        case "dispute_evidence":
            documents = dict(operation.documents or {})
            return f"disputes/{operation.dispute_object_id}/evidence", {
                "documents": documents,
                "reference": reference,
            }
        case "dispute_accept":
            return f"disputes/{operation.dispute_object_id}/accept", {"reference": reference}
        case _:
            return f"captures/{operation.capture_id}/refunds", {
                "amount": operation.amount_minor,
                "reference": reference,
            }


def _answer_of(
    operation: Operation, status: int, raw: bytes, headers: Mapping[str, str], *, account: str
) -> Answer:
    digest = sha256(raw)
    if status in (httpx2.codes.OK, httpx2.codes.CREATED):
        facts = facts_of(read_document(raw), account=account)
        return Answer(
            result=result_of(operation.kind, facts, sale=operation.sale), facts=facts, body_sha256=digest
        )
    if status == httpx2.codes.PAYMENT_REQUIRED:
        document = read_document(raw)
        facts = facts_of(document.get("authorization"), account=account)
        error = _error_of(document)
        proven = result_of(operation.kind, facts, sale=operation.sale) is Result.DECLINED
        return Answer(
            result=Result.DECLINED if proven else Result.UNKNOWN, facts=facts, body_sha256=digest,
            decline_code=error.get("decline_code"), error_code=error.get("code"), message=error.get("message"),
        )  # fmt: skip
    if 400 <= status < 500:  # noqa: PLR2004 - the client errors of HTTP
        error = _error_of(read_document(raw))
        code, final = error.get("code"), _refuses(operation, status, error.get("code"))
        return Answer(
            result=refusal_of(status, code, not_executed=NOT_EXECUTED, final=final),
            error_code=error.get("code") or f"http_{status}", message=error.get("message"), body_sha256=digest,
            retry_after_s=_retry_after_s(headers), healthy=status not in OURS_TO_FIX,
            throttled=status == httpx2.codes.TOO_MANY_REQUESTS,
        )  # fmt: skip
    return Answer(
        result=Result.UNKNOWN, error_code=f"http_{status}", body_sha256=digest,
        retry_after_s=_retry_after_s(headers), healthy=False,
    )  # fmt: skip


def _refuses(operation: Operation, status: int, code: str | None) -> bool:
    """Say whether a client error is final for the operation; what is not declared so is doubt."""
    if status == httpx2.codes.NOT_FOUND:
        # Of an authorization it would mean that our address is wrong, which is no decline of anybody's card.
        return code == "not_found" and operation.kind != "authorize"
    return code in REFUSED.get(status, frozenset())


def _look_up_of(operation: Operation, facts: tuple[Fact, ...]) -> LookUp:
    result = result_of(operation.kind, facts, sale=operation.sale)
    if operation.kind == "cancel" and result is Result.UNKNOWN:
        # The hold is still there: our void has not taken effect. The facts are told all the same.
        return LookUp(found=Found.NOT_FOUND, facts=facts)
    if not facts:
        return LookUp(found=Found.NOT_FOUND)
    return LookUp(found=Found.FOUND, result=result, facts=facts)


def _facts_in(document: Mapping[str, Any], *, many: bool, account: str) -> tuple[Fact, ...]:
    objects = document.get("data") if many else [document]
    if not isinstance(objects, list):
        raise Unrecognised("data_invalid")
    return tuple(fact for each in objects for fact in facts_of(each, account=account))


def _page_of(document: Mapping[str, Any], *, account: str) -> FeedPage:
    events = document.get("data")
    cursor = document.get("next_cursor")
    if not isinstance(events, list) or not (cursor is None or isinstance(cursor, str)):
        raise Unrecognised("page_invalid")
    facts: list[Fact] = []
    rejects: list[FeedReject] = []
    for event in events:
        try:
            facts.append(fact_of_event(event, account=account))
        except Unrecognised as unrecognised:
            rejects.append(reject_of(event, unrecognised.reason, _NAMES))
    return FeedPage(
        facts=tuple(facts),
        rejects=tuple(rejects),
        next_cursor=cursor,
        has_more=document.get("has_more") is True and bool(events),
    )


def _error_of(document: Mapping[str, Any]) -> dict[str, str]:
    error = document.get("error")
    if not isinstance(error, dict):
        return {}
    return {name: value for name, value in error.items() if isinstance(value, str)}


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    value = headers.get("retry-after", "")
    # The date form is rare and its clock is not ours; seconds only, and no text of absurd length.
    return (
        float(value) if value.isascii() and value.isdigit() and len(value) <= RETRY_AFTER_DIGITS_MAX else None
    )
