"""Reports that come in while processes die: lines not paid out yet, and a payout of nothing; sent until answered."""

import http.client
import json
import urllib.parse
from itertools import count
from typing import Any, Final

from shared.runtime.operator_tokens import OperatorRole, TokenIssuer
from shared.testing.waiting import eventually
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
ANSWERED_S: Final = 120.0
REPLY_S: Final = 10.0
_numbers: Final = count(1)


class Reports:
    """What an operator sends in during one wave of load; every file is answered, however often it has to be sent."""

    def __init__(self, stack: FragileStack, run: str) -> None:
        parts = urllib.parse.urlsplit(stack.url("reconciliation"))
        self._address = (parts.hostname or "", parts.port or 0)
        self._token = TokenIssuer(stack.secrets.ed25519("operator_tokens")[0]).operator(
            "crash", OperatorRole.OPERATOR, 3_600
        )
        self._run = run

    def send(self) -> None:
        """Send one more file, and its source with it."""
        name = f"{self._run}-{next(_numbers)}"
        self._answered("/sources", json.dumps(SOURCE).encode(), f"source-{name}")
        self._answered(f"/sources/{SOURCE['source']}/files?name={name}.csv", _content(name), name)

    def _answered(self, path: str, body: bytes, key: str) -> None:
        eventually(
            lambda: self._status(path, body, key) in {200, 201},
            timeout_s=ANSWERED_S,
            interval_s=0.2,
            describe=f"POST {path} was answered",
        )

    def _status(self, path: str, body: bytes, key: str) -> Any:
        connection = http.client.HTTPConnection(*self._address, timeout=REPLY_S)
        try:
            headers = {"Authorization": f"Bearer {self._token}", "Idempotency-Key": key}
            connection.request("POST", path, body, headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


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
