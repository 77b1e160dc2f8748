"""Owns the path of a command at a processor without idempotency keys: asked twice, it is done twice."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from services.sandbox.app.decisions import Decide, decided
from services.sandbox.app.fault_script import FaultScript
from services.sandbox.app.manners import Manners
from services.sandbox.app.ports import ObjectStore, OutdatedError
from services.sandbox.app.send_webhooks import WebhookSender
from services.sandbox.domain.faults import (
    DECLINE_CODE,
    EffectPlan,
    ErrorReply,
    Fault,
    Operation,
    ReplyFault,
    WebhookPlan,
)
from services.sandbox.domain.objects import Effect, ProcessorObject
from services.sandbox.domain.payment_methods import PaymentMethod, payment_method
from services.sandbox.domain.scripts import Asked
from shared.kernel.clock import Clock
from shared.kernel.crash_points import crash_point
from shared.kernel.errors import Rejected
from shared.kernel.ids import Ids

WRITE_ATTEMPTS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One POST: the caller's reference, the transaction it names and the rule that decides it."""

    #: None for a step of a script: no fault of the card strikes who writes the script.
    operation: Operation | None
    reference: str
    parent_id: str | None
    method: PaymentMethod | None
    decide: Decide
    payment: str | None = None
    #: The rule with which it is declined for a reason, where a refusal is an object and no error.
    decline: Callable[[str], Decide] | None = None
    #: Of a step of a script: its notices travel as those of this operation do on the card.
    travels_as: Operation = Operation.DISPUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What took effect, if anything did, and the fault that hits the reply."""

    effect: Effect | None
    fault: ReplyFault = ReplyFault.NONE
    error: ErrorReply | None = None
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UnkeyedProcessor:
    """The command side of a processor that remembers no requests."""

    store: ObjectStore
    sender: WebhookSender
    manners: Manners
    clock: Clock
    ids: Ids
    script: FaultScript

    async def perform(self, ask: Ask) -> Done:
        """Perform it, whatever was performed before; a card's fault strikes once per operation and reference."""
        operation = ask.operation
        scripted = None
        if operation is not None:
            scripted = await self.script.strike(operation, lambda: self._described(ask, operation))
        for _ in range(WRITE_ATTEMPTS):
            try:
                return await self._attempt(ask, scripted)
            except OutdatedError:
                continue
        raise Rejected("busy", "Too many writers on this transaction.", status=503)

    async def _described(self, ask: Ask, operation: Operation) -> Asked:
        method, payment = ask.method.name if ask.method else None, ask.payment
        if ask.parent_id is not None:
            parent, _ = await self.store.load(ask.parent_id)
            if parent is not None:
                method, payment = parent.origin.payment_method, parent.origin.payment_id
        return Asked(operation=operation, reference=ask.reference, payment=payment, payment_method=method)

    async def _attempt(self, ask: Ask, scripted: Fault | None) -> Done:
        now = self.clock.now()
        parent: ProcessorObject | None = None
        if ask.parent_id is not None:
            parent, _ = await self.store.load(ask.parent_id)
            if parent is None:
                raise Rejected("not_found", "No such transaction.", status=404)
        fault = scripted
        if fault is None:
            method = ask.method or payment_method(parent.origin.payment_method if parent else "")
            fault = await self._first_time(ask, _of_card(ask, method), now)
        decide = ask.decide
        if fault.reply is ReplyFault.REFUSED and ask.decline is not None:
            decide = ask.decline(fault.refusal or DECLINE_CODE)
        fault = fault.settled_for(operation=ask.operation)
        if fault.before_effect:
            return _struck(None, fault)
        if fault.reply is ReplyFault.EFFECT_LATE:
            await asyncio.sleep(self.manners.hang_s)
            now = self.clock.now()
        effect = await self._write(await decided(self.store, decide, parent, now), fault, now)
        if fault.effect is EffectPlan.TWICE:
            await self._once_more(ask, fault, now)
        return _struck(effect, fault)

    async def _once_more(self, ask: Ask, fault: Fault, now: datetime) -> None:
        """Do it again; where nothing is left to do it with, it stays at once."""
        parent = None if ask.parent_id is None else (await self.store.load(ask.parent_id))[0]
        with suppress(Rejected, OutdatedError):
            await self._write(await decided(self.store, ask.decide, parent, now), fault, now)

    async def _first_time(self, ask: Ask, fault: Fault, now: datetime) -> Fault:
        """The card's fault if it strikes now; its webhooks travel as planned every time."""
        if fault.reply is ReplyFault.NONE or fault.always:
            return fault
        if await self.store.strike(f"{ask.operation}:{ask.reference}", now):
            return fault
        return replace(fault, reply=ReplyFault.NONE)

    async def _write(self, effect: Effect, fault: Fault, now: datetime) -> Effect:
        change = self.manners.change(effect, fault, ids=self.ids, now=now)
        crash_point("sandbox.before_effect")
        await self.store.write(change)
        crash_point("sandbox.after_effect")
        if fault.webhooks is WebhookPlan.FIRST:
            await self.sender.send_events([event.id for event in change.events])
        else:
            self.sender.wake()
        return effect


def _struck(effect: Effect | None, fault: Fault) -> Done:
    return Done(
        effect=effect, fault=fault.reply, error=fault.error, delay_s=fault.reply_delay.total_seconds()
    )


def _of_card(ask: Ask, method: PaymentMethod) -> Fault:
    """What goes wrong because of the card. A step of a script is always answered; its notices may go astray."""
    if ask.operation is None:
        return Fault(webhooks=method.on(ask.travels_as).webhooks)
    return method.on(ask.operation)
