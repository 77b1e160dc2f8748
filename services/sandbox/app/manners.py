"""Owns the processor's adjustable manners: its account, delays and how it announces what it does."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from services.sandbox.app.ports import Change, KeyedReply, NewEvent, NewTimer
from services.sandbox.app.rendering import event_body, event_type, garbled_event, nobodys_event
from services.sandbox.domain.faults import (
    EXTRAS,
    IMITATIONS,
    NO_DELAY,
    Fault,
    FeedPlan,
    Imitation,
    WebhookPlan,
)
from services.sandbox.domain.idempotency import KEY_LIFE
from services.sandbox.domain.objects import Effect, ProcessorObject, TimerAction
from shared.kernel.ids import Ids

FIRST_FALLBACK: Final = timedelta(seconds=10)  # Sent by the worker if the request dies before it could.
TWICE_GAP: Final = timedelta(milliseconds=200)
IMITATED_GAP: Final = timedelta(milliseconds=500)
REVERSED_GAP: Final = timedelta(milliseconds=400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """How a processor words its events."""

    event_prefix: str
    event_type: Callable[[ProcessorObject], str]
    event_body: Callable[[str, ProcessorObject, datetime], str]
    #: The event's body as a feed shows it that has gone wrong.
    garbled: Callable[[str], str]
    #: The event about an object that is nobody's.
    nobodys: Callable[[str], str]


ALPHA_VOICE: Final = Voice(
    event_prefix="aevt_",
    event_type=event_type,
    event_body=event_body,
    garbled=garbled_event,
    nobodys=nobodys_event,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """Settings of one processor, as values."""

    account: str
    sends_webhooks: bool
    latency_s: float
    hang_s: float
    late: timedelta
    settling: timedelta
    visibility: timedelta
    #: How long an idempotency key is remembered, where there are any.
    key_life: timedelta = KEY_LIFE
    #: Whether callers find what they lost in the list of changes only.
    looked_up_by_list: bool = False
    voice: Voice = ALPHA_VOICE

    def change(
        self,
        effect: Effect,
        fault: Fault,
        *,
        ids: Ids,
        now: datetime,
        keyed: KeyedReply | None = None,
        finished_timer: int | None = None,
    ) -> Change:
        """Put an effect together with its events, deliveries and timers, ready to be written."""
        events: list[NewEvent] = []
        timers = [
            NewTimer(
                action=timer.action, object_id=timer.object_id, due_at=timer.due_at or now + self.settling
            )
            for timer in effect.timers
        ]
        shown_at = self._shown_at(fault, now)
        for number, item in enumerate(effect.announced):
            event_id = ids.new(self.voice.event_prefix)
            event = NewEvent(
                id=event_id,
                type=self.voice.event_type(item),
                object_id=item.id,
                created_at=now,
                body=self.voice.event_body(event_id, item, now),
                deliveries=self._deliveries(fault, now, len(effect.announced) - 1 - number),
                in_feed=shown_at is None and fault.feed is FeedPlan.NORMAL,
                imitation=IMITATIONS.get(fault.webhooks) if self.sends_webhooks else None,
            )
            events += [event, *self._before(event, item, fault, now)]
            if fault.feed is FeedPlan.GARBLED:
                events.append(self._garbled(event))
            elif shown_at is not None:
                timers.append(NewTimer(action=TimerAction.SHOW_EVENT, object_id=event_id, due_at=shown_at))
        hidden_until = now + fault.hidden if fault.hidden else None
        return Change(
            effect=effect,
            events=tuple(events),
            timers=tuple(timers),
            keyed=keyed,
            now=now,
            finished_timer=finished_timer,
            hidden_until=hidden_until,
            before_until=hidden_until if fault.shows_before and effect.result.revision > 1 else None,
        )

    def _shown_at(self, fault: Fault, now: datetime) -> datetime | None:
        """When the feed shows what it kept back; where look-ups go by the list, it also hides what they deny."""
        if fault.feed in (FeedPlan.LOST, FeedPlan.GARBLED):
            return None
        delay = fault.feed_delay if fault.feed is FeedPlan.LATE else NO_DELAY
        if self.looked_up_by_list:
            delay = max(delay, fault.hidden)
        return now + delay if delay else None

    def _before(
        self, event: NewEvent, item: ProcessorObject, fault: Fault, now: datetime
    ) -> tuple[NewEvent, ...]:
        """What is sent before an event, or for it: its bytes without a signature, of nobody's object, unreadable."""
        name = EXTRAS.get(fault.webhooks)
        if name is None or not self.sends_webhooks:
            return ()
        extra = replace(event, id=f"{event.id}:{name}", deliveries=(now,), in_feed=False)
        if fault.webhooks is WebhookPlan.UNSIGNED:
            return (replace(extra, deliveries=(), imitation=Imitation.UNSIGNED),)
        made = self.voice.nobodys if fault.webhooks is WebhookPlan.NOBODYS else self.voice.garbled
        return (replace(extra, body=made(self.voice.event_body(extra.id, item, now))),)

    def _garbled(self, event: NewEvent) -> NewEvent:
        """What the feed shows instead: the same event in a state that no documentation knows."""
        return replace(
            event,
            id=f"{event.id}:garbled",
            body=self.voice.garbled(event.body),
            deliveries=(),
            imitation=None,
            in_feed=True,
        )

    def _deliveries(self, fault: Fault, now: datetime, behind: int) -> tuple[datetime, ...]:
        """When each copy of a webhook is due; a lost one has no copy at all. ``behind``: how many follow it."""
        if not self.sends_webhooks:
            return ()
        late = self.late if fault.webhook_delay is None else fault.webhook_delay
        plans = {
            WebhookPlan.NORMAL: (now,),
            WebhookPlan.FIRST: (now + FIRST_FALLBACK,),
            WebhookPlan.TWICE: (now, now + TWICE_GAP),
            WebhookPlan.LATE: (now + late,),
            WebhookPlan.LOST: (),
            WebhookPlan.GARBLED: (),
            WebhookPlan.FORGED: (now + IMITATED_GAP,),
            WebhookPlan.STALE: (now + IMITATED_GAP,),
            WebhookPlan.UNSIGNED: (now + IMITATED_GAP,),
            WebhookPlan.NOBODYS: (now + IMITATED_GAP,),
            WebhookPlan.REVERSED: (now + behind * REVERSED_GAP,),
        }
        apart = (
            NO_DELAY if fault.webhooks is WebhookPlan.FIRST else TWICE_GAP
        )  # All of them before the reply.
        return tuple(due + copy * apart for due in plans[fault.webhooks] for copy in range(fault.copies))
