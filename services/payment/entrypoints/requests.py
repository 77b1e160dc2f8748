"""The bodies that the merchant API takes: closed, strict, and refused with the field's name."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from services.payment.domain.requests import AMOUNT_MINOR_MAX
from services.payment.domain.status import CaptureMethod
from shared.runtime.http import ApiModel
from shared.runtime.models import CURRENCY, PRINTABLE
from shared.runtime.operator_http import Reason

METADATA_ENTRIES_MAX: Final = 50
ATTEMPTS_MAX: Final = 20
MERCHANT_ID: Final = r"^mer_[0-9a-z]{26}$"
PAYMENT_ID: Final = r"^pay_[0-9a-z]{26}$"
REFUND_ID: Final = r"^re_[0-9a-z]{26}$"
DISPUTE_ID: Final = r"^dp_[0-9a-z]{26}$"
DOCUMENTS_MAX: Final = 20
OPERATION_ID: Final = r"^op_[0-9a-z]{26}$"
STRAY_ID: Final = r"^str_[0-9a-z]{26}$"
CASE_ID: Final = r"^case_[0-9a-z]{26}$"
DECISION_ID: Final = r"^dec_[0-9a-z]{26}$"
WAITING_ID: Final = r"^evd_[0-9a-f]{32}$"

Amount = Annotated[int, Field(ge=1, le=AMOUNT_MINOR_MAX, description="Integer in the currency's minor unit.")]
Currency = Annotated[
    str,
    StringConstraints(max_length=16),
    CURRENCY,
    Field(description="ISO 4217, in either case; shown in capitals."),
]
Token = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][!-~]{0,254}$")]
ExternalId = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,255}$")]
Reference = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Text = Annotated[str, StringConstraints(max_length=1000)]
DocumentKind = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Documents = Annotated[dict[DocumentKind, ExternalId], Field(min_length=1, max_length=DOCUMENTS_MAX)]
MetadataName = Annotated[str, StringConstraints(min_length=1, max_length=40)]
MetadataText = Annotated[str, StringConstraints(max_length=500)]
Metadata = Annotated[dict[MetadataName, MetadataText], Field(max_length=METADATA_ENTRIES_MAX)]


class CreatePaymentBody(ApiModel):
    """POST /payments."""

    amount: Amount
    currency: Currency
    capture_method: Literal["automatic", "manual"]
    payment_method: Token | None = None
    customer: ExternalId | None = None
    reference: Reference | None = None
    description: Text | None = None
    metadata: Metadata = Field(default_factory=dict)
    max_attempts: Annotated[int, Field(ge=1, le=ATTEMPTS_MAX)] = 3

    @property
    def method(self) -> CaptureMethod:
        """The capture method in the domain's words."""
        return CaptureMethod(self.capture_method)


class ConfirmPaymentBody(ApiModel):
    """POST /payments/{id}/confirm."""

    payment_method: Token


class CapturePaymentBody(ApiModel):
    """POST /payments/{id}/capture: all that is left where no amount is named."""

    amount: Amount | None = None
    final: bool | None = None


class CancelPaymentBody(ApiModel):
    """POST /payments/{id}/cancel."""

    reason: Text | None = None


class RefundBody(ApiModel):
    """POST /refunds: all that is left where no amount is named."""

    payment: Annotated[str, StringConstraints(pattern=PAYMENT_ID)]
    amount: Amount | None = None
    reason: Text | None = None
    metadata: Metadata = Field(default_factory=dict)


class DisputeEvidenceBody(ApiModel):
    """POST /disputes/{id}/evidence: the processor's tokens of uploaded files, by what kind of evidence each is."""

    documents: Documents


class AcceptDisputeBody(ApiModel):
    """POST /disputes/{id}/accept."""


class ReasonBody(ApiModel):
    """POST /operator/decisions/{id}/approve and /reject."""

    reason: Reason


class SetRouteBody(ApiModel):
    """POST /operator/routes; without a merchant or currency it holds for all, without a processor it is taken back."""

    processor: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")] | None
    reason: Reason
    merchant: Annotated[str, StringConstraints(pattern=MERCHANT_ID)] | None = None
    currency: Currency | None = None


class CloseCaseBody(ApiModel):
    """POST /operator/cases/{id}/close."""

    reason: Reason


class DismissFactBody(ApiModel):
    """POST /operator/waiting-facts/{id}/dismiss."""

    reason: Reason


class DecideOperationBody(ApiModel):
    """POST /operator/operations/{id}/decision."""

    outcome: Literal["succeeded", "declined"]
    #: Where the proof is: a report of the processor, a ticket, a line of a statement.
    evidence: Reason
    #: The processor's object by which it shows; needed for a success of which none is known here.
    object_id: ExternalId | None = None
    reason: Reason


class DecideStrayBody(ApiModel):
    """POST /operator/strays/{id}/decision."""

    action: Literal["return", "void", "accept", "correct"]
    evidence: Reason | None = None
    reason: Reason


class RiskReviewBody(ApiModel):
    """POST /operator/risk-reviews/{operation_id}/approve and /refuse."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400), PRINTABLE]
