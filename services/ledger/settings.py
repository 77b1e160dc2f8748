"""The ledger's settings: read from LEDGER_* variables, checked at start, printable with secrets masked."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from shared.runtime.settings import ServiceSettings


class LedgerSettings(ServiceSettings):
    """What the ledger needs beyond every service's settings."""

    model_config = SettingsConfigDict(env_prefix="LEDGER_")

    merchant_token_public_key: str | None = Field(
        None, description="PEM of the Ed25519 key that merchants' 15-minute read tokens are verified with"
    )
    balance_check_interval_s: float = Field(
        60.0, gt=0, description="seconds between two sums of the whole books"
    )
    seal_interval_s: float = Field(
        0.25, gt=0, description="seconds between two looks for journals that are not sealed yet"
    )
    clearing_interval_s: float = Field(
        5.0, gt=0, description="seconds between two looks for clearing keys that came back to zero"
    )
    seal_private_key: SecretStr | None = Field(
        None,
        description="PEM of the Ed25519 key that heads of the chain are signed with; without it none are",
    )
    seal_head_interval_s: float = Field(
        5.0,
        gt=0,
        description="least seconds between two signed heads; none is signed while nothing is sealed",
    )
    seal_head_every_seals: int = Field(
        1_000,
        ge=1,
        description="so many unsigned seals are a reason to sign before that; bounds the links of a proof",
    )
    snapshot_interval_s: float = Field(
        1.0,
        gt=0,
        description="seconds between two looks whether enough is sealed for new snapshots of accounts",
    )
    snapshot_every_seals: int = Field(
        1_000,
        ge=1,
        description="how many seals are folded at once; a read looks at no more than these one by one",
    )
    snapshot_entries_min: int = Field(
        100,
        ge=1,
        description="an account gets its next snapshot once so many entries stand behind its last one",
    )
    partitions_interval_s: float = Field(
        30.0,
        gt=0,
        description="seconds between two looks whether the partitions of entries are far enough ahead",
    )
    consumers: int = Field(
        1,
        ge=1,
        le=6,
        description="members of the consumer group in this process; a second books while the first waits",
    )
