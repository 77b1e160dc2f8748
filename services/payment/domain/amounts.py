"""The amounts of a payment: facts in minor units of its one currency, and the room they leave."""

from dataclasses import dataclass


@dataclass(slots=True)
class Amounts:
    """What is authorized, taken, given back and in question; never negative."""

    authorized_minor: int = 0
    capturable_minor: int = 0
    captured_minor: int = 0
    #: Ours and adopted together; what the merchant is shown.
    refunded_minor: int = 0
    #: The part of ``refunded_minor`` that somebody else asked the processor for.
    refunded_adopted_minor: int = 0
    #: Refunds asked for and not yet decided; their room is taken.
    refund_reserved_minor: int = 0
    disputed_open_minor: int = 0
    reversed_minor: int = 0
    settled_minor: int = 0
    stray_minor: int = 0

    def refund_room_minor(self) -> int:
        """How much may still be refunded; negative when facts (an adopted refund, a dispute) took more."""
        return (
            self.captured_minor
            - self.refunded_minor
            - self.refund_reserved_minor
            - self.disputed_open_minor
            - self.reversed_minor
        )
