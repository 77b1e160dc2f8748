"""Owns alpha's HTTP face, and the port that both processors share: routes, limits, how each fault looks on the wire.

A bare ASGI callable, because the sandbox is the opponent in benchmarks and its cost must not hide ours.
"""

import asyncio
import hmac
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

from services.sandbox.adapters.unit_of_work import SandboxStore
from services.sandbox.app import rendering
from services.sandbox.app.answer_dispute import ANSWERS
from services.sandbox.app.authorize import authorize_command
from services.sandbox.app.capture import capture_command
from services.sandbox.app.perform import Command, Outcome, Processor
from services.sandbox.app.refund import refund_command
from services.sandbox.app.script_acts import COLLECTIONS as SCRIPTED
from services.sandbox.app.script_acts import script_command
from services.sandbox.app.void import void_command
from services.sandbox.bootstrap import Parts
from services.sandbox.domain.faults import BODY_FAULTS, Reading, ReplyFault
from services.sandbox.domain.scripts import Asked
from services.sandbox.entrypoints.http_beta import BASE as BETA_BASE
from services.sandbox.entrypoints.http_beta import BetaApi
from services.sandbox.entrypoints.http_reports import BASE as REPORTS_BASE
from services.sandbox.entrypoints.http_reports import ReportsApi
from services.sandbox.entrypoints.http_script import BASE as SCRIPT_BASE
from services.sandbox.entrypoints.http_script import ScriptApi, Scripted
from services.sandbox.entrypoints.http_settlement import SettlementScript
from services.sandbox.entrypoints.wire import (
    HANG_LIMIT_S,
    described,
    drop,
    lifespan,
    read_body,
    send_json,
    suffer_reading,
    wait_for_caller,
)
from shared.kernel.errors import Rejected
from shared.runtime.logs import logger

