"""Audits while the system works: what must hold at any moment is asked again and again, beside whatever goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from time import monotonic
from typing import Final, Self

from tools.auditor.addresses import Addresses
from tools.auditor.audit import audit
from tools.auditor.model import Invariant, Report

REST: Final = 3.0
"""Times as long as the last audit took: what is audited keeps most of the machine."""


def _elsewhere() -> Executor:
    """A process of its own: copying and asking must not take their turns from those who drive the load."""
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


class LiveAudits:
    """Asks what must hold at any moment, from entering until leaving, and keeps every row that ever broke it.

    At least one audit is asked, however soon it is left. An audit that was impossible is in ``error``; there is none
    after it. Read the results once it was left.
    """

    def __init__(
        self,
        addresses: Addresses,
        *,
        ask: Callable[[], Report] | None = None,
        elsewhere: Callable[[], Executor] = _elsewhere,
        rest: float = REST,
    ) -> None:
        self.audits = 0
        self.broken: dict[str, Invariant] = {}
        """By name: what did not hold at some moment, with all rows of all moments."""
        self.error: Exception | None = None
        self._ask = ask or partial(audit, addresses, drained=False, deadline_s=0.0, shown_max=None)
        self._elsewhere = elsewhere
        self._rest = rest
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="live-audits")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def problems(self) -> list[str]:
        """Why nothing can be said of these moments; empty if at least one audit was made and none was impossible."""
        if self.error is not None:
            return [f"live audit {self.audits + 1} was impossible: {type(self.error).__name__}: {self.error}"]
        return [] if self.audits else ["no live audit was made"]

    def _watch(self) -> None:
        try:
            with self._elsewhere() as elsewhere:
                while True:
                    began_s = monotonic()
                    self._note(elsewhere.submit(self._ask).result())
                    if self._is_over.wait(self._rest * (monotonic() - began_s)):
                        return
        except Exception as error:  # noqa: BLE001 - told by ``problems``, to whoever left
            self.error = error

    def _note(self, report: Report) -> None:
        self.audits += 1
        for found in report.invariants:
            if not found.holds:
                known = self.broken.setdefault(found.name, replace(found, violations=[]))
                known.violations.extend(row for row in found.violations if row not in known.violations)
