"""What the tests of this folder end with, once for the stack that they share: the auditor over all books.

It runs behind all others and names the test whose payment does not tie out; only ``test_waiting.py`` comes later,
whose 500 doubts take minutes. Whoever runs one module by itself names this one too.
"""

from __future__ import annotations

from typing import Final

from services.payment.domain.case_reasons import REASONS
from tests.e2e.desk import Desk
from tests.e2e.oracle import OF_TWO_CHARGES, Course
from tools.auditor.addresses import Addresses
from tools.auditor.audit import audit
from tools.local_stack.stack import LocalStack

DRAINED_S: Final = 120


def test_all_books_tie_out_and_every_open_case_says_why(
    stack: LocalStack, desk: Desk, course: Course
) -> None:
    """Ledger zero per currency, amounts = ledger's net = the sandbox's books, strays counted, nothing charged twice."""
    addresses = Addresses(stack.reader_urls(), stack.bootstrap, stack.topic_prefix)
    report = audit(addresses, drained=True, deadline_s=DRAINED_S, may_stay=course.may_stay)
    assert course.broken(report) == []
    for name, named_by in OF_TWO_CHARGES.items():
        violations = next(found.violations for found in report.invariants if found.name == name)
        assert course.charged_twice <= {row[named_by] for row in violations}, name
    cases = desk.get("/cases?limit=1000")
    assert {case["reason"] for case in cases} <= REASONS.keys()
