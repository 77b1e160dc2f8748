"""Drives the scenarios against a running stack, some at a time, with a progress display."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import httpx2
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tools.demo.client import MerchantClient, UnexpectedReply
from tools.demo.scenarios import Outcome, Scenario

AT_ONCE: Final = 24
TIMEOUT_S: Final = 45.0


@dataclass(frozen=True, slots=True)
class Driven:
    """What became of one scenario."""

    scenario: Scenario
    outcomes: Sequence[Outcome]
    problems: Sequence[str]

    @property
    def good(self) -> bool:
        return not self.problems and len(self.outcomes) == self.scenario.times


async def drive(
    base_url: str, api_keys: Mapping[str, str], run: str, scenarios: Sequence[Scenario], progress: Progress
) -> list[Driven]:
    """Drive all scenarios, each as the merchant of its processor.

    Problems are collected, not raised, so that the proof is printed in any case.
    """
    async with connections(base_url) as http:
        groups = [
            drive_with(
                MerchantClient(http, api_key, f"{run}-{processor}"),
                [scenario for scenario in scenarios if scenario.processor == processor],
                progress,
            )
            for processor, api_key in api_keys.items()
        ]
        return [driven for group in await asyncio.gather(*groups) for driven in group]


def connections(base_url: str) -> httpx2.AsyncClient:
    """Connections enough for everything that is driven at once."""
    limits = httpx2.Limits(max_connections=AT_ONCE * 6)
    return httpx2.AsyncClient(base_url=base_url, timeout=TIMEOUT_S, limits=limits)


async def drive_with(
    client: MerchantClient, scenarios: Sequence[Scenario], progress: Progress
) -> list[Driven]:
    """Drive all scenarios as this client."""
    turn = asyncio.Semaphore(AT_ONCE)
    return list(await asyncio.gather(*(_drive_one(client, turn, item, progress) for item in scenarios)))


async def _drive_one(
    client: MerchantClient, turn: asyncio.Semaphore, scenario: Scenario, progress: Progress
) -> Driven:
    task = progress.add_task(scenario.title, total=scenario.times)
    outcomes: list[Outcome] = []
    problems: list[str] = []

    async def once(number: int) -> None:
        async with turn:
            try:
                outcome = await scenario.drive(client, number)
            except (UnexpectedReply, httpx2.TransportError) as problem:
                problems.append(f"{scenario.title}: {problem}")
            else:
                outcomes.append(outcome)
                if not outcome.as_expected:
                    problems.append(
                        f"{scenario.title}: {outcome.payment_id} ended {outcome.seen}, expected {outcome.expected}"
                    )
        progress.advance(task)

    await asyncio.gather(*(once(number) for number in range(scenario.times)))
    return Driven(scenario, outcomes, problems)


def progress_display(console: Console) -> Progress:
    """One bar per kind of payment."""
    return Progress(
        TextColumn("{task.description:<42}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )
