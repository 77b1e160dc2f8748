"""The load under which processes die: payments of several kinds by a client that retries, and operators at work."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from rich.progress import Progress

from shared.kernel.ids import UlidIds
from tools.crash.reports import Reports
from tools.crash.stack import FragileStack
from tools.demo.client import MerchantClient
from tools.demo.drive import Driven, connections, drive_with
from tools.demo.scenarios import Outcome, Scenario, full_refund, manual_capture, sale

SCENARIOS: Final = (
    Scenario("sale", 4, sale()),
    Scenario("authorize, then capture", 4, manual_capture),
    Scenario("sale, then full refund", 4, full_refund),
    Scenario("processor times out after the effect", 2, sale("pm_fault_timeout_after")),
    Scenario("webhook twice", 2, sale("pm_fault_webhook_twice")),
)
PAYMENTS: Final = sum(scenario.times for scenario in SCENARIOS)
WAIT_S: Final = 2
TRIES: Final = 60
"""A client that outlasts any restart: nothing here may be given up."""
FINISH_S: Final = 150.0


def nothing() -> None:
    """No operator does anything more."""


class Load:
    """One wave of payments, driven in a thread of its own. ``beside`` is done after each of them, by an operator."""

    def __init__(
        self,
        stack: FragileStack,
        run: str,
        scenarios: Sequence[Scenario] = SCENARIOS,
        *,
        beside: Callable[[], None] = nothing,
    ) -> None:
        self._url = stack.url("payment")
        self._api_key = stack.merchant(lambda _: None).api_key
        self._run = f"{run}-{UlidIds().new('run_')}"
        self._reports = Reports(stack, self._run)
        self._beside = beside
        self._scenarios = [self._announced(scenario) for scenario in scenarios]
        self._driven: list[Driven] = []
        self._error: BaseException | None = None
        self.has_begun = threading.Event()
        """Set once the first payment is finished and the others are under way."""
        self._thread = threading.Thread(target=self._work, name=f"load-{run}", daemon=True)

    def start(self) -> "Load":
        self._thread.start()
        return self

    def is_running(self) -> bool:
        return self._thread.is_alive()

    def finish(self) -> list[str]:
        """Wait for the end; returns what was not as expected."""
        self._thread.join(FINISH_S)
        if self._thread.is_alive():
            return [f"the load {self._run} did not finish within {FINISH_S:.0f} s"]
        if self._error is not None:
            raise self._error
        missing = [f"{item.scenario.title}: {len(item.outcomes)} of {item.scenario.times}" for item in self._driven
                   if not item.good]  # fmt: skip
        return [problem for item in self._driven for problem in item.problems] + missing

    def _work(self) -> None:
        try:
            self._driven = asyncio.run(self._drive())
        except BaseException as error:  # noqa: BLE001 - carried over to the thread that asks for the result
            self._error = error
        finally:
            self.has_begun.set()

    async def _drive(self) -> list[Driven]:
        async with connections(self._url) as http:
            client = MerchantClient(http, self._api_key, self._run, wait_s=WAIT_S, tries=TRIES)
            return await drive_with(client, self._scenarios, Progress(disable=True))

    def _announced(self, scenario: Scenario) -> Scenario:
        async def drive(client: MerchantClient, number: int) -> Outcome:
            outcome = await scenario.drive(client, number)
            self.has_begun.set()
            await asyncio.to_thread(self._reports.send)
            await asyncio.to_thread(self._beside)
            return outcome

        return replace(scenario, drive=drive)
