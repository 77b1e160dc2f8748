"""Whoever writes the sandbox's script: says over HTTP what goes wrong next, and lets go what was kept back."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Self

import httpx2

from tools.local_stack.stack import LocalStack

PATIENCE_S: Final = 30.0
"""With a busy machine: what is said here is said once."""


class SandboxScript:
    """The script of the sandbox of one stack; what it added is removed at the end."""

    def __init__(self, stack: LocalStack) -> None:
        self._http = httpx2.Client(
            base_url=stack.url("sandbox") + "/script/v1/",
            headers={"Authorization": f"Bearer {stack.secrets.text('alpha_api_key')}"},
            timeout=PATIENCE_S,
        )
        self._rules: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove_rules()
        self._http.close()

    def add(self, processor: str, **rule: Any) -> int:
        """Add a rule; returns its number."""
        reply = self._http.post("faults", json={"processor": processor} | rule)
        reply.raise_for_status()
        number = int(reply.json()["id"])
        self._rules.append(number)
        return number

    def struck(self, number: int) -> int:
        """How many calls a rule has struck."""
        rules = self._http.get("faults").raise_for_status().json()["data"]
        return next(int(rule["struck"]) for rule in rules if rule["id"] == number)

    def release(self, payment_id: str) -> dict[str, int]:
        """Let come what was kept back about a payment: webhooks, look-ups, feed."""
        released: dict[str, int] = (
            self._http.post("release", json={"payment": payment_id}).raise_for_status().json()
        )
        return released

    def struck_by_card(self, names: Sequence[str]) -> dict[str, frozenset[str]]:
        """Which operations something strikes, by the name of the card."""
        told = self._http.post("cards", json={"names": list(names)}).raise_for_status().json()["data"]
        return {name: frozenset(operations) for name, operations in told.items()}

    def remove_rules(self) -> None:
        """Remove what was added here and nothing else."""
        while self._rules:
            self._http.delete(f"faults/{self._rules.pop()}")
