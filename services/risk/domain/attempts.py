"""What is judged: one operation of a payment, with nothing in it that names a person."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final


class OperationType(StrEnum):
    """The operations that rules speak of."""

    AUTHORIZE = "authorize"
    SALE = "sale"
    CAPTURE = "capture"


#: What velocity counts: somebody tries a payment method. A capture takes what was tried before.
COUNTED: Final = frozenset({OperationType.AUTHORIZE, OperationType.SALE})


class Subject(StrEnum):
    """By what attempts are counted together."""

    CUSTOMER = "customer"
    PAYMENT_METHOD = "payment_method"
    MERCHANT = "merchant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One operation as it was asked for; ``at`` is when, by the clock of whoever took it in."""

    operation_id: str
    payment_id: str
    payment_version: int
    merchant_id: str
    operation_type: OperationType
    amount_minor: int
    currency: str
    at: datetime
    customer: str | None = None
    payment_method: str | None = None

    @property
    def counted(self) -> bool:
        """Whether velocity counts it."""
        return self.operation_type in COUNTED

    @property
    def customer_key(self) -> str | None:
        """Customers are the merchant's own: the same text at two merchants is two people."""
        return None if self.customer is None else f"{self.merchant_id}/{self.customer}"

    def key_of(self, subject: Subject) -> str | None:
        """What it is counted under; None where it has no such thing."""
        keys = {
            Subject.CUSTOMER: self.customer_key,
            Subject.PAYMENT_METHOD: self.payment_method,
            Subject.MERCHANT: self.merchant_id,
        }
        return keys[subject]
