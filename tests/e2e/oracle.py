"""What the one oracle needs to know of the tests that ran before it: who made which payment, and who was lied to."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any, Final

from shared.kernel.ids import UlidIds
from tools.auditor.audit import Report
from tools.faults.verdict import OF_TWO_EFFECTS

#: What the sandbox puts before the names of objects that never were, when it is told to announce some.
NOBODYS: Final = "nobodys_"
#: References of objects that never were: webhooks are signed about them, and a fact about nothing waits.
NEVER_WAS: Final = re.compile(rf"\baevt_t_|\bop_aevt_t_|\b{NOBODYS}")
#: What an operation that somebody else charged again at the processor, under our reference, is rightly found by.
OF_TWO_CHARGES: Final = OF_TWO_EFFECTS

#: What a test did at a processor behind our back, under a reference of its own (``elsewhere.py``).
ELSEWHERE: Final = "elsewhere_"


@dataclass(slots=True)
class Course:
    """The tests of this run in their order, and what a test charged twice."""

    charged_twice: set[str] = field(default_factory=set)
    """Operations."""
    _about_nothing: set[str] = field(default_factory=set)
    _first_ids: list[str] = field(default_factory=list)
    _tests: list[str] = field(default_factory=list)

    def begins(self, test: str) -> None:
        """From now on payments are this test's: their ids sort by time."""
        self._first_ids.append(UlidIds().new("pay_"))
        self._tests.append(test)

    def maker_of(self, payment_id: object) -> str:
        """The test that ran when this payment was made."""
        place = bisect_right(self._first_ids, str(payment_id))
        return self._tests[place - 1] if place else "before this run"

    def may_stay(self, stuck: dict[str, object]) -> bool:
        """Whether it waits for what never was."""
        which = str(stuck["which"])
        if stuck["what"] != "fact waits" or NEVER_WAS.search(which) is None:
            return False
        self._about_nothing.add(which.partition(" ")[0])
        return True

    def broken(self, report: Report) -> list[str]:
        """Every violation that no test has made, with the test whose payment it is."""
        return [
            f"{found.name} ({self._of(row)}): {row}"
            for found in report.invariants
            if not found.holds
            for row in found.violations or [{"nothing": found.explanation}]
            if not self._is_made(found.name, row)
        ]

    def _is_made(self, name: str, row: dict[str, Any]) -> bool:
        if name == "I5.references_are_ours" and str(row["reference"]).startswith(ELSEWHERE):
            return True
        if name == "I5.one_key_per_call" and row["reference"] in self.charged_twice:
            return True
        if name in OF_TWO_CHARGES and row[OF_TWO_CHARGES[name]] in self.charged_twice:
            return True
        return row.get("type") == "waiting fact" and row["operation_id"] in self._about_nothing

    def _of(self, row: dict[str, Any]) -> str:
        return self.maker_of(row["payment_id"]) if row.get("payment_id") else "of no one payment"
