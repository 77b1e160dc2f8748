"""The canonical fact: what one object at one processor is, in words that every source shares."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

MAX_AMOUNT_MINOR: Final = 2**53 - 1
"""Largest integer that every JSON reader keeps exactly."""

MAX_TEXT_CHARS: Final = 255
"""Longest id, status or code that we take from outside; longer ones are not real."""

STATUSES: Final[Mapping[str, frozenset[str]]] = {
    "authorization": frozenset({"pending", "authorized", "declined", "voided", "expired"}),
    "capture": frozenset({"pending", "succeeded", "declined", "failed"}),
    "refund": frozenset({"pending", "succeeded", "declined", "failed"}),
    "dispute": frozenset({"inquiry", "opened", "under_review", "accepted", "won", "lost"}),
    "reversal": frozenset({"succeeded", "given_back"}),
}
"""The statuses that each object type may have; a pair that is not listed is not a fact."""

ROW_STATUSES: Final[Mapping[str, frozenset[str]]] = {
    "dispute": frozenset({"opened", "reinstated"}),
    "reversal": frozenset({"succeeded", "given_back"}),
}
"""What a row may say that moved money of a dispute or reversal: it was taken, or it came back."""


class Unrecognised(Exception):  # noqa: N818 - names what the object is to us
    """An object that we cannot read as a fact; carries a stable reason and never the object itself."""

    def __init__(self, reason: str) -> None:
        """Keep the reason, a stable code."""
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One object's own state at a processor; amounts are the object's own total, never a delta."""

    processor: str
    account: str
    object_type: str
    object_id: str
    status: str
    object_version: int | None
    reference: str | None
    payment_id: str | None
    parent_type: str | None
    parent_id: str | None
    amount_minor: int
    currency: str
    decline_code: str | None
    capture_before: datetime | None
    occurred_at: datetime
    money_row_id: str | None = None
    dispute_reason: str | None = None
    evidence_due_by: datetime | None = None
    fact_key: str = field(init=False)
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        """Derive the key and the digest, so that no caller can give a fact someone else's."""
        known = STATUSES if self.money_row_id is None else ROW_STATUSES
        if self.status not in known.get(self.object_type, frozenset()):
            raise Unrecognised("status_unknown")
        # Where an object has no versions its amount tells two states with the same status apart.
        version = self.amount_minor if self.object_version is None else self.object_version
        key = f"{self.processor}:{self.account}:{self.object_id}:{self.status}:{version}"
        if self.money_row_id is not None:
            # A row is told once and never changes: its own id names it.
            key = f"{self.processor}:{self.account}:{self.money_row_id}"
        object.__setattr__(self, "fact_key", key)
        content = {k: v for k, v in asdict_without_derived(self).items() if v is not None}
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        object.__setattr__(self, "digest", hashlib.sha256(canonical.encode()).hexdigest())


def asdict_without_derived(fact: Fact) -> dict[str, str | int | None]:
    """Return the fact's own fields with times as text: what the digest covers."""
    return {
        name: rfc3339(value) if isinstance(value, datetime) else value
        for name in Fact.__dataclass_fields__
        if name not in ("fact_key", "digest")
        for value in (getattr(fact, name),)
    }


def rfc3339(moment: datetime) -> str:
    """Return the moment as UTC text with microseconds: one text for one instant."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
