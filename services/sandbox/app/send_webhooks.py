"""Owns the sending of webhooks from the durable queue: claim a batch, post it concurrently, record, retry."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from services.sandbox.app.ports import DueWebhook, WebhookQueue, WebhookTransport
from shared.kernel.clock import Clock
from shared.kernel.crash_points import crash_point

BATCH: Final = 200
LEASE: Final = timedelta(seconds=60)
BACKOFF_FIRST_S: Final = 0.5
BACKOFF_LIMIT_S: Final = 60.0
ATTEMPTS_LIMIT: Final = 30  # About 25 minutes; then the event is found in the feed only.


def backoff(attempts: int) -> timedelta:
    """Return how long to wait after the given number of failed attempts."""
    return timedelta(seconds=min(BACKOFF_LIMIT_S, BACKOFF_FIRST_S * 2 ** min(attempts, 16)))


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSender:
    """Sends what is due. A delivery is marked after its 2xx, so a crash can only send it again."""

    queue: WebhookQueue
    transport: WebhookTransport
    clock: Clock
    wake: Callable[[], None]
    lease: timedelta = LEASE
    """Longer than any batch can take, so nobody else sends it meanwhile."""

    async def send_due(self) -> int:
        """Send one batch of what is due; returns how many were tried."""
        now = self.clock.now()
        due = await self.queue.claim_due(now, now + self.lease, BATCH)
        await self._send(due)
        return len(due)

    async def send_events(self, event_ids: Sequence[str]) -> None:
        """Send the deliveries of these events at once: the webhook that overtakes the reply."""
        await self._send(await self.queue.claim_events(event_ids, self.clock.now() + self.lease))

    async def _send(self, due: Sequence[DueWebhook]) -> None:
        if not due:
            return
        crash_point("external_call.before_send")
        accepted = await asyncio.gather(*(self._post(webhook) for webhook in due))
        crash_point("external_call.after_send")
        now = self.clock.now()
        failed = [webhook for webhook, ok in zip(due, accepted, strict=True) if not ok]
        tries_left = {
            # Strangers do not try again.
            webhook.id: webhook.imitation is None and webhook.attempts + 1 < ATTEMPTS_LIMIT
            for webhook in failed
        }
        await self.queue.record(
            sent=[webhook.id for webhook, ok in zip(due, accepted, strict=True) if ok],
            retry=[
                (webhook.id, now + backoff(webhook.attempts)) for webhook in failed if tries_left[webhook.id]
            ],
            given_up=[webhook.id for webhook in failed if not tries_left[webhook.id]],
            now=now,
        )
        crash_point("external_call.after_record")

    async def _post(self, webhook: DueWebhook) -> bool:
        if webhook.imitation is None:
            return await self.transport.post(webhook.body)
        return await self.transport.imitate(webhook.body, webhook.imitation)
