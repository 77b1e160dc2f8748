"""Owns beta's HTTP face: routes, refusals in beta's words, and how each fault looks on the wire."""

import asyncio
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs

from services.sandbox.adapters.delayed_list import DelayedList
from services.sandbox.app import beta_rendering as rendering
from services.sandbox.app.beta_answers import ANSWERS
from services.sandbox.app.beta_commands import cancel, charge, credit, open_transaction
from services.sandbox.app.beta_script import COLLECTIONS, script_step
from services.sandbox.app.perform_unkeyed import Ask, Done, UnkeyedProcessor
from services.sandbox.domain.faults import BODY_FAULTS, Reading, ReplyFault
from services.sandbox.domain.scripts import Asked
from services.sandbox.entrypoints.wire import (
    HANG_LIMIT_S,
    described,
    drop,
    read_body,
    send_json,
    suffer_reading,
    wait_for_caller,
)
from shared.kernel.errors import InvariantViolation, Rejected
from shared.runtime.logs import logger

BASE: Final = "/beta/v2/"
PAGE_MAX: Final = 500
RETRY_IN_MS: Final = 1_000
_CURSOR: Final = re.compile(r"[0-9]{1,19}-[0-9]{1,18}")
_MILLISECONDS: Final = re.compile(r"[0-9]{1,14}")
_log = logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class BetaApi:
    """The processor ``beta`` over HTTP."""

    processor: UnkeyedProcessor
    changes: DelayedList
    api_key: str
    list_delay: timedelta

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request; refusals are replies, everything unforeseen is a 500 by the server."""
        try:
            self._authenticate(dict(scope["headers"]))
            if self.processor.manners.latency_s:
                await asyncio.sleep(self.processor.manners.latency_s)
            parts = scope["path"].removeprefix(BASE).split("/")
            if scope["method"] == "POST":
                await self._post(scope["path"], parts, receive, send)
            elif scope["method"] == "GET":
                await self._read(scope, parts, receive, send)
            else:
                await send_json(send, 405, rendering.fault_body("MALFORMED", "Use GET or POST."))
        except Rejected as rejected:
            status, body = rendering.rejection(rejected)
            await send_json(send, status, body)

    def _authenticate(self, headers: dict[bytes, bytes]) -> None:
        if not hmac.compare_digest(headers.get(b"x-beta-key", b""), self.api_key.encode()):
            raise Rejected("unauthorized", "Show the key in X-Beta-Key.", status=401)

    async def _post(self, path: str, parts: list[str], receive: Any, send: Any) -> None:
        done = await self.processor.perform(self._ask(parts, await read_body(receive)))
        if done.delay_s:
            await asyncio.sleep(done.delay_s)
        if done.fault is ReplyFault.NONE:
            await send_json(send, 200, _shown(done))
            return
        _log.info("fault_struck", fault=done.fault.value, path=path)
        await self._suffer(done, receive, send)

    def _ask(self, parts: list[str], raw: bytes) -> Ask:
        ids = self.processor.ids
        match parts:
            case ["transactions"]:
                return open_transaction(raw, account=self.processor.manners.account, ids=ids)
            case ["transactions", hold_id, "charge"]:
                return charge(hold_id, raw, ids=ids)
            case ["transactions", hold_id, "cancel"]:
                return cancel(hold_id, raw)
            case ["transactions", charge_id, "credit"]:
                return credit(charge_id, raw, ids=ids)
            case ["transactions", claim_id, answer] if answer in ANSWERS:
                return ANSWERS[answer](claim_id, raw)
            case ["script", collection, transaction_id] if collection in COLLECTIONS:
                return script_step(collection, transaction_id, raw, ids=ids)
        raise _not_found()

    async def _read(self, scope: Any, parts: list[str], receive: Any, send: Any) -> None:
        reading = Reading.FEED if parts == ["transactions"] else Reading.LOOK_UP
        fault = await self.processor.script.strike(reading, lambda: described(Asked(operation=reading)))
        if fault is not None and await suffer_reading(fault, self.processor.manners.hang_s, receive):
            return
        struck = fault.reply if fault is not None else ReplyFault.NONE
        if struck is ReplyFault.NONE:
            await send_json(send, 200, await self._get(parts, scope["query_string"]))
        elif struck is ReplyFault.MALFORMED:
            await send_json(send, 200, rendering.lie(await self._get(parts, scope["query_string"]), struck))
        else:
            done = Done(effect=None, fault=struck, error=fault.error if fault else None)
            await self._suffer(done, receive, send)

    async def _get(self, parts: list[str], query_string: bytes) -> bytes:
        match parts:
            case ["transactions"]:
                return await self._list(parse_qs(query_string.decode("ascii", "replace")))
            case ["transactions", transaction_id]:
                item = await self.processor.store.seen(transaction_id, now=self.processor.clock.now())
                if item is not None:
                    return rendering.transactions_body([item])
        raise _not_found()

    async def _list(self, query: dict[str, list[str]]) -> bytes:
        """List changes in order, from a time on or behind a cursor; young ones are not shown yet."""
        after, since_ms = query.get("after", [None])[-1], query.get("since_ms", ["0"])[-1]
        limit = query.get("limit", [str(PAGE_MAX)])[-1]
        if after is not None and not _CURSOR.fullmatch(after):
            raise Rejected("field_invalid", "Use a next of this list.", status=400, param="after")
        if not _MILLISECONDS.fullmatch(since_ms):
            raise Rejected("field_invalid", "Expected unix milliseconds.", status=400, param="since_ms")
        if not (_MILLISECONDS.fullmatch(limit) and 0 < int(limit) <= PAGE_MAX):
            raise Rejected("field_invalid", f"Expected 1 to {PAGE_MAX}.", status=400, param="limit")
        page = await self.changes.page(
            since=datetime.fromtimestamp(int(since_ms) / 1000, UTC),
            after=after,
            visible_before=self.processor.clock.now() - self.list_delay,
            limit=int(limit),
        )
        return rendering.list_body(page.bodies, page.next_cursor, more=page.has_more)

    async def _suffer(self, done: Done, receive: Any, send: Any) -> None:
        if done.error is not None:
            await send_json(send, *rendering.stated_error(done.error))
            return
        match done.fault:
            case ReplyFault.ERROR_BEFORE | ReplyFault.ERROR_AFTER:
                await send_json(send, 500, rendering.fault_body("INTERNAL", "Something went wrong."))
            case ReplyFault.RATE_LIMITED | ReplyFault.RATE_LIMITED_AFTER:
                body = rendering.fault_body("SLOW_DOWN", "Too many requests; nothing was executed.")
                await send_json(send, 429, body, [(b"x-beta-retry-in-ms", b"%d" % RETRY_IN_MS)])
            case ReplyFault.REFUSED_AFTER:
                await send_json(send, 422, rendering.fault_body("METHOD_UNKNOWN", "This is not possible."))
            case fault if fault in BODY_FAULTS:
                await send_json(send, 200, rendering.lie(_shown(done), fault))
            case ReplyFault.EFFECT_LATE:  # It has hung already.
                await drop(receive)
            case ReplyFault.HANG:
                await wait_for_caller(receive, HANG_LIMIT_S)
                await drop(receive)
            case _:
                await wait_for_caller(receive, self.processor.manners.hang_s)
                await drop(receive)


def _shown(done: Done) -> bytes:
    """The transactions that came of it. A refusal of the card is no error at beta: the state tells it."""
    if done.effect is None:
        raise InvariantViolation("effect_shown", "nothing took effect, so there is nothing to show")
    shown = {item.id: item for item in (done.effect.result, *done.effect.announced)}
    return rendering.transactions_body(list(shown.values()))


def _not_found() -> Rejected:
    return Rejected("not_found", "No such transaction or route.", status=404)
