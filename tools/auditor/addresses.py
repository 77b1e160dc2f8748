"""Where the auditor looks: one read-only database URL per service, and the brokers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import psycopg

from tools.auditor.model import AuditImpossible

AUDITED_SERVICES: Final = (
    "payment",
    "processor",
    "webhook_ingest",
    "ledger",
    "risk",
    "reconciliation",
    "sandbox",
)
BOOTSTRAP_VARIABLE: Final = "TIEOUT_KAFKA_BOOTSTRAP"
PREFIX_VARIABLE: Final = "TIEOUT_KAFKA_TOPIC_PREFIX"


@dataclass(frozen=True, slots=True)
class Addresses:
    """``postgres`` maps a service to the URL of its reader role; one for each audited service."""

    postgres: Mapping[str, str]
    kafka_bootstrap: str
    topic_prefix: str = ""

    def __post_init__(self) -> None:
        missing = [service for service in AUDITED_SERVICES if service not in self.postgres]
        if missing:
            raise AuditImpossible(f"no reader URL of {', '.join(missing)}")

    def database(self, service: str) -> str:
        """The URL as the driver takes it."""
        scheme, separator, rest = self.postgres[service].partition("://")
        return scheme.partition("+")[0] + separator + rest

    @classmethod
    def from_environment(cls) -> Addresses:
        """Addresses from ``<SERVICE>_READER_DATABASE_URL`` and ``TIEOUT_KAFKA_BOOTSTRAP``."""
        wanted = (BOOTSTRAP_VARIABLE, *(reader_variable(service) for service in AUDITED_SERVICES))
        missing = [name for name in wanted if name not in os.environ]
        if missing:
            raise AuditImpossible(f"not set: {', '.join(missing)}")
        return cls(
            {service: os.environ[reader_variable(service)] for service in AUDITED_SERVICES},
            os.environ[BOOTSTRAP_VARIABLE],
            os.environ.get(PREFIX_VARIABLE, ""),
        )

    @classmethod
    def of_local_stack(cls) -> Addresses:
        """Addresses of the stack that ``tieout up`` started on this machine."""
        from tools.local_stack.layout import layout
        from tools.local_stack.stack import LocalStack

        stack = LocalStack(layout())
        try:
            urls = stack.reader_urls()
        except psycopg.OperationalError as error:
            raise AuditImpossible(
                "the local stack's PostgreSQL does not answer; start it with `make up`, or name other databases in "
                f"{reader_variable(AUDITED_SERVICES[0])} and the like ({str(error).splitlines()[0]})"
            ) from error
        return cls(urls, stack.bootstrap, stack.topic_prefix)

    @classmethod
    def found(cls) -> Addresses:
        """From the environment where it names a reader's URL, else of the local stack."""
        if any(reader_variable(service) in os.environ for service in AUDITED_SERVICES):
            return cls.from_environment()
        return cls.of_local_stack()


def reader_variable(service: str) -> str:
    """The environment variable that holds the reader's URL of a service's database."""
    return f"{service.upper()}_READER_DATABASE_URL"
