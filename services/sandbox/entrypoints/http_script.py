"""Owns the script's HTTP face: what shall go wrong next, at both processors alike, and the test clock.

No real processor has it. Nothing said here changes what took effect: only who hears of it, when, and how.
"""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from services.sandbox.app import parsing, rendering
from services.sandbox.app.fault_script import FaultScript
from services.sandbox.app.ports import FaultStore, ObjectStore, StoredRule
from services.sandbox.app.sandbox_clock import SandboxClock
from services.sandbox.app.script_requests import RULE, read_advance_s, read_cards, read_rule, shown_fault
from services.sandbox.domain.faults import Operation
from services.sandbox.domain.payment_methods import PaymentMethod
from services.sandbox.entrypoints.http_settlement import SettlementScript
from services.sandbox.entrypoints.wire import read_body, send_json
from shared.kernel.errors import Rejected

BASE: Final = "/script/v1/"
HTTP_OK: Final = 200
HTTP_CREATED: Final = 201
_DIGITS_MAX: Final = 18
Answer = tuple[int, object]


@dataclass(frozen=True, slots=True)
class Scripted:
    """One processor as the script sees it."""

    script: FaultScript
    store: ObjectStore
    sends_webhooks: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptApi:
    """Scripts over HTTP; alpha's key opens it."""

    rules: FaultStore
    stores: Mapping[str, Scripted]
    settlement: SettlementScript
    clock: SandboxClock
    wake: Callable[[], None]
    api_key: str

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request; a refusal names the field."""
        try:
            self._authenticate(dict(scope["headers"]))
            parts = scope["path"].removeprefix(BASE).split("/")
            raw = await read_body(receive)
            status, document = await self._answer(scope["method"], parts, raw)
            await send_json(send, status, orjson.dumps(document))
        except Rejected as rejected:
            status, body = rendering.rejection(rejected)
            await send_json(send, status, body)

    def _authenticate(self, headers: dict[bytes, bytes]) -> None:
        expected = b"Bearer " + self.api_key.encode()
        if not hmac.compare_digest(headers.get(b"authorization", b""), expected):
            raise Rejected("unauthorized", "Show alpha's API key as a bearer token.", status=401)

    async def _answer(self, method: str, parts: list[str], raw: bytes) -> Answer:
        match method, parts:
            case _, ["faults", *rest]:
                return await self._on_faults(method, rest, raw)
            case "POST", ["cards"]:
                return HTTP_OK, {"data": {card.name: _struck(card) for card in read_cards(raw)}}
            case "POST", ["release"]:
                return await self._release(raw)
            case "POST", ["payouts" | "days" | "errors" as what]:
                return HTTP_CREATED, await self.settlement.act(what, raw)
            case "GET", ["clock"]:
                return await self._clock(await self.rules.clock_ahead_s())
            case "POST", ["clock"]:
                return await self._clock(await self.rules.advance_clock(read_advance_s(raw)))
        raise _no_route()

    async def _on_faults(self, method: str, rest: list[str], raw: bytes) -> Answer:
        match method, rest:
            case "POST", []:
                return await self._add(raw)
            case "GET", []:
                return HTTP_OK, {"data": [_shown(rule) for rule in await self.rules.all_rules()]}
            case "DELETE", []:
                return await self._remove(None)
            case "DELETE", [number] if number.isascii() and number.isdigit():
                return await self._remove(int(number[:_DIGITS_MAX]))
        raise _no_route()

    async def _add(self, raw: bytes) -> Answer:
        body = parsing.read_body(raw, RULE)
        processor, rule = read_rule(body)
        if processor not in self.stores:
            raise Rejected("field_invalid", "Beta is switched off here.", status=400, param="processor")
        number = await self.rules.add(processor, body, rule)
        await self.stores[processor].script.refresh()
        return HTTP_CREATED, {"id": number, "struck": 0} | body

    async def _remove(self, number: int | None) -> Answer:
        removed = await self.rules.remove(number)
        if number is not None and not removed:
            raise Rejected("not_found", "No such rule.", status=404)
        for scripted in self.stores.values():
            await scripted.script.refresh()
        return HTTP_OK, {"removed": removed}

    async def _release(self, raw: bytes) -> Answer:
        payment = parsing.text(parsing.read_body(raw, frozenset({"payment"})), "payment")
        webhooks = objects = events = 0
        for scripted in self.stores.values():
            released = await scripted.store.release(
                payment, self.clock.now(), sends_webhooks=scripted.sends_webhooks
            )
            webhooks += released.webhooks
            objects += released.objects
            events += released.events
        self.wake()
        return HTTP_OK, {"webhooks": webhooks, "objects": objects, "events": events}

    async def _clock(self, ahead_s: float) -> Answer:
        self.clock.ahead_s = ahead_s
        return HTTP_OK, {"ahead_s": ahead_s, "now": rendering.timestamp(self.clock.now())}


def _shown(rule: StoredRule) -> dict[str, Any]:
    return {"id": rule.id, "struck": rule.struck} | rule.document


def _struck(card: PaymentMethod) -> dict[str, Any]:
    """What strikes each operation of a payment by this card; an operation that goes well is left out."""
    faults = {operation: card.on(operation) for operation in Operation}
    return {operation.value: shown_fault(fault) for operation, fault in faults.items() if not fault.is_none}


def _no_route() -> Rejected:
    return Rejected("not_found", "No such route of the script.", status=404)
