"""Which process passes which crash point: the table that the crash suite is made from.

``tests/architecture`` holds it to the code: nobody passes more, and whoever is not in it cannot pass.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from shared.kernel.crash_points import KNOWN_CRASH_POINTS

WITH_OUTBOX: Final = ("payment", "processor", "webhook_ingest", "ledger", "risk", "reconciliation")
WITH_INBOX: Final = ("payment", "processor", "ledger", "risk", "reconciliation")

PASSED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "unit_of_work": WITH_OUTBOX,
    "idempotency": WITH_INBOX,
    # Every other service keeps a reply in the transaction of its effect; payment waits in between.
    "idempotency.before_reply_stored": ("payment",),
    "http": WITH_INBOX,
    "relay": WITH_OUTBOX,
    "consumer": WITH_INBOX,
    "redrive": WITH_INBOX,
    "processor": ("processor",),
    "webhook": ("webhook_ingest",),
    "seal": ("ledger",),
    "report": ("reconciliation",),
    "external_call": ("sandbox",),
    "sandbox": ("sandbox",),
}
"""The services of the running stack that pass a point, by its name or else by its family."""

ONLY_BY_OPERATORS: Final = ("idempotency", "http", "redrive")
"""Families that no payment makes a process pass: an operator has to act there. (Payment's POSTs are merchants' too.)"""

PASSED_BY_COMMAND: Final[Mapping[str, tuple[str, ...]]] = {
    "archive": WITH_OUTBOX,
    "refill": WITH_OUTBOX,
    "take_refill": WITH_INBOX,
}
"""Families of operators' commands, and the services that have the command."""


@dataclass(frozen=True, slots=True)
class CrashCase:
    """One process to be killed at one point."""

    service: str
    point: str

    def __str__(self) -> str:
        return f"{self.service}-{self.point}"

    @property
    def family(self) -> str:
        """What the point is named after."""
        return self.point.partition(".")[0]


def service_cases() -> list[CrashCase]:
    """Every (service, point) of the running stack, in the order of the services."""
    return sorted(_cases(PASSED_BY), key=lambda case: case.service)


def command_cases(family: str) -> list[CrashCase]:
    """Every (service, point) of one operators' command, in the order of the points."""
    return [case for case in _cases(PASSED_BY_COMMAND) if case.family == family]


def points_in_no_case() -> list[str]:
    """Known points that nothing kills at; must be empty."""
    covered = {case.point for case in (*_cases(PASSED_BY), *_cases(PASSED_BY_COMMAND))}
    return [point for point in KNOWN_CRASH_POINTS if point not in covered]


def _cases(passed_by: Mapping[str, tuple[str, ...]]) -> Iterator[CrashCase]:
    for point in KNOWN_CRASH_POINTS:
        for service in passed_by.get(point, passed_by.get(point.partition(".")[0], ())):
            yield CrashCase(service, point)
