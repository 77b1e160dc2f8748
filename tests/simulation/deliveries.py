"""Webhooks as they came to our face, counted outside, and what ``webhook_ingest`` says of them."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

Rows = Callable[..., list[tuple[Any, ...]]]
_SEEN = "SELECT processor, processor_event_id, body_sha256, times_seen FROM delivery_claims ORDER BY 1, 2"


class Deliveries:
    """Those of one world."""

    def __init__(self) -> None:
        self._came: Counter[bytes] = Counter()
        self.unforeseen: list[str] = []
        """Who was answered 500 though nothing was wrong with what it brought."""

    def begins(self, body: bytes) -> bytes:
        """One is on its way; returns its digest."""
        digest = hashlib.sha256(body).digest()
        self._came[digest] += 1
        return digest

    def never_came(self, digest: bytes) -> None:
        """It did not reach us."""
        self._came[digest] -= 1

    def answered(self, processor: str, digest: bytes, status: int, *, at_fault: bool) -> None:
        """What it was told; ``at_fault`` is one that the database refuses."""
        if status == 500 and not at_fault:
            self.unforeseen.append(f"a webhook of {processor} ({digest.hex()[:12]})")

    def seen_too_often(self, rows: Rows) -> Iterator[str]:
        """Those that were counted more often than they came: what was done was done once more."""
        for processor, event_id, digest, seen in rows("webhook_ingest", _SEEN):
            if seen > self._came[bytes(digest)]:
                yield f"{event_id} of {processor} came {self._came[bytes(digest)]} times, and was seen {seen} times"
