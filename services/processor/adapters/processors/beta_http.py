"""The processor beta over HTTP: no keys, so nothing is sent twice; found by its own id or in its delayed list."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import httpx2
import orjson

from services.processor.adapters.processors.beta_list import DelayedListReader, retry_after_s
from services.processor.adapters.processors.exchange import (
    Broken,
    Exchange,
    always,
    read_document,
    refusal_of,
    sha256,
)
from services.processor.app.ports import Capabilities, FeedPage, FeedUnreachable, InTime
from services.processor.domain.beta_facts import PROCESSOR, fact_of
from services.processor.domain.fact import Fact, Unrecognised
from services.processor.domain.operation import ANSWERS, Operation
from services.processor.domain.outcome import FAILURES, Answer, Found, LookUp, Result, result_of
from services.processor.domain.policy import LookUpBy
from shared.kernel.clock import Clock
from shared.kernel.money import major_units

CAPABILITIES: Final = Capabilities(
    keys_live_s=0.0,
    look_up_by=LookUpBy.DELAYED_LIST,
    partial_captures=True,
    multiple_captures=False,
    webhooks=True,
    feed=True,
)
NOT_EXECUTED: Final[Mapping[int, frozenset[str]]] = {
    401: frozenset({"ACCESS_DENIED"}),
    429: frozenset({"SLOW_DOWN"}),
}
"""Faults that beta's documentation declares as not executed. The status alone may be a proxy's, after the effect."""
OURS_TO_FIX: Final = frozenset({401, 403})
"""A key of ours that is refused is no sign of beta's health, and somebody is told."""
REFUSED: Final[Mapping[int, frozenset[str]]] = {
    400: frozenset({"MALFORMED", "VALUE_WRONG"}),
    409: frozenset(
        {
            "CHARGE_NOT_BOOKED",
            "CLAIM_NOT_OPEN",
            "HOLD_LAPSED",
            "HOLD_NOT_OPEN",
            "VALUE_ABOVE_CHARGE",
            "VALUE_ABOVE_HOLD",
        }
    ),
    422: frozenset({"METHOD_UNKNOWN"}),
}
"""Faults by which beta refuses a request for good: nothing was done, and nothing would be."""
NAMES_A_TRANSACTION: Final = frozenset({"capture", "cancel", "refund"}) | ANSWERS


