"""Ann at reconciliation: declares who reports, sends files in, runs matching and reads what it found."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from itertools import count
from typing import Any, Final

import httpx2

from shared.runtime.operator_tokens import OperatorRole, TokenIssuer
from shared.testing.waiting import eventually
from tools.local_stack.stack import LocalStack

Row = dict[str, Any]
PATIENCE_S: Final = 120.0
POLL_S: Final = 0.25
ROWS_MAX: Final = 1_000


class Office:
    """Ann's token, and Bob's for what takes two; every call is an intention of its own."""

    def __init__(self, stack: LocalStack) -> None:
        issuer = TokenIssuer(stack.secrets.ed25519("operator_tokens")[0])
        ann, bob = (
            issuer.operator("ann", OperatorRole.OPERATOR),
            issuer.operator("bob", OperatorRole.APPROVER),
        )
        self._http = httpx2.Client(headers={"Authorization": f"Bearer {ann}"}, timeout=PATIENCE_S)
        self._bob = {"Authorization": f"Bearer {bob}"}
        self._url = stack.url("reconciliation")
        self._ledger = stack.url("ledger")
        self.database = stack.reader_urls()["reconciliation"]
        self._numbers = count()

    def declare(self, source: str, form: str, **whose: str) -> None:
        """Say whose files come under this name, and in which format from now on."""
        said = {"source": source, "format": form, "reason": "the demo"} | whose
        self._post("/sources", json=said)

    def agree(self, source: str, currency: str, per_million: int, fixed_minor: int) -> None:
        """Agree what a processor takes of a charge: Ann proposes it, Bob approves."""
        fee = {"kind": "agreed_fee", "source": source, "category": "charge", "currency": currency}
        price = {"per_million": per_million, "fixed_minor": fixed_minor}
        term = self._post("/terms", json=fee | price | {"reason": "the contract"})["term_id"]
        self._post(f"/terms/{term}/approve", self._bob, json={"reason": "the contract"})

    def send(self, source: str, name: str, content: bytes) -> str:
        """A file, durable when this returns; its id."""
        return str(self._post(f"/sources/{source}/files", params={"name": name}, content=content)["id"])

    def staged(self, file_id: str) -> None:
        """Wait until a file is read."""

        def look() -> bool:
            return str(self.get(f"/files/{file_id}")["state"]) != "RECEIVED"

        self.wait(look, f"{file_id} being staged")

    def all_staged(self, files: int) -> list[Row]:
        """So many files, once all of them are read."""

        def look() -> list[Row] | None:
            found = self.get("/files", limit=ROWS_MAX)["data"]
            done = [file for file in found if file["state"] != "RECEIVED"]
            return done if len(done) == len(found) == files else None

        found: list[Row] = self.wait(look, f"{files} files being staged")
        return found

    def run(self, as_of: str) -> Row:
        """Match what changed, and judge what is late as of then."""
        return self._post("/runs", json={"as_of": as_of, "reason": "the demo's day"})

    def get(self, path: str, **asked: Any) -> Row:
        """What reconciliation shows."""
        return dict(self._http.get(self._url + path, params=asked).raise_for_status().json())

    def page(self, first: date, last: date) -> str:
        """The report page of some days."""
        asked = {"first_day": first.isoformat(), "last_day": last.isoformat()}
        return self._http.get(self._url + "/report", params=asked).raise_for_status().text

    def clearing(self) -> list[Row]:
        """What has not returned to zero in the ledger, key by key."""
        reply = self._http.get(self._ledger + "/clearing", params={"limit": ROWS_MAX})
        return list(reply.raise_for_status().json()["keys"])

    def wait(self, look: Callable[[], Any], what: str) -> Any:
        """What is found in the end."""
        return eventually(look, timeout_s=PATIENCE_S, interval_s=POLL_S, describe=what)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _post(self, path: str, who: Row | None = None, **sent: Any) -> Row:
        """As Ann, or as somebody else."""
        key = {"Idempotency-Key": f"demo-office-{next(self._numbers)}"}
        reply = self._http.post(self._url + path, headers=key | (who or {}), **sent)
        if reply.is_error:
            raise AssertionError(f"{path}: {reply.status_code} {reply.text}")
        return dict(reply.json())
