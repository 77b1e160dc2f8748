"""Settings of one process: read once from the environment and a secrets folder, frozen, printable with
secrets masked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import Field, SecretStr, StringConstraints, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.kernel.crash_points import ALLOWED, armed_unasked
from shared.persistence.retention import KEEP_DAYS
from shared.runtime.startup import StartupRefused

MASK: Final = "********"
SECRETS_DIR_VARIABLE: Final = "SECRETS_DIR"
"""``<PREFIX>SECRETS_DIR`` names a folder with one file per secret, e.g. ``payment_database_url``."""

_PASSWORD_IN_URL: Final = re.compile(r"(?P<before>://[^:/@\s]*:)[^@\s]*(?P<after>@)")
_PASSWORD_IN_QUERY: Final = re.compile(r"(?P<before>[?&](?:ssl)?password=)[^&\s]*", re.IGNORECASE)

PostgresUrl = Annotated[str, StringConstraints(pattern=r"^postgres(ql)?(\+psycopg)?://.+")]
HttpUrl = Annotated[str, StringConstraints(pattern=r"^https?://.+")]


class ProcessSettings(BaseSettings):
    """What every process needs: where it listens and how it logs. A service's class sets ``env_prefix``."""

    # No nan and no inf: a wait of such a length is none, and would be found out long after the start.
    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", case_sensitive=False, validate_default=True, allow_inf_nan=False
    )

    http_host: str = Field("127.0.0.1", description="address to listen on, e.g. 0.0.0.0")
    http_port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 picks a free one")
    log_format: Literal["json", "pretty"] = Field("json", description="json or pretty")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="debug, info, warning or error"
    )
    drain_timeout_s: float = Field(25.0, gt=0, description="seconds a stopping process may take to finish")
    heartbeat_limit_s: float = Field(
        30.0, gt=0, description="seconds after which a loop that did not move is dead"
    )
    operator_public_key: str | None = Field(
        None, description="PEM of the Ed25519 key that operators' tokens are verified with"
    )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({masked(self)})"

    __str__ = __repr__


class ServiceSettings(ProcessSettings):
    """A service with a database and topics."""

    database_url: PostgresUrl = Field(description="PostgreSQL URL of the application role")
    relay_database_url: PostgresUrl | None = Field(None, description="PostgreSQL URL of the relay role")
    owner_database_url: PostgresUrl | None = Field(
        None, description="PostgreSQL URL of the owner role; only what maintains uses it"
    )
    reader_database_url: PostgresUrl | None = Field(None, description="PostgreSQL URL of the reader role")
    kafka_bootstrap_servers: str = Field(
        "127.0.0.1:9092", description="host:port[,host:port...] of the brokers"
    )
    kafka_topic_prefix: str = Field(
        "",
        pattern=r"^[a-zA-Z0-9._-]*$",
        description="put before every topic name, so that environments share a cluster",
    )
    kafka_session_timeout_s: float = Field(
        45.0, ge=1, le=300, description="seconds after which a silent consumer's partitions go to another one"
    )
    relay_lease_s: float = Field(
        15.0, ge=1, le=300, description="seconds after which a silent relay's shards go to another one"
    )
    archive_folder: Path | None = Field(
        None,
        description="folder for the files of the outbox's old days; without one nothing is archived by itself",
    )
    archive_interval_s: float = Field(
        3_600.0, ge=1, description="seconds between two looks for days to archive"
    )
    archive_keep_days: int = Field(
        KEEP_DAYS, ge=KEEP_DAYS, description="days of the outbox that stay in the database, 37 or more"
    )
    database_pool_size: int = Field(10, ge=1, le=100, description="connections that the process may hold")


S = TypeVar("S", bound=ProcessSettings)


def load_settings(settings_class: type[S], environment: Mapping[str, str] | None = None) -> S:
    """Read the settings, or refuse with one line per variable that says what is expected.

    ``environment`` replaces the process's own in tests.
    """
    source = os.environ if environment is None else environment
    _refuse_crash_points(source)
    prefix = settings_class.model_config.get("env_prefix", "")
    folder = source.get(f"{prefix}{SECRETS_DIR_VARIABLE}")
    if folder is not None and not Path(folder).is_dir():
        raise StartupRefused(
            f"{prefix}{SECRETS_DIR_VARIABLE}: {folder!r} is no folder; expected one with a file per secret"
        )
    given: dict[str, Any] = {}
    if environment is not None:
        lowered = {name.lower(): value for name, value in environment.items()}
        names = settings_class.model_fields
        given = {
            name: lowered[f"{prefix}{name}".lower()] for name in names if f"{prefix}{name}".lower() in lowered
        }
    try:
        return settings_class(_secrets_dir=folder, **given)  # type: ignore[call-arg]
    except ValidationError as error:
        raise StartupRefused(*_lines(settings_class, prefix, error)) from None


def _refuse_crash_points(source: Mapping[str, str]) -> None:
    """A variable left over from a test would kill a process in the middle of somebody's money."""
    ((variable, value),) = ALLOWED.items()
    if unasked := armed_unasked(source):
        raise StartupRefused(
            *(
                f"{name}: kills the process at a crash point; expected unset, or {variable}={value} in a test"
                for name in unasked
            )
        )


def _lines(settings_class: type[ProcessSettings], prefix: str, error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        field = str(problem["loc"][0]) if problem["loc"] else "settings"
        information = settings_class.model_fields.get(field)
        expected = (
            information.description if information is not None and information.description else "a value"
        )
        fault = "missing" if problem["type"] == "missing" else problem["msg"]
        lines.append(f"{prefix}{field.upper()}: {fault}; expected {expected}")
    return lines


def required(settings: ProcessSettings, field: str) -> str:
    """Return an optional setting that the chosen role needs, or refuse to start naming its variable."""
    value = getattr(settings, field)
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value in (None, ""):
        prefix = settings.model_config.get("env_prefix", "")
        expected = type(settings).model_fields[field].description or "a value"
        raise StartupRefused(f"{prefix}{field.upper()}: missing; expected {expected}")
    return str(value)


def masked(settings: ProcessSettings) -> dict[str, str]:
    """Every setting under its variable's name, with secrets and passwords in URLs hidden."""
    prefix = settings.model_config.get("env_prefix", "")
    return {
        f"{prefix}{name.upper()}": _shown(getattr(settings, name)) for name in type(settings).model_fields
    }


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return MASK
    shown = _PASSWORD_IN_URL.sub(rf"\g<before>{MASK}\g<after>", str(value))
    return _PASSWORD_IN_QUERY.sub(rf"\g<before>{MASK}", shown)
