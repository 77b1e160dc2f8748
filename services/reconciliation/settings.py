"""The reconciliation service's settings: read from RECONCILIATION_* variables, checked at start, printable."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.runtime.settings import ServiceSettings


class ReconciliationSettings(ServiceSettings):
    """What reconciliation needs beyond every service's settings."""

    model_config = SettingsConfigDict(env_prefix="RECONCILIATION_")

    file_bytes_max: int = Field(
        1_073_741_824,
        ge=1,
        description="no file may be longer; a month of a million lines is a quarter of it",
    )
    staging_interval_s: float = Field(
        1.0, gt=0, description="seconds between two looks for files that are not staged yet"
    )
    announcing_interval_s: float = Field(
        1.0, gt=0, description="seconds between two looks for lines of closed payouts that were not told yet"
    )
    watched_folder: Path | None = Field(
        None,
        description="folder with one folder per source, whose files are taken in; none is watched without it",
    )
    folder_interval_s: float = Field(
        5.0, gt=0, description="seconds between two looks into the watched folder"
    )
    matching_interval_s: float = Field(
        5.0, gt=0, description="seconds between two looks whether anything has to be matched"
    )
    telling_interval_s: float = Field(
        1.0, gt=0, description="seconds between two looks for matches that were not told yet"
    )
    days_interval_s: float = Field(
        60.0, gt=0, description="seconds between two looks whether a day is over and has to be worked out"
    )
    reporting_interval_s: float = Field(
        5.0, gt=0, description="seconds between two looks for evidence that payments were not told of yet"
    )
    consumers: int = Field(
        1,
        ge=1,
        le=6,
        description="members that read payment.events in this process; a second decodes while the first waits",
    )
    reporting_after_s: float = Field(
        10.0,
        ge=0,
        description="how long after it was told a line must match nothing certain before it is told as evidence",
    )
