"""What a payment announces of its settlement."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureSettled:
    """The lines of closed payouts sum to the capture; ``amount_settled_minor`` is the payment's, after this."""

    processor: str
    account: str
    object_id: str
    fact_key: str
    amount_minor: int
    currency: str
    fee_minor: int
    amount_settled_minor: int
    available_on: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureUnsettled:
    """It was settled and is not any more: ``settled_fact_key`` names what is taken back."""

    processor: str
    account: str
    object_id: str
    fact_key: str
    settled_fact_key: str
    amount_minor: int
    currency: str
    fee_minor: int
    amount_settled_minor: int
