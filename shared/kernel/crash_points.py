"""Named places at which a test can kill the process: one line at each durable step, inert unless armed.

``TIEOUT_CRASH_AT="<name>[:<nth hit>]"`` arms one point when the process starts; the kill is SIGKILL, so
nothing is cleaned up. With ``TIEOUT_CRASH_ONCE_FILE`` the file is created first and the point is inert
wherever it exists, so that the restarted process runs on. ``TIEOUT_CRASH_ORDER_FILE`` names a file that a test
may write at any time: the next process to pass the point named in it takes the file away and dies.

None of them does anything unless ``TIEOUT_CRASH_POINTS=allowed`` stands beside it, as only tests set it; and a
process that has one without that refuses to start (``shared/runtime/settings.py``).
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from shared.kernel.errors import InvariantViolation

KNOWN_CRASH_POINTS: Final[Mapping[str, str]] = {
    "unit_of_work.before_flush": "The handler has decided; nothing of it has been written out yet.",
    "unit_of_work.before_commit": "Everything is written in the transaction; COMMIT has not been sent.",
    "unit_of_work.after_commit": "COMMIT was acknowledged; nobody has been told yet.",
    "idempotency.after_claim": "A lone request's key row is written in a transaction that has not committed.",
    "idempotency.before_reply_stored": "The outcome is known; the stored reply is not written yet.",
    "http.before_reply": "Everything is durable; the caller has no answer yet.",
    "relay.after_claim": "Unsent rows were read; nothing has been handed to the producer.",
    "relay.after_produce": "Rows were handed to the producer; no delivery report has been seen.",
    "relay.before_mark": "The broker has acknowledged; the rows are still marked unsent.",
    "relay.after_mark": "The rows are marked sent.",
    "consumer.after_poll": "Records were fetched; no transaction has been opened.",
    "consumer.after_inbox": "Event ids are claimed in a transaction that has not committed.",
    "consumer.before_offset_commit": "The effect is committed; the broker still holds the old offset.",
    "consumer.after_offset_commit": "The effect and the offset are both committed.",
    "consumer.in_revoke": "Partitions are being taken away from this consumer.",
    "redrive.after_request": "An operator's wish for another try is written in a transaction that has not committed.",
    "redrive.before_try": "The wish was read; the parked key has not been tried.",
    "redrive.after_try": "The try is committed, whatever came of it; the loop has not gone on.",
    "external_call.before_send": "The intent is committed; the outside world has not been called.",
    "external_call.after_send": "The outside world has answered; the answer is not recorded.",
    "external_call.after_record": "The answer is recorded and committed.",
    "processor.after_claim": "Attempts are taken and announced; none of their calls has begun.",
    "processor.before_send": "The row is taken and committed; the processor has not been called.",
    "processor.after_reply": "The processor has answered; the answer is only in memory.",
    "processor.before_record": "A batch of answers is about to be recorded.",
    "processor.after_record": "The answers are recorded and committed; the lane has not been told.",
    "webhook.after_insert": "A delivery and its outbox row are written in a transaction that has not committed.",
    "webhook.before_reply": "A delivery is durable; its sender has no answer yet.",
    "seal.after_append": "Journals have seals in a transaction that has not committed.",
    "seal.after_head": "A head is signed, kept and in the outbox in a transaction that has not committed.",
    "seal.after_commit": "The seals are committed; the sealer's own memory does not know it.",
    "report.after_chunks": "A file's bytes are written in a transaction that has not committed.",
    "report.after_copy": "What a file says is written in a transaction that has not committed; nothing of it stands.",
    "report.after_settling": "What a file says stands, in a transaction that has not committed.",
    "report.after_announcing": "Lines are told and remembered as told in a transaction that has not committed.",
    "sandbox.before_effect": "The outside processor has decided; its book does not show it yet.",
    "sandbox.after_effect": "The outside processor has moved the money; its caller has no answer yet.",
    "refill.after_topic": "The topic of the refill is there; nothing of this refill stands in it.",
    "refill.before_markers": "A topic's whole history was acknowledged; no marker says so.",
    "refill.after_markers": "History and markers were acknowledged; the operator's act is not recorded.",
    "take_refill.before_history": "The group stands at the beginning of the live topic; the refill was not read.",
    "take_refill.after_history": "The refill is applied up to its markers; the group was not set back again.",
    "take_refill.after_rewind": "Nothing is left to do for the live topic; the operator's act is not recorded.",
    "archive.after_file": "The archive file is complete on disk; its row is not written.",
    "archive.before_drop": "The archive is verified; the partition still exists.",
    "archive.after_drop": "The partition is gone; the day after it is still to be archived.",
}

TAKEN_SUFFIX: Final = ".taken"
"""What an order is called once a process has died of it."""
AT_VARIABLE: Final = "TIEOUT_CRASH_AT"
ORDER_FILE_VARIABLE: Final = "TIEOUT_CRASH_ORDER_FILE"
ONCE_FILE_VARIABLE: Final = "TIEOUT_CRASH_ONCE_FILE"
ALLOWED: Final[Mapping[str, str]] = {"TIEOUT_CRASH_POINTS": "allowed"}
"""What a test sets for a process that it means to kill, beside the variable that says where."""


class _Armed(Protocol):
    def hit(self, name: str) -> None:
        """Kill the process if ``name`` is the point that was asked for."""
        ...


@dataclass(slots=True)
class _ArmedAtStart:
    name: str
    nth_hit: int
    once_file: str | None
    hits: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def hit(self, name: str) -> None:
        if name != self.name:
            return
        with self.lock:
            self.hits += 1
            if self.hits == self.nth_hit and self._first_time():
                os.kill(os.getpid(), signal.SIGKILL)

    def _first_time(self) -> bool:
        if self.once_file is None:
            return True
        try:
            os.close(os.open(self.once_file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class _ArmedByOrder:
    """Armed while the process runs, so that the kill comes under load and in the middle of its life."""

    order_file: Path

    def hit(self, name: str) -> None:
        try:
            if self.order_file.read_text() != name:
                return
            # Renaming is what decides between threads: exactly one takes the order.
            self.order_file.rename(self.order_file.with_suffix(TAKEN_SUFFIX))
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGKILL)


def armed_unasked(environment: Mapping[str, str]) -> list[str]:
    """The variables that would arm a point in a process that was not said to be under test."""
    if ALLOWED.items() <= environment.items():
        return []
    return [name for name in (AT_VARIABLE, ORDER_FILE_VARIABLE, ONCE_FILE_VARIABLE) if environment.get(name)]


def _armed_from(environment: Mapping[str, str]) -> _Armed | None:
    if armed_unasked(environment):
        return None
    if order_file := environment.get(ORDER_FILE_VARIABLE):
        return _ArmedByOrder(Path(order_file))
    wanted = environment.get(AT_VARIABLE)
    if not wanted:
        return None
    name, _, nth = wanted.partition(":")
    _require_known(name)
    if nth and not (nth.isdecimal() and int(nth) > 0):
        raise InvariantViolation("crash_point_hit", f"{nth!r} is not a positive number")
    return _ArmedAtStart(name, int(nth or "1"), environment.get(ONCE_FILE_VARIABLE) or None)


def _require_known(name: str) -> None:
    if name not in KNOWN_CRASH_POINTS:
        raise InvariantViolation("crash_point_known", f"{name!r} is not listed in KNOWN_CRASH_POINTS")


@dataclass(slots=True)
class _Points:
    armed: _Armed | None


# Read once: the points stand on the hot path, and a process that was started unarmed stays so.
_POINTS: Final = _Points(_armed_from(os.environ))


def arm(armed: _Armed | None) -> None:
    """Let a simulation, which has many processes inside this one, decide what happens at a point; None disarms."""
    _POINTS.armed = armed


def crash_point(name: str) -> None:
    """Mark a durable step; kills the process if this point is armed."""
    _require_known(name)
    if _POINTS.armed is not None:
        _POINTS.armed.hit(name)
