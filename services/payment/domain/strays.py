"""Strays: money or holds found at the processor that no live operation of ours accounts for."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class StrayKind(StrEnum):
    """Whether money was taken, is only held, or was given back otherwise than asked."""

    MONEY = "money"
    HOLD = "hold"
    REFUND = "refund"


@dataclass(slots=True, kw_only=True)
class Stray:
    """One object found astray; returned at most once, and never for more than it is."""

    stray_id: str
    kind: StrayKind
    processor: str
    account: str
    object_type: str
    object_id: str
    fact_key: str
    operation_id: str | None
    amount_minor: int
    currency: str
    mismatch: bool
    found_at: datetime
    returned_minor: int = 0
    reserved_minor: int = 0
    #: What disputes and reversals of it took, less what came back; negative while only the latter is known. Of a
    #: hold: what captures took.
    taken_back_minor: int = 0
    #: Nothing of it is astray any more: a hold that ended or was used up, a refund that failed, or an operator
    #: accepted it.
    released: bool = False
    #: An operator took it for the merchant's own, or corrected what had been said of it: it is counted there, and
    #: not here.
    accepted: bool = False
    #: The stray that it stands in the place of, of which a reply had lied.
    corrects: str | None = None
    stored: bool = False
    dirty: bool = True

    @property
    def open_minor(self) -> int:
        """What of it still lies astray."""
        return 0 if self.released else self.amount_minor - self.returned_minor - self.taken_back_minor

    @property
    def returnable_minor(self) -> int:
        """What of it may still be given back: ``returned + reserved`` never exceeds the stray by our doing.

        Money that came back before we heard of its taking is no room: it was the stray's all the time.
        """
        if self.released or self.kind is not StrayKind.MONEY:
            return 0
        gone_minor = self.returned_minor + self.reserved_minor + max(self.taken_back_minor, 0)
        return max(self.amount_minor - gone_minor, 0)
