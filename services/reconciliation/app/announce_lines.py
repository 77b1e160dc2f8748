"""Lines of closed payouts are told to the ledger and to payments: each revision once, matched or not."""

from __future__ import annotations

from typing import Final

from services.reconciliation.app.ports import ReconciliationUnit
from services.reconciliation.domain.announcing import ToldLine
from shared.kernel.crash_points import crash_point

BATCH_LINES: Final = 1_000
"""One transaction's worth: a second's work, and few enough that nobody waits long for the source."""


def announce_lines(work: ReconciliationUnit) -> int:
    """Tell the next lines of one source, in the order of their payouts; returns how many.

    The source is held: neither another announcer nor a worker that stages its next file is at its lines meanwhile.
    """
    untold = work.announcing.next_untold(BATCH_LINES)
    if untold:
        work.announcing.told([ToldLine(line, work.tell(line)) for line in untold])
        crash_point("report.after_announcing")
    return len(untold)
