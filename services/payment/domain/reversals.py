"""Reversals: captured money that the processor or the bank takes back without a dispute."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(slots=True, kw_only=True)
class Reversal:
    """One taking of one capture's money, whole or in part, and what was given back of it."""

    reversal_id: str
    processor: str
    account: str
    object_id: str
    capture_id: str | None
    currency: str
    #: ``processor``, or ``capture_failed`` where a capture that had succeeded failed later.
    cause: str
    created_at: datetime
    updated_at: datetime
    stray_id: str | None = None
    taken_minor: int = 0
    given_back_minor: int = 0
    stored: bool = False
    dirty: bool = True

    @property
    def outstanding_minor(self) -> int:
        """What was taken and did not come back."""
        return max(self.taken_minor - self.given_back_minor, 0)

    @property
    def charged_to(self) -> str:
        """Who bears it."""
        return "merchant" if self.stray_id is None else "suspense"