class BetaProcessor:
    """One merchant code at beta. Made and closed inside the event loop that uses it."""

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
        clock: Clock,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.account = account
        self._exchange = Exchange(
            base_url=base_url,
            headers={"X-Beta-Key": api_key},
            total_timeout_s=total_timeout_s,
            connections=connections,
            transport=transport,
        )
        self._list = DelayedListReader(self._exchange, account, clock)

    async def close(self) -> None:
        """Close the connections."""
        await self._exchange.close()

    async def send(self, operation: Operation, *, in_time: InTime = always) -> Answer:
        """Ask for the operation. Whatever is not proven is ``unknown``, and never sent again."""
        path, body = _request_of(operation)
        headers = {"Content-Type": "application/json"}
        try:
            status, raw, replied = await self._exchange.call(
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
            return _answer_of(operation, status, raw, replied, account=self.account)
        except (Unrecognised, ValueError) as error:
            return Answer(
                result=Result.UNKNOWN, error_code=_shape(error), body_sha256=sha256(raw), healthy=False,
                retry_after_s=retry_after_s(replied), throttled=status == httpx2.codes.TOO_MANY_REQUESTS,
            )  # fmt: skip

    async def look_up(self, operation: Operation, *, since: datetime | None = None) -> LookUp:
        """Ask what became of the operation: a cancel by the hold's own id, anything else in the list."""
        try:
            if operation.kind == "cancel":
                return await self._look_at_hold(operation)
            if since is None:
                return LookUp(found=Found.UNREACHABLE, error_code="never_sent")
            facts = await self._list.facts_under(
                operation.operation_id, payment_id=operation.payment_id, since=since
            )
        except FeedUnreachable as away:
            return LookUp(
                found=Found.UNREACHABLE, error_code=str(away), healthy=away.healthy, throttled=away.throttled,
                retry_after_s=away.retry_after_s,
            )  # fmt: skip
        except (Broken, Unrecognised, ValueError) as error:
            code = error.failure.value if isinstance(error, Broken) else _shape(error)
            return LookUp(found=Found.UNREACHABLE, error_code=code, healthy=False)
        if not facts:
            return LookUp(found=Found.NOT_FOUND)
        result = result_of(operation.kind, facts, sale=operation.sale)
        return LookUp(found=Found.FOUND, result=result, facts=facts)

    async def read_feed(self, cursor: str | None) -> FeedPage:
        """Return the page of the list behind the cursor: beta's list of changes is its only feed."""
        return await self._list.page(after=cursor)

    async def _look_at_hold(self, operation: Operation) -> LookUp:
        """A cancel makes no transaction: the state of the hold is the answer."""
        path = f"transactions/{operation.authorization_id}"
        status, raw, headers = await self._exchange.call("GET", path, {}, None)
        if status != httpx2.codes.OK:
            return LookUp(
                found=Found.UNREACHABLE,
                error_code=f"http_{status}",
                retry_after_s=retry_after_s(headers),
                healthy=status < httpx2.codes.INTERNAL_SERVER_ERROR,
                throttled=status == httpx2.codes.TOO_MANY_REQUESTS,
            )
        facts = _facts_in(read_document(raw), account=self.account)
        result = result_of(operation.kind, facts)
        if result is Result.UNKNOWN:
            # The hold is still there: our cancel has not taken effect. The facts are told all the same.
            return LookUp(found=Found.NOT_FOUND, facts=facts)
        return LookUp(found=Found.FOUND, result=result, facts=facts)


def _request_of(operation: Operation) -> tuple[str, dict[str, Any]]:
    reference = {"merchant_ref": operation.operation_id}
    match operation.kind:
        case "authorize":
            return "transactions", {
                "txn_type": "SALE" if operation.sale else "HOLD",
                "value": _value_of(operation),
                "method": operation.payment_method,
                "order_ref": operation.payment_id,
            } | reference
        case "capture":
            path = f"transactions/{operation.authorization_id}/charge"
            return path, {"value": _value_of(operation)} | reference
        case "cancel":
            return f"transactions/{operation.authorization_id}/cancel", dict(reference)
        case "dispute_evidence":
            exhibits = dict(operation.documents or {})
            return f"transactions/{operation.dispute_object_id}/exhibits", {"exhibits": exhibits} | reference
        case "dispute_accept":
            return f"transactions/{operation.dispute_object_id}/concede", dict(reference)
        case _:
            return f"transactions/{operation.capture_id}/credit", {"value": _value_of(operation)} | reference


def _value_of(operation: Operation) -> dict[str, str]:
    currency = operation.currency or ""
    return {"total": major_units(operation.amount_minor or 0, currency), "currency_code": currency}


def _answer_of(
    operation: Operation, status: int, raw: bytes, headers: Mapping[str, str], *, account: str
) -> Answer:
    digest = sha256(raw)
    if status == httpx2.codes.OK:
        facts = _facts_in(read_document(raw), account=account)
        declined = next((fact.decline_code for fact in facts if fact.decline_code), None)
        return Answer(
            result=result_of(operation.kind, facts, sale=operation.sale), facts=facts, body_sha256=digest,
            decline_code=declined, error_code="card_refused" if declined else None,
        )  # fmt: skip
    if 400 <= status < 500:  # noqa: PLR2004 - the client errors of HTTP
        fault = _fault_of(read_document(raw))
        code, final = fault.get("id"), _refuses(operation, status, fault.get("id"))
        return Answer(
            result=refusal_of(status, code, not_executed=NOT_EXECUTED, final=final),
            error_code=fault.get("id") or f"http_{status}", message=fault.get("text"), body_sha256=digest,
            retry_after_s=retry_after_s(headers), healthy=status not in OURS_TO_FIX,
            throttled=status == httpx2.codes.TOO_MANY_REQUESTS,
        )  # fmt: skip
    return Answer(
        result=Result.UNKNOWN, error_code=f"http_{status}", body_sha256=digest,
        retry_after_s=retry_after_s(headers), healthy=False,
    )  # fmt: skip


def _refuses(operation: Operation, status: int, fault_id: str | None) -> bool:
    """Say whether a client error is final for the operation; what is not declared so is doubt."""
    if status == httpx2.codes.NOT_FOUND:
        # Of a new transaction it would mean that our address is wrong, which is no decline of anybody's card.
        return fault_id == "NO_SUCH_TRANSACTION" and operation.kind in NAMES_A_TRANSACTION
    return fault_id in REFUSED.get(status, frozenset())


def _facts_in(document: Mapping[str, Any], *, account: str) -> tuple[Fact, ...]:
    transactions = document.get("transactions")
    if not isinstance(transactions, list):
        raise Unrecognised("transactions_invalid")
    return tuple(fact_of(each, account=account) for each in transactions)


def _fault_of(document: Mapping[str, Any]) -> dict[str, str]:
    fault = document.get("fault")
    if not isinstance(fault, dict):
        return {}
    return {name: value for name, value in fault.items() if isinstance(value, str)}


def _shape(error: Exception) -> str:
    return f"shape:{error.reason}" if isinstance(error, Unrecognised) else "shape:not_json"
