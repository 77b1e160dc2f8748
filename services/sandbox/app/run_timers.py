"""Owns what the processor does by itself: holds that run out, captures and refunds that settle or fail, claims."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from services.sandbox.app.manners import Manners
from services.sandbox.app.ports import DueTimer, ObjectStore, OutdatedError
from services.sandbox.domain import authorizations, captures, claims, disputes, reversals
from services.sandbox.domain.faults import WebhookPlan
from services.sandbox.domain.objects import (
    Authorization,
    Capture,
    Dispute,
    Effect,
    ProcessorObject,
    Refund,
    Reversal,
    TimerAction,
)
from services.sandbox.domain.payment_methods import payment_method
from shared.kernel.clock import Clock
from shared.kernel.errors import InvariantViolation
from shared.kernel.ids import Ids

BATCH: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers:
    """Runs due timers; each is one transaction that also removes it, so it takes effect once."""

    store: ObjectStore
    manners: Manners
    clock: Clock
    ids: Ids

    async def run_due(self) -> int:
        """Run one batch; a timer whose object changed meanwhile stays for the next turn."""
        due = await self.store.due_timers(self.clock.now(), BATCH)
        for timer in due:
            try:
                await self._run(timer)
            except OutdatedError:
                continue
        return len(due)

    async def _run(self, timer: DueTimer) -> None:
        now = self.clock.now()
        if timer.action is TimerAction.SHOW_EVENT:
            await self.store.show_event(timer.object_id, timer.id, now)
            return
        item, _ = await self.store.load(timer.object_id)
        if item is None:
            raise InvariantViolation("timer_object", f"timer {timer.id} names no object")
        effect = await self._effect(timer.action, item, now)
        if effect is None:
            await self.store.drop_timer(timer.id)
            return
        fault = payment_method(item.origin.payment_method).of_kind(item.kind)
        if fault.webhooks is WebhookPlan.FIRST:
            fault = replace(fault, webhooks=WebhookPlan.NORMAL)  # There is no reply to overtake.
        await self.store.write(
            self.manners.change(effect, fault, ids=self.ids, now=now, finished_timer=timer.id)
        )

    async def _effect(self, action: TimerAction, item: ProcessorObject, now: datetime) -> Effect | None:
        match action, item:
            case _, Authorization():
                return self._hold(action, item, now)
            case TimerAction.SETTLE_CAPTURE, Capture():
                return captures.settle_capture(item, now=now)
            case TimerAction.SETTLE_REFUND, Refund():
                return captures.settle_refund(item, now=now)
            case TimerAction.FAIL_REFUND, Refund():
                capture, _ = await self.store.load(item.capture_id)
                again, _ = await self.store.load(
                    item.id
                )  # A script may have failed it: whoever did used its room.
                if isinstance(capture, Capture) and isinstance(again, Refund):
                    return captures.fail_refund(again, capture, now=now)
            case _:
                return self._claim(action, item, now)
        raise InvariantViolation("timer_action", f"{action} does not fit a {item.kind}")

    def _hold(self, action: TimerAction, item: Authorization, now: datetime) -> Effect | None:
        match action:
            case TimerAction.EXPIRE_AUTHORIZATION:
                return authorizations.expire(item, now=now)
            case TimerAction.SETTLE_AUTHORIZATION:
                return authorizations.settle(item, capture_id=None, now=now)
            case TimerAction.SETTLE_SALE:
                return authorizations.settle(item, capture_id=self.ids.new("cap_"), now=now)
        raise InvariantViolation("timer_action", f"{action} does not fit a {item.kind}")

    def _claim(self, action: TimerAction, item: ProcessorObject, now: datetime) -> Effect | None:
        match action, item:
            case TimerAction.FAIL_CAPTURE, Capture():
                return reversals.fail_capture(item, now=now)
            case TimerAction.CLAIM_CAPTURE, Capture():
                return claims.claim_capture(item, ids=self.ids, now=now)
            case TimerAction.DECIDE_DISPUTE, Dispute():
                return disputes.decide_by_itself(item, row_id=self.ids.new("row_"), now=now)
            case TimerAction.GIVE_REVERSAL_BACK, Reversal():
                return reversals.give_back(item, None, row_id=self.ids.new("row_"), now=now)
        raise InvariantViolation("timer_action", f"{action} does not fit a {item.kind}")
