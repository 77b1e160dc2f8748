"""Disputes: where one stands by the processor's word, and what its money rows make of its money."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final


class DisputeStatus(StrEnum):
    """How the processor calls it; an inquiry asks and moves nothing."""

    INQUIRY = "inquiry"
    OPENED = "opened"
    UNDER_REVIEW = "under_review"
    ACCEPTED = "accepted"
    WON = "won"
    LOST = "lost"


#: While it is open its amount is in question; refunds of the same money wait.
OPEN: Final = frozenset({DisputeStatus.OPENED, DisputeStatus.UNDER_REVIEW})
#: Given up: what was withdrawn and not reinstated is gone.
GIVEN_UP: Final = frozenset({DisputeStatus.LOST, DisputeStatus.ACCEPTED})
#: Neither asks for money: an inquiry does not yet, a dispute that was won does no more.
CLAIMS_NOTHING: Final = frozenset({DisputeStatus.INQUIRY, DisputeStatus.WON})


@dataclass(slots=True, kw_only=True)
class Dispute:
    """One dispute of one capture, changed only through its payment.

    Its money is a function of its rows and its status, never of the order in which they became known: in the
    books ``disputed`` holds withdrawn - reinstated - written off.
    """

    dispute_id: str
    processor: str
    account: str
    object_id: str
    capture_id: str | None
    status: DisputeStatus
    amount_minor: int
    currency: str
    created_at: datetime
    updated_at: datetime
    #: Set where the capture is a stray: suspense bears it, never the merchant.
    stray_id: str | None = None
    reason: str | None = None
    evidence_due_by: datetime | None = None
    withdrawn_minor: int = 0
    reinstated_minor: int = 0
    #: Of a lost dispute what is gone for good; taken back in part by what is reinstated after the loss.
    written_off_minor: int = 0
    #: What the merchant pays for it, charged with the first money row that took money.
    fee_minor: int = 0
    #: The last thing that was announced of it: ``inquiry``, ``dispute`` or how it was closed.
    announced: str | None = None
    #: Only known from a money row that came before the dispute itself.
    implied: bool = False
    stored: bool = False
    dirty: bool = True

    @property
    def outstanding_minor(self) -> int:
        """What was taken and did not come back."""
        return max(self.withdrawn_minor - self.reinstated_minor, 0)

    @property
    def open_minor(self) -> int:
        """What of it is in question now."""
        return self.amount_minor if self.status in OPEN else 0

    @property
    def untaken_minor(self) -> int:
        """What was given up and of which no money row has told: the row may come late, and take all of it."""
        return self.amount_minor if self.status in GIVEN_UP and not self.withdrawn_minor else 0

    @property
    def taken_back_minor(self) -> int:
        """What it leaves no room for: the larger of what is in question and what was taken, and what is lost.

        Its money may go before its word says so: an inquiry becomes a dispute, a decided one is opened again. And its
        word may come before its money goes: lost, it is in question until the row is told.
        """
        in_question_minor = self.open_minor + self.untaken_minor
        held_minor = self.outstanding_minor - self.written_off_minor
        return max(in_question_minor, held_minor) + self.written_off_minor

    @property
    def claims(self) -> bool:
        """Whether somebody claims the money by it; so does one of which only a money row is known, until it tells."""
        return self.implied or self.status not in CLAIMS_NOTHING

    @property
    def written_off_due_minor(self) -> int:
        """What must stand as written off."""
        return self.outstanding_minor if self.status in GIVEN_UP else 0

    @property
    def charged_to(self) -> str:
        """Who bears it."""
        return "merchant" if self.stray_id is None else "suspense"

    def reinstate(self, amount_minor: int) -> int:
        """Take back what came back; tell how much of it was still held and not yet written off."""
        self.reinstated_minor += amount_minor
        after_loss_minor = max(self.written_off_minor - self.outstanding_minor, 0)
        self.written_off_minor -= after_loss_minor
        return amount_minor - after_loss_minor