BASE: Final = ["", "alpha", "v1"]
FEED_PAGE_MAX: Final = 1_000
FEED_PAGE_DEFAULT: Final = 100
KINDS: Final = {
    "authorizations": "authorization",
    "captures": "capture",
    "refunds": "refund",
    "disputes": "dispute",
    "reversals": "reversal",
    "money_rows": "money_row",
}
_KEY: Final = re.compile(rb"[\x21-\x7e]{1,255}")
_CURSOR: Final = re.compile(r"[0-9]{1,19}-[0-9]{1,18}")
_log = logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlphaApi:
    """The processor ``alpha`` over HTTP."""

    processor: Processor
    store: SandboxStore
    api_key: str

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request; refusals are replies, everything unforeseen is a 500 by the server."""
        headers = dict(scope["headers"])
        try:
            self._authenticate(headers)
            parts = scope["path"].split("/")
            if self.processor.manners.latency_s:
                await asyncio.sleep(self.processor.manners.latency_s)
            if parts[:3] != BASE:
                status, body = rendering.rejection(_not_found())
                await send_json(send, status, body)
            elif scope["method"] == "POST":
                await self._post(scope["path"], parts[3:], headers, receive, send)
            elif scope["method"] == "GET":
                await self._read(scope, parts[3:], receive, send)
            else:
                body = rendering.error_body("method_not_allowed", "Use GET or POST.")
                await send_json(send, 405, body)
        except Rejected as rejected:
            status, body = rendering.rejection(rejected)
            await send_json(send, status, body)

    def _authenticate(self, headers: dict[bytes, bytes]) -> None:
        expected = b"Bearer " + self.api_key.encode()
        if not hmac.compare_digest(headers.get(b"authorization", b""), expected):
            raise Rejected("unauthorized", "Show the API key as a bearer token.", status=401)

    async def _post(
        self, path: str, parts: list[str], headers: dict[bytes, bytes], receive: Any, send: Any
    ) -> None:
        key = headers.get(b"idempotency-key", b"")
        if not _KEY.fullmatch(key):
            raise Rejected("idempotency_key_missing", "Send 1 to 255 visible ASCII characters.", status=400)
        raw = await read_body(receive)
        outcome = await self.processor.perform(self._command(path, parts, key.decode(), raw))
        if outcome.delay_s:
            await asyncio.sleep(outcome.delay_s)
        if outcome.fault is ReplyFault.NONE:
            replayed = [(b"idempotent-replayed", b"true")] if outcome.replayed else []
            await send_json(send, outcome.status, outcome.body, replayed)
            return
        _log.info("fault_struck", fault=outcome.fault.value, path=path)
        await self._suffer(outcome, receive, send)

    def _command(self, path: str, parts: list[str], key: str, raw: bytes) -> Command:
        ids, account = self.processor.ids, self.processor.manners.account
        match parts:
            case ["authorizations"]:
                return authorize_command(raw, key=key, account=account, ids=ids, path=path)
            case ["authorizations", authorization_id, "captures"]:
                return capture_command(authorization_id, raw, key=key, ids=ids, path=path)
            case ["authorizations", authorization_id, "void"]:
                return void_command(authorization_id, raw, key=key, path=path)
            case ["captures", capture_id, "refunds"]:
                return refund_command(capture_id, raw, key=key, ids=ids, path=path)
            case ["disputes", dispute_id, answer] if answer in ANSWERS:
                return ANSWERS[answer](dispute_id, raw, key=key, path=path)
            case ["script", collection, object_id] if collection in SCRIPTED:
                return script_command(collection, object_id, raw, key=key, ids=ids, path=path)
        raise _not_found()

    async def _read(self, scope: Any, parts: list[str], receive: Any, send: Any) -> None:
        reading = Reading.FEED if parts == ["events"] else Reading.LOOK_UP
        query = {
            name: values[-1]
            for name, values in parse_qs(scope["query_string"].decode("ascii", "replace")).items()
        }
        fault = await self.processor.script.strike(
            reading, lambda: described(Asked(operation=reading, reference=query.get("reference")))
        )
        if fault is not None and await suffer_reading(fault, self.processor.manners.hang_s, receive):
            return
        struck = fault.reply if fault is not None else ReplyFault.NONE
        if struck is ReplyFault.NONE:
            await send_json(send, 200, await self._get(parts, query))
        elif struck is ReplyFault.MALFORMED:
            await send_json(send, 200, rendering.lie(await self._get(parts, query), struck))
        else:
            outcome = Outcome(status=0, body=b"", fault=struck, error=fault.error if fault else None)
            await self._suffer(outcome, receive, send)

    async def _get(self, parts: list[str], query: dict[str, str]) -> bytes:
        match parts:
            case ["objects"]:
                manners = self.processor.manners
                found = await self.store.look_up(
                    query.get("reference", ""), now=self.processor.clock.now(), visibility=manners.visibility
                )
                return rendering.list_body(found)
            case ["events"]:
                return await self._feed(query)
            case [collection, object_id] if collection in KINDS:
                item = await self.store.seen(object_id, now=self.processor.clock.now())
                if item is not None and item.kind == KINDS[collection]:
                    return rendering.object_body(item)
        raise _not_found()

    async def _feed(self, query: dict[str, str]) -> bytes:
        after, limit = query.get("after"), query.get("limit", str(FEED_PAGE_DEFAULT))
        if after is not None and not _CURSOR.fullmatch(after):
            raise Rejected("cursor_invalid", "Use a next_cursor of this feed.", status=400, param="after")
        if not (limit.isascii() and limit.isdigit() and 0 < int(limit[:9]) <= FEED_PAGE_MAX):
            raise Rejected("limit_invalid", f"Expected 1 to {FEED_PAGE_MAX}.", status=400, param="limit")
        page = await self.store.feed(after, int(limit))
        return rendering.feed_body(page.bodies, page.next_cursor, page.has_more)

    async def _suffer(self, outcome: Outcome, receive: Any, send: Any) -> None:
        """Let the caller see what the fault looks like from outside."""
        if outcome.error is not None:
            await send_json(send, *rendering.stated_error(outcome.error))
            return
        match outcome.fault:
            case ReplyFault.ERROR_BEFORE | ReplyFault.ERROR_AFTER:
                await send_json(send, 500, rendering.error_body("internal_error", "Something went wrong."))
            case ReplyFault.RATE_LIMITED | ReplyFault.RATE_LIMITED_AFTER:
                body = rendering.error_body("rate_limited", "Too many requests; nothing was executed.")
                await send_json(send, 429, body, [(b"retry-after", b"1")])
            case ReplyFault.REFUSED_AFTER:
                await send_json(send, 422, rendering.error_body("request_refused", "This is not possible."))
            case fault if fault in BODY_FAULTS:
                body = rendering.lie(outcome.body, fault)
                await send_json(send, outcome.status, body)
            case ReplyFault.EFFECT_LATE:  # It has hung already.
                await drop(receive)
            case ReplyFault.HANG:
                await wait_for_caller(receive, HANG_LIMIT_S)
                await drop(receive)
            case _:
                await wait_for_caller(receive, self.processor.manners.hang_s)
                await drop(receive)


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxApi:
    """Both processors, their script and their reports on one port, told apart by the first word of the path."""

    alpha: AlphaApi
    beta: BetaApi | None
    script: ScriptApi
    reports: ReportsApi
    close: Callable[[], Awaitable[None]]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send, self.close)
        elif scope["path"].startswith(SCRIPT_BASE):
            await self.script(scope, receive, send)
        elif scope["path"].startswith(REPORTS_BASE):
            await self.reports(scope, receive, send)
        elif self.beta is not None and scope["path"].startswith(BETA_BASE):
            await self.beta(scope, receive, send)
        else:
            await self.alpha(scope, receive, send)


def application(parts: Parts) -> SandboxApi:
    """Put the faces on the parts."""
    alpha, beta = parts.alpha, parts.beta
    return SandboxApi(
        alpha=AlphaApi(processor=alpha.processor, store=alpha.store, api_key=alpha.api_key),
        beta=BetaApi(
            processor=beta.processor, changes=beta.changes, api_key=beta.api_key, list_delay=beta.list_delay
        )
        if beta is not None
        else None,
        script=ScriptApi(
            rules=parts.rules,
            stores={
                "alpha": Scripted(alpha.processor.script, alpha.store, alpha.processor.manners.sends_webhooks)
            }
            | (
                {
                    "beta": Scripted(
                        beta.processor.script, beta.own.store, beta.processor.manners.sends_webhooks
                    )
                }
                if beta is not None
                else {}
            ),
            settlement=SettlementScript(parts.settling, parts.planting),
            clock=parts.clock,
            wake=parts.wake,
            api_key=alpha.api_key,
        ),
        reports=ReportsApi(desk=parts.desk, planting=parts.planting, api_key=alpha.api_key),
        close=parts.close,
    )


def _not_found() -> Rejected:
    return Rejected("not_found", "No such object or route.", status=404)
