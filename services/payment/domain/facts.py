"""Canonical facts about processors' objects, and which of two facts about one object is the newer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final


class ObjectType(StrEnum):
    """What kind of object a processor speaks of."""

    AUTHORIZATION = "authorization"
    CAPTURE = "capture"
    REFUND = "refund"
    DISPUTE = "dispute"
    REVERSAL = "reversal"
    #: A row that moved a dispute's or a reversal's money; kept as an object, never told as a fact's type.
    MONEY_ROW = "money_row"


#: Later in life ranks higher; decides only between facts of the same version and time.
STATUS_RANK: Final[Mapping[str, int]] = {
    "pending": 0,
    "authorized": 1,
    "succeeded": 1,
    "declined": 2,
    "failed": 2,
    "voided": 3,
    "expired": 3,
    "inquiry": 0,
    "opened": 1,
    "under_review": 2,
    "won": 3,
    "lost": 3,
    "accepted": 4,
    "given_back": 2,
}
#: What an object of each type may say of itself; any other word decides nothing. A capture that never took its money
#: is declined; one that failed had succeeded before.
STATUSES: Final[Mapping[ObjectType, frozenset[str]]] = {
    ObjectType.AUTHORIZATION: frozenset({"pending", "authorized", "declined", "voided", "expired"}),
    ObjectType.CAPTURE: frozenset({"pending", "succeeded", "declined", "failed"}),
    ObjectType.REFUND: frozenset({"pending", "succeeded", "declined", "failed"}),
    ObjectType.DISPUTE: frozenset({"inquiry", "opened", "under_review", "accepted", "won", "lost"}),
    ObjectType.REVERSAL: frozenset({"succeeded", "given_back"}),
}
#: What a money row of each type may say: the money was taken, or it came back.
ROW_STATUSES: Final[Mapping[ObjectType, frozenset[str]]] = {
    ObjectType.DISPUTE: frozenset({"opened", "reinstated"}),
    ObjectType.REVERSAL: frozenset({"succeeded", "given_back"}),
}
TAKEN: Final = frozenset({"opened", "succeeded"})
#: Below every real fact: an object whose existence another fact implied.
IMPLIED_VERSION: Final = -1
#: Ends the key of a fact that nobody told.
IMPLIED: Final = ":implied"
ObjectKey = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What a processor says about one of its objects; amounts are the object's own total, never a delta."""

    processor: str
    account: str
    object_type: ObjectType
    object_id: str
    status: str
    amount_minor: int
    currency: str
    occurred_at: datetime
    digest: str
    fact_key: str
    object_version: int | None = None
    reference: str | None = None
    payment_id: str | None = None
    parent_type: str | None = None
    parent_id: str | None = None
    money_row_id: str | None = None
    decline_code: str | None = None
    capture_before: datetime | None = None
    dispute_reason: str | None = None
    evidence_due_by: datetime | None = None

    @property
    def row_key(self) -> ObjectKey | None:
        """The row that moved the money, where the fact is about one."""
        return None if self.money_row_id is None else (self.processor, self.account, self.money_row_id)

    @property
    def key(self) -> ObjectKey:
        """The object that the fact names."""
        return (self.processor, self.account, self.object_id)

    @property
    def rank(self) -> tuple[int, datetime, int]:
        """Order among facts of one object: version, then time, then status; never arrival."""
        return (self.object_version or 0, self.occurred_at, STATUS_RANK.get(self.status, 0))

    @property
    def words(self) -> str:
        """What it says of its object, the same from whoever says it."""
        return f"{self.status} {self.amount_minor} {self.currency}"


class Role(StrEnum):
    """What an object is to the payment."""

    SEEN = "seen"
    COUNTED = "counted"
    ADOPTED = "adopted"
    STRAY = "stray"


@dataclass(slots=True, kw_only=True)
class ProcessorObject:
    """The newest that is known of one object at a processor, and what it counts for."""

    processor: str
    account: str
    object_id: str
    object_type: ObjectType
    status: str
    version: int
    occurred_at: datetime
    amount_minor: int
    currency: str
    fact_key: str
    digest: str
    role: Role = Role.SEEN
    operation_id: str | None = None
    refund_id: str | None = None
    stray_id: str | None = None
    parent_id: str | None = None
    #: What of it stands in the payment's amounts; 0 while it does not count.
    counted_minor: int = 0
    implied: bool = False
    #: Of a capture: whether lines cover it now, how often they came to, and when they last said it is available.
    settled: bool = False
    times_settled: int = 0
    settled_available_on: datetime | None = None
    stored: bool = False
    dirty: bool = True

    @property
    def key(self) -> ObjectKey:
        """Its name in the world."""
        return (self.processor, self.account, self.object_id)

    @property
    def rank(self) -> tuple[int, datetime, int]:
        """Comparable with :attr:`Fact.rank`."""
        return (self.version, self.occurred_at, STATUS_RANK.get(self.status, 0))

    def absorb(self, fact: Fact) -> None:
        """Take over a newer fact's words; what the object counts for is decided elsewhere."""
        self.status = fact.status
        self.version = fact.object_version or 0
        self.occurred_at = fact.occurred_at
        self.amount_minor = fact.amount_minor
        self.currency = fact.currency
        self.fact_key = fact.fact_key
        self.digest = fact.digest
        self.parent_id = fact.parent_id or self.parent_id
        self.implied = fact.fact_key.endswith(IMPLIED)
        self.dirty = True


def object_of(fact: Fact) -> ProcessorObject:
    """A new object as its first fact describes it."""
    return ProcessorObject(
        processor=fact.processor,
        account=fact.account,
        object_id=fact.object_id,
        object_type=fact.object_type,
        status=fact.status,
        version=fact.object_version or 0,
        occurred_at=fact.occurred_at,
        amount_minor=fact.amount_minor,
        currency=fact.currency,
        fact_key=fact.fact_key,
        digest=fact.digest,
        parent_id=fact.parent_id,
    )


def row_of(fact: Fact) -> ProcessorObject:
    """The money row of which a fact speaks, kept as an object of its own: it is told once."""
    return ProcessorObject(
        processor=fact.processor,
        account=fact.account,
        object_id=fact.money_row_id or fact.object_id,
        object_type=ObjectType.MONEY_ROW,
        status=fact.status,
        version=fact.object_version or 0,
        occurred_at=fact.occurred_at,
        amount_minor=fact.amount_minor,
        currency=fact.currency,
        fact_key=fact.fact_key,
        digest=fact.digest,
        parent_id=fact.object_id,
    )
