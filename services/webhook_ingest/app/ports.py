"""What the use cases need from outside: where deliveries are kept and announced, and sources to read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from services.webhook_ingest.domain.fact import Fact
from services.webhook_ingest.domain.reading import ALPHA_NAMES, Names, Reading
from services.webhook_ingest.domain.signature import Secret, verify
from shared.kernel.ids import Ids


class Verdict(StrEnum):
    """What became of a delivery."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    UNRECOGNISED = "unrecognised"
    QUARANTINED = "quarantined"
    """Authentic, but its event id came before with other bytes."""
    REFUSED = "refused"


Verify = Callable[..., Secret]
"""``(header, body, secrets, *, now)``: the secret that signed the body, or ``Refused``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One processor at one account: whose deliveries come under its name, and how they are proved and read."""

    processor: str
    account: str
    signature_header: str
    secrets: Sequence[Secret]
    read_event: Callable[..., Fact]
    verify: Verify = verify
    names: Names = ALPHA_NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One authentic delivery, about to be kept."""

    source: Source
    body: bytes
    body_sha256: bytes
    signature: str
    secret_fingerprint: str
    reading: Reading


@dataclass(frozen=True, slots=True)
class Claim:
    """What the event id was before this delivery."""

    is_first: bool
    """Nobody had delivered this event id."""
    same_bytes: bool
    is_new_conflict: bool
    """The id is known with other bytes, and these bytes are seen for the first time."""


class Deliveries(Protocol):
    """The deliveries of one transaction."""

    def claim(self, delivery: Delivery) -> Callable[[], Claim]:
        """Claim the event id for these bytes, or count one more time that it came; to be read once it was sent."""
        ...

    def keep(self, delivery: Delivery, delivery_id: str, verdict: Verdict) -> None:
        """Store the bytes and the verdict, for ever and for as long as bodies are kept."""
        ...

    def refuse(self, source: str, body: bytes, reason: str) -> None:
        """Store what a refused delivery looked like: its digest and its first bytes."""
        ...


class Announcements(Protocol):
    """Publishes deliveries, in the same transaction."""

    def fact_received(self, delivery: Delivery, delivery_id: str) -> None: ...

    def unrecognised(self, delivery: Delivery, delivery_id: str) -> None: ...


class IngestUnitOfWork(Protocol):
    """One transaction of this service."""

    @property
    def now(self) -> datetime: ...

    @property
    def ids(self) -> Ids: ...

    @property
    def deliveries(self) -> Deliveries: ...

    @property
    def announcements(self) -> Announcements: ...
