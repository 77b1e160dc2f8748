"""The risk service's settings: read from RISK_* variables, checked at start, printable with secrets masked."""

from __future__ import annotations

from pydantic_settings import SettingsConfigDict

from shared.runtime.settings import ServiceSettings


class RiskSettings(ServiceSettings):
    """Nothing beyond every service's settings: what it decides by is data, not configuration."""

    model_config = SettingsConfigDict(env_prefix="RISK_")
