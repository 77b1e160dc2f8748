"""Which process passes which crash point: the table that the crash suite is made from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from shared.kernel.crash_points import KNOWN_CRASH_POINTS

WITH_OUTBOX: Final = ("payment", "processor", "webhook_ingest", "ledger", "risk", "reconciliation")
WITH_INBOX: Final = ("payment", "processor", "ledger", "risk", "reconciliation")

PASSED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "unit_of_work": WITH_OUTBOX,
    "idempotency": ("payment",),
    "http": ("payment",),
    "relay": WITH_OUTBOX,
    "consumer": WITH_INBOX,
    "processor": ("processor",),
    "webhook": ("webhook_ingest",),
    "seal": ("ledger",),
    "report": ("reconciliation",),
    "external_call": ("sandbox",),
    "sandbox": ("sandbox",),
}
"""The services of the running stack that pass the points of each family."""

PASSED_BY_COMMAND: Final[Mapping[str, str]] = {"archive": "ledger"}
"""Families that an operator's command passes, and a service whose command stands for all of them."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CrashCase:
    """One process to be killed at one point."""

    service: str
    point: str

    def __str__(self) -> str:
        return f"{self.service}-{self.point}"


def service_cases() -> list[CrashCase]:
    """Every (service, point) of the running stack, in the order of the services."""
    cases = [CrashCase(service, point) for point, services in _by_point(PASSED_BY) for service in services]
    return sorted(cases, key=lambda case: case.service)


def command_cases() -> list[CrashCase]:
    """Every (service, point) of operators' commands."""
    return [CrashCase(service, point) for point, service in _by_point(PASSED_BY_COMMAND)]


def points_in_no_case() -> list[str]:
    """Known points that nothing kills at; must be empty."""
    covered = {case.point for case in (*service_cases(), *command_cases())}
    return [point for point in KNOWN_CRASH_POINTS if point not in covered]


def _by_point(families: Mapping[str, T]) -> Iterator[tuple[str, T]]:
    for point in KNOWN_CRASH_POINTS:
        family = point.partition(".")[0]
        if family in families:
            yield point, families[family]
