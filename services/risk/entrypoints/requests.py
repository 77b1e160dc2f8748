"""The bodies that the operator API takes, and the one form of a rule set, wherever it comes from."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from services.risk.domain.limits import BLOCKED_MAX, COUNT_MAX, NAME_PATTERN, RULES_MAX, WINDOW_MAX
from shared.runtime.models import CURRENCY, PRINTABLE, ApiModel

AMOUNT_MINOR_MAX: Final = 9_007_199_254_740_991
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Amount = Annotated[int, Field(ge=0, le=AMOUNT_MINOR_MAX, description="In minor units of the currency.")]
Currency = Annotated[str, StringConstraints(max_length=16), CURRENCY]
Merchant = Annotated[str, StringConstraints(pattern=r"^mer_[0-9a-z]{26}$")]
Token = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][!-~]{0,254}$")]
ExternalId = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,255}$")]
Why = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=512), PRINTABLE]
Operation = Literal["authorize", "sale", "capture"]
Hit = Literal["review", "block"]


class LimitBody(ApiModel):
    """A single amount above ``max_minor`` is hit."""

    name: Name
    max_minor: Amount
    currency: Currency
    decision: Hit
    operations: Annotated[list[Operation], Field(max_length=3)] | None = None
    merchants: Annotated[list[Merchant], Field(max_length=BLOCKED_MAX)] | None = None


class VelocityBody(ApiModel):
    """More than ``max_count`` attempts, or more than ``max_minor``, of one subject within ``window_s``."""

    name: Name
    subject: Literal["customer", "payment_method", "merchant"]
    window_s: Annotated[int, Field(ge=1, le=int(WINDOW_MAX.total_seconds()))]
    decision: Hit
    max_count: Annotated[int, Field(ge=0, le=COUNT_MAX)] | None = None
    max_minor: Amount | None = None
    currency: Currency | None = None
    operations: Annotated[list[Literal["authorize", "sale"]], Field(max_length=2)] | None = None
    merchants: Annotated[list[Merchant], Field(max_length=BLOCKED_MAX)] | None = None

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        if (self.max_count is None) == (self.max_minor is None):
            raise ValueError("give max_count or max_minor, one of them")
        if self.max_minor is not None and self.currency is None:
            raise ValueError("max_minor needs a currency: amounts of several cannot be added")
        return self


class BlockedCustomer(ApiModel):
    """A customer is a merchant's own."""

    merchant: Merchant
    customer: ExternalId


class BlockedBody(ApiModel):
    """Nothing is allowed to these."""

    customers: Annotated[list[BlockedCustomer], Field(max_length=BLOCKED_MAX)] = Field(default_factory=list)
    payment_methods: Annotated[list[Token], Field(max_length=BLOCKED_MAX)] = Field(default_factory=list)
    merchants: Annotated[list[Merchant], Field(max_length=BLOCKED_MAX)] = Field(default_factory=list)


class RulesBody(ApiModel):
    """A whole rule set: what is not in it does not hold."""

    limits: Annotated[list[LimitBody], Field(max_length=RULES_MAX)] = Field(default_factory=list)
    velocity: Annotated[list[VelocityBody], Field(max_length=RULES_MAX)] = Field(default_factory=list)
    blocked: BlockedBody = Field(default_factory=BlockedBody)

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [rule.name for rule in self.limits] + [rule.name for rule in self.velocity]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two rules are called {twice[0]}")
        return self

    def document(self) -> dict[str, Any]:
        """What is stored."""
        return self.model_dump(mode="json", exclude_none=True)


class ProposeBody(ApiModel):
    """POST /rule-sets."""

    rules: RulesBody
    reason: Why


class ReasonBody(ApiModel):
    """POST /rule-sets/{version}/approve and /reject."""

    reason: Why


class TryBody(ApiModel):
    """POST /rule-sets/{version}/try: a payment as it might come."""

    merchant: Merchant
    amount: Annotated[int, Field(ge=1, le=AMOUNT_MINOR_MAX)]
    currency: Currency
    operation: Operation = "sale"
    customer: ExternalId | None = None
    payment_method: Token | None = None
