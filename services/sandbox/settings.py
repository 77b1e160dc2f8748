"""Settings of the sandbox; every variable begins with ``SANDBOX_``."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode, SettingsConfigDict

from shared.runtime.settings import PostgresUrl, ProcessSettings


def _secret(value: SecretStr) -> SecretStr:
    if not value.get_secret_value():
        raise ValueError("must not be empty")
    return value


Secret = Annotated[SecretStr, AfterValidator(_secret)]


def _pairs(value: object) -> object:
    """Read ``USD:EUR,GBP:EUR``; what is no text is left to the field's own check."""
    if not isinstance(value, str):
        return value
    pairs = [pair.partition(":") for pair in value.split(",") if pair.strip()]
    return {currency.strip(): net.strip() for currency, _, net in pairs}


SettlesIn = Annotated[dict[str, str], NoDecode, BeforeValidator(_pairs)]


class SandboxSettings(ProcessSettings):
    """The sandbox reads no topic and writes none, so it knows no broker."""

    model_config = SettingsConfigDict(env_prefix="SANDBOX_")

    database_url: PostgresUrl = Field(description="PostgreSQL URL of the application role")
    owner_database_url: PostgresUrl | None = Field(
        None, description="PostgreSQL URL of the owner role; only migrations use it"
    )
    reader_database_url: PostgresUrl | None = Field(None, description="PostgreSQL URL of the reader role")
    database_pool_size: int = Field(8, ge=1, le=100, description="connections per event loop")

    alpha_account: str = Field("acct_alpha", description="the account that callers have at the processor")
    alpha_api_key: Secret = Field(description="the key that callers show as a bearer token")
    alpha_webhook_url: str | None = Field(
        None, pattern=r"^(https?://.+)?$", description="where webhooks go; empty sends none"
    )
    alpha_webhook_secret: SecretStr = Field(
        SecretStr(""), description="the secret that webhooks are signed with"
    )
    alpha_latency_ms: int = Field(0, ge=0, description="milliseconds added to every request")
    alpha_hang_s: float = Field(
        8.0, gt=0, description="seconds that a timing-out request hangs before it is cut off"
    )
    alpha_webhook_late_ms: int = Field(3_000, ge=0, description="milliseconds that a late webhook is late")
    alpha_webhook_lease_s: float = Field(
        60.0, gt=0, description="seconds after which a webhook whose sender fell silent is sent again"
    )
    alpha_settling_ms: int = Field(
        2_000, ge=0, description="milliseconds until pending captures and refunds are decided"
    )
    alpha_key_life_s: int = Field(86_400, gt=0, description="seconds that alpha remembers an idempotency key")
    alpha_visibility_ms: int = Field(
        0, ge=0, description="milliseconds until a new object shows up in the look-up"
    )

    alpha_settles_in: SettlesIn = Field(
        default_factory=dict, description="currencies that alpha pays out in another, such as USD:EUR,GBP:EUR"
    )
    alpha_reserve_basis_points: int = Field(
        0, ge=0, le=10_000, description="what alpha keeps back of a payout's charges, in ten-thousandths"
    )

    beta_account: str = Field("acct_beta", description="the merchant code that callers have at beta")
    beta_api_key: SecretStr = Field(
        SecretStr(""), description="the key that callers show beta; without one there is no beta"
    )
    beta_webhook_url: str | None = Field(
        None, pattern=r"^(https?://.+)?$", description="where beta's notices go; empty sends none"
    )
    beta_webhook_secret: SecretStr = Field(
        SecretStr(""), description="the secret that beta's notices are sealed with"
    )
    beta_latency_ms: int = Field(0, ge=0, description="milliseconds added to every request at beta")
    beta_hang_s: float = Field(
        8.0, gt=0, description="seconds that a timing-out request hangs at beta before it is cut off"
    )
    beta_webhook_late_ms: int = Field(3_000, ge=0, description="milliseconds that a late notice is late")
    beta_settling_ms: int = Field(
        2_000, ge=0, description="milliseconds until beta's waiting charges and credits are decided"
    )
    beta_list_delay_ms: int = Field(
        2_000, ge=0, description="milliseconds until a change shows up in beta's list"
    )
    beta_settles_in: SettlesIn = Field(
        default_factory=dict, description="currencies that beta pays out in another, such as USD:EUR,GBP:EUR"
    )
    beta_reserve_basis_points: int = Field(
        0, ge=0, le=10_000, description="what beta keeps back of a payout's charges, in ten-thousandths"
    )

    payout_fates_rate: int = Field(
        0,
        ge=0,
        le=100,
        description="of how many payouts in a hundred something comes other than usual, by lot",
    )
    payout_fates_seed: str = Field("1", min_length=1, max_length=32, description="the seed of those lots")
