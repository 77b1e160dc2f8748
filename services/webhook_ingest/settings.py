"""The settings of webhook ingest: WEBHOOK_INGEST_* variables, checked at start, secrets masked in print."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from shared.runtime.settings import ServiceSettings

SECRET_CHARS_MIN: Final = 16


class WebhookIngestSettings(ServiceSettings):
    """What this service needs beyond every service's settings."""

    model_config = SettingsConfigDict(
        env_prefix="WEBHOOK_INGEST_", frozen=True, extra="ignore", case_sensitive=False, validate_default=True
    )

    alpha_webhook_secrets: SecretStr = Field(
        description="alpha's signing secrets, comma-separated, each with an optional end: secret@2026-12-31T00:00:00Z"
    )
    alpha_account: str = Field("acct_alpha", pattern=r"^[!-~]{1,64}$", description="our account at alpha")
    beta_webhook_secrets: SecretStr = Field(
        SecretStr(""),
        description="beta's sealing secrets, spelled like alpha's; without any, beta is not taken",
    )
    beta_account: str = Field("acct_beta", pattern=r"^[!-~]{1,64}$", description="our merchant code at beta")
    refused_kept_per_minute: int = Field(
        60, ge=1, le=10_000, description="refused deliveries stored per minute"
    )

    @field_validator("alpha_webhook_secrets")
    @classmethod
    def _readable(cls, value: SecretStr) -> SecretStr:
        secrets_of(value.get_secret_value())
        return value

    @field_validator("beta_webhook_secrets")
    @classmethod
    def _readable_if_any(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            secrets_of(value.get_secret_value())
        return value


def secrets_of(text: str) -> tuple[tuple[bytes, datetime | None], ...]:
    """Return each secret that a setting spells and its end; the text is never part of an error."""
    secrets = []
    for part in text.split(","):
        key, _, end = part.strip().partition("@")
        if len(key) < SECRET_CHARS_MIN:
            raise ValueError(f"every secret needs at least {SECRET_CHARS_MIN} characters")
        try:
            expires_at = datetime.fromisoformat(end) if end else None
        except ValueError:
            raise ValueError("an end is no RFC 3339 time") from None
        if expires_at is not None and expires_at.tzinfo is None:
            raise ValueError("an end needs a zone, such as Z")
        secrets.append((key.encode(), expires_at))
    return tuple(secrets)
