"""Owns the one path of every command: replay or decide, write whole, and suffer the planned fault."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from services.sandbox.app.decisions import Decide, decided
from services.sandbox.app.fault_script import FaultScript
from services.sandbox.app.manners import Manners
from services.sandbox.app.ports import Change, KeyedReply, KeyTakenError, ObjectStore, OutdatedError
from services.sandbox.app.send_webhooks import WebhookSender
from services.sandbox.domain.faults import (
    DECLINE_CODE,
    NO_FAULT,
    EffectPlan,
    ErrorReply,
    Fault,
    Operation,
    ReplyFault,
    WebhookPlan,
)
from services.sandbox.domain.idempotency import StoredReply, replayable
from services.sandbox.domain.objects import Effect, ProcessorObject
from services.sandbox.domain.payment_methods import payment_method
from services.sandbox.domain.scripts import Asked
from shared.kernel.clock import Clock
from shared.kernel.crash_points import crash_point
from shared.kernel.errors import Rejected
from shared.kernel.ids import Ids

WRITE_ATTEMPTS: Final = 8  # Writers on one object are few; more failures than this mean something else.


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One POST: its key, its fingerprint, the object it names and the rule that decides it."""

    #: None for a step of a script: no fault of the card strikes who writes the script.
    operation: Operation | None
    key: str
    fingerprint: bytes
    parent_id: str | None
    payment_method: str | None
    decide: Decide
    render: Callable[[Effect], tuple[int, bytes]]
    #: What rules of a script may be meant for.
    reference: str | None = None
    payment: str | None = None
    #: The rule with which it is declined for a reason, where a refusal is an object and no error.
    decline: Callable[[str], Decide] | None = None
    #: Of a step of a script: its webhooks travel as those of this operation do on the card.
    travels_as: Operation = Operation.DISPUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the edge does now: send the reply, or the fault that hits it."""

    status: int
    body: bytes
    fault: ReplyFault = ReplyFault.NONE
    error: ErrorReply | None = None
    replayed: bool = False
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    """The processor's command side over its store."""

    store: ObjectStore
    sender: WebhookSender
    manners: Manners
    clock: Clock
    ids: Ids
    script: FaultScript

    async def perform(self, command: Command) -> Outcome:
        """Perform a command once per key; a repeated one gets the first reply, byte for byte."""
        scripted = await self._scripted(command)
        for _ in range(WRITE_ATTEMPTS):
            try:
                return await self._attempt(command, scripted)
            except KeyTakenError:
                now = self.clock.now()
                stored = await self.store.stored_reply(command.key)
                if stored is not None and replayable(stored, command.fingerprint, now):
                    return _replay(stored, scripted or _of_card(command, command.payment_method))
                await self.store.forget_key(command.key, now)
            except OutdatedError:
                continue
        raise Rejected("busy", "Too many writers on this object.", status=503)

    async def _scripted(self, command: Command) -> Fault | None:
        """The script's fault for this call: counted once, however often the write is tried."""
        operation = command.operation
        if operation is None:
            return None

        async def describe() -> Asked:
            method, payment = command.payment_method, command.payment
            if command.parent_id is not None:
                parent, _ = await self.store.load(command.parent_id)
                if parent is not None:
                    method, payment = parent.origin.payment_method, parent.origin.payment_id
            return Asked(
                operation=operation, reference=command.reference, payment=payment, payment_method=method
            )

        return await self.script.strike(operation, describe)

    async def _attempt(self, command: Command, scripted: Fault | None) -> Outcome:
        now = self.clock.now()
        parent: ProcessorObject | None = None
        method = command.payment_method
        if command.parent_id is not None:
            parent, stored = await self.store.load(command.parent_id, command.key)
            method = parent.origin.payment_method if parent is not None else None
            if stored is not None and replayable(stored, command.fingerprint, now):
                return _replay(stored, scripted or _of_card(command, method))
            if parent is None:
                raise Rejected("not_found", "No such object.", status=404)
        given = scripted or _of_card(command, method)
        fault, decide = given.settled_for(command.operation), command.decide
        if given.reply is ReplyFault.REFUSED and command.decline is not None:
            decide = command.decline(given.refusal or DECLINE_CODE)
        if fault.before_effect or fault.reply is ReplyFault.EFFECT_LATE:
            if not fault.always and not await self.store.strike(command.key, now):
                fault = replace(fault, reply=ReplyFault.NONE)
            elif fault.reply is ReplyFault.EFFECT_LATE:
                await asyncio.sleep(self.manners.hang_s)
                now = self.clock.now()
            else:
                return _struck(0, b"", fault)
        if fault.key_life is not None and not fault.always and not await self.store.strike(command.key, now):
            fault = NO_FAULT  # What is done again under the forgotten key is done well.
        effect = await decided(self.store, decide, parent, now)
        return await self._write(command, effect, fault, now)

    async def _write(self, command: Command, effect: Effect, fault: Fault, now: datetime) -> Outcome:
        status, body = command.render(effect)
        key_life = self.manners.key_life if fault.key_life is None else fault.key_life
        reply = StoredReply(
            fingerprint=command.fingerprint, status=status, body=body, expires_at=now + key_life
        )
        change = self.manners.change(
            effect, fault, ids=self.ids, now=now, keyed=KeyedReply(key=command.key, reply=reply)
        )
        crash_point("sandbox.before_effect")
        await self.store.write(change)
        crash_point("sandbox.after_effect")
        await self._tell(change, fault)
        if fault.effect is EffectPlan.TWICE:
            await self._once_more(command, fault, now)
        return _struck(status, body, fault)

    async def _once_more(self, command: Command, fault: Fault, now: datetime) -> None:
        """Do it again, for no key; where nothing is left to do it with, it stays at once."""
        parent = None if command.parent_id is None else (await self.store.load(command.parent_id))[0]
        with suppress(Rejected, OutdatedError):
            effect = await decided(self.store, command.decide, parent, now)
            change = self.manners.change(effect, fault, ids=self.ids, now=now)
            await self.store.write(change)
            await self._tell(change, fault)

    async def _tell(self, change: Change, fault: Fault) -> None:
        if fault.webhooks is WebhookPlan.FIRST:
            await self.sender.send_events([event.id for event in change.events])
        else:
            self.sender.wake()


def _of_card(command: Command, method: str | None) -> Fault:
    """What goes wrong because of the card of the request, or the one that the named object was paid with."""
    if method is None:
        return NO_FAULT
    card = payment_method(method)
    if command.operation is None:  # A step of a script: its reply is never disturbed.
        return Fault(webhooks=card.on(command.travels_as).webhooks)
    return card.on(command.operation)


def _replay(stored: StoredReply, fault: Fault) -> Outcome:
    if (
        not fault.always or fault.reply is ReplyFault.REFUSED
    ):  # What was answered once is not refused afterwards.
        return Outcome(status=stored.status, body=stored.body, replayed=True)
    return replace(_struck(stored.status, stored.body, fault), replayed=True)


def _struck(status: int, body: bytes, fault: Fault) -> Outcome:
    return Outcome(
        status=status,
        body=body,
        fault=fault.reply,
        error=fault.error,
        delay_s=fault.reply_delay.total_seconds(),
    )
