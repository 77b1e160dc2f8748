"""The audit: wait until all is delivered where asked to, copy everything with read-only roles, ask every invariant."""

from __future__ import annotations

import time
from contextlib import closing

from tools.auditor.addresses import Addresses
from tools.auditor.copying import copy_books, copy_inboxes
from tools.auditor.draining import MayStay, nothing, told_by_all, wait_until_drained
from tools.auditor.figures import figures_of
from tools.auditor.model import (
    VIOLATIONS_SHOWN_MAX,
    AuditImpossible,
    Check,
    Invariant,
    Moment,
    Report,
)
from tools.auditor.payments import own_legal_rows
from tools.auditor.registry import CHECKS, chosen
from tools.auditor.scratch import Scratch
from tools.auditor.topics import copy_committed, copy_contract, copy_topics

__all__ = ["CHECKS", "Addresses", "AuditImpossible", "Check", "Invariant", "Moment", "Report", "audit"]


def audit(
    addresses: Addresses,
    *,
    drained: bool,
    deadline_s: float,
    only: str | None = None,
    may_stay: MayStay = nothing,
    shown_max: int | None = VIOLATIONS_SHOWN_MAX,
) -> Report:
    """The verdict over the whole system.

    ``drained``: first wait, at most ``deadline_s``, until nothing is on its way, then ask everything. Otherwise ask
    only what must hold at any moment, also while payments flow. ``only`` narrows it to invariants of that name,
    ``may_stay`` tells what is not waited for,
    ``shown_max`` how many rows are told of each that does not hold.
    """
    checks = chosen(drained=drained, only=only)
    deadline = time.monotonic() + deadline_s
    while True:
        waited, told = _quiet(addresses, deadline, may_stay) if drained else ([], {})
        with closing(Scratch()) as scratch:
            copy_everything(addresses, scratch)
            # A feed or a timer may speak up after the quiet: then the copy is of no single moment, and is made again.
            if drained and told_by_all(addresses) != told and time.monotonic() < deadline:
                continue
            invariants = [*waited, *(scratch.ask(check, shown_max) for check in checks)]
            return Report(
                holds=all(invariant.holds for invariant in invariants),
                invariants=invariants,
                figures=figures_of(scratch),
            )


def _quiet(
    addresses: Addresses, deadline: float, may_stay: MayStay
) -> tuple[list[Invariant], dict[str, int]]:
    """Wait for a moment at which all that was ever told had arrived; returns what had been told by then."""
    while True:
        told = told_by_all(addresses)
        waited = wait_until_drained(addresses, max(0.0, deadline - time.monotonic()), may_stay)
        if told_by_all(addresses) == told or time.monotonic() >= deadline:
            return [waited], told


def copy_everything(addresses: Addresses, scratch: Scratch) -> None:
    """The order is the point: effects are read before their causes."""
    copy_contract(scratch)
    scratch.fill("own_legal", own_legal_rows())
    copy_committed(addresses, scratch)
    copy_inboxes(addresses, scratch)
    copy_topics(addresses, scratch)
    copy_books(addresses, scratch)
    scratch.finish()
