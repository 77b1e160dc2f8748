"""The payment service's settings: read from PAYMENT_* variables, checked at start, printable with secrets masked."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from shared.runtime.settings import ServiceSettings


class PaymentSettings(ServiceSettings):
    """What the payment service needs beyond every service's settings."""

    model_config = SettingsConfigDict(
        env_prefix="PAYMENT_", frozen=True, extra="ignore", case_sensitive=False
    )

    api_key_pepper: SecretStr = Field(
        description="Mixed into the digests of API keys, so that a copy is useless"
    )
    merchant_token_private_key: SecretStr | None = Field(
        None, description="PEM of the Ed25519 key that signs merchants' 15-minute read tokens"
    )
    key_lease_margin_s: float = Field(
        30.0, gt=0, le=600, description="Seconds beyond its wait after which a request's owner counts as dead"
    )
    stray_policy: Literal["review", "automatic"] = Field(
        "review", description="Whether strays wait for an operator, or are returned and voided by themselves"
    )
    stray_return_after_s: float = Field(
        60.0, ge=0, description="Seconds that a stray lies before the automatic policy gives it back"
    )
    risk_mode: Literal["off", "required"] = Field(
        "required", description="Whether payments wait for the risk service: off or required"
    )
    risk_deadline_ms: int = Field(
        300, ge=1, le=600_000, description="Milliseconds that an operation waits for a risk decision"
    )
    risk_recheck_after_s: float = Field(
        86_400.0, gt=0, description="Seconds after which a capture is judged by risk again"
    )
    risk_small_minor: str = Field(
        "authorize=10000,sale=10000,capture=10000",
        pattern=r"^((authorize|sale|capture)(:[A-Z]{3})?=[0-9]{1,15}(,|$))*$",
        description=(
            "operation=amount or operation:CURRENCY=amount, several with commas: up to so many minor units an operation"
            " goes through where no risk decision came in time; more goes before an operator"
        ),
    )
    processor: Literal["alpha", "beta"] = Field(
        "alpha", description="The processor that payments without a routing rule go to"
    )
    alpha_account: str = Field("acct_alpha", description="Our account at the processor alpha")
    beta_account: str = Field("", description="Our merchant code at the processor beta; empty: no beta here")

    @model_validator(mode="after")
    def _default_is_configured(self) -> Self:
        if self.processor == "beta" and not self.beta_account:
            raise ValueError("processor is beta, but beta_account is empty")
        return self
