"""Reports that come in while processes die: lines not paid out yet, and a payout of nothing; sent until answered."""

import json
from itertools import count
from typing import Final

from tools.crash.operators import OperatorClient
from tools.crash.stack import FragileStack

SOURCE: Final = {
    "source": "crash", "format": "tieout_csv", "processor": "crash", "account": "acct_crash",
    "reason": "files for processes that die",
}  # fmt: skip
COLUMNS: Final = (
    "balance_transaction_id", "created_utc", "available_on_utc", "currency", "gross", "fee", "net",
    "reporting_category", "source_id", "automatic_payout_id",
)  # fmt: skip
ROWS: Final = 20
_numbers: Final = count(1)


class Reports:
    """What an operator sends in during one wave of load; every file is answered, however often it has to be sent."""

    def __init__(self, stack: FragileStack, run: str) -> None:
        self._client = OperatorClient(stack, "reconciliation")
        self._run = run

    def send(self) -> None:
        """Send one more file, and its source with it."""
        name = f"{self._run}-{next(_numbers)}"
        self._client.post("/sources", json.dumps(SOURCE).encode(), f"source-{name}")
        self._client.post(f"/sources/{SOURCE['source']}/files?name={name}.csv", _content(name), name)


def _content(name: str) -> bytes:
    rows = [_row(name, f"{number}", "1.00", "charge", "") for number in range(ROWS)]
    # A closed payout whose lines are told and booked, and that leaves nothing in the books.
    rows += [
        _row(name, "in", "1.00", "charge", f"po_{name}"),
        _row(name, "out", "-1.00", "refund", f"po_{name}"),
        _row(name, "total", "0.00", "payout", f"po_{name}"),
    ]
    return "\n".join([",".join(COLUMNS), *rows, ""]).encode()


def _row(name: str, line: str, amount: str, category: str, payout: str) -> str:
    times = "2026-11-24 10:00:00,2026-11-26 00:00:00"
    return f"{name}-{line},{times},EUR,{amount},0.00,{amount},{category},obj_{name}_{line},{payout}"
