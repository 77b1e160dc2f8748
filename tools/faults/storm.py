"""Random faults by seed at full load: a stack of its own, the plan's payments, then everything that must be true."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import Progress

from tools.auditor.addresses import Addresses
from tools.auditor.audit import Report, audit
from tools.auditor.model import Invariant
from tools.auditor.watching import LiveAudits
from tools.demo.sandbox_script import SandboxScript
from tools.faults.load import Driven, drive
from tools.faults.plan import REVIEWED, Fate, Planned, plan
from tools.faults.verdict import (
    Expected,
    differences,
    done_twice,
    doubts,
    never_arrived,
    not_yet_sent,
    returns,
    review_queue,
    unexplained,
    wait_until_nothing_pends,
)
from tools.local_stack.layout import DEFAULT_HOME, Layout
from tools.local_stack.stack import LocalStack

HOME: Final = DEFAULT_HOME / "faults"
SETTINGS: Final[Mapping[str, Mapping[str, str]]] = {
    # What is astray goes back without a person, so that the books can be asked whether it did so once.
    "payment": {"STRAY_POLICY": "automatic", "STRAY_RETURN_AFTER_S": "5"},
    "processor": {
        "ALPHA_TIMEOUT_S": "2",
        "BETA_TIMEOUT_S": "2",
        "ALPHA_VISIBILITY_WINDOW_S": "2",
        "ALPHA_ABSENCE_WINDOW_S": "8",
        # Longer than beta's late effect and its list's delay together, with room for a busy machine.
        "BETA_VISIBILITY_WINDOW_S": "8",
        # Longer than a key lives, so that there is doubt in which nothing may be sent again.
        "ALPHA_KEYS_LIVE_S": "120",
        "LOOK_UP_LADDER_S": "0.5,1,1,1,2,2,3,3,4,4,8,8,8,10,10,10,10,10,10,10,10,10,10",
        "LOOK_UP_LADDERS_S": "beta=1,2,3,4,4,4,4,4",
        "FEED_INTERVAL_S": "3",
    },
    "sandbox": {
        "ALPHA_HANG_S": "3",
        "ALPHA_KEY_LIFE_S": "120",
        "BETA_HANG_S": "3",
        "BETA_LIST_DELAY_MS": "500",
        "ALPHA_WEBHOOK_LATE_MS": "3000",
        "BETA_WEBHOOK_LATE_MS": "3000",
    },
}
"""Everything that takes minutes or hours outside takes seconds here; the rules are the same."""
DEADLINE_S: Final = 300.0
"""From the last request: the longest ladder with its time-outs, and a busy machine's delay."""
BUSY_S: Final = 120.0
"""What a busy machine may add to an operation's own deadline: its turn, each look-up's own time, the way of events."""
DRAIN_S: Final = 120.0
PROCESSORS: Final = ("alpha", "beta")


@dataclass(frozen=True, slots=True)
class Storm:
    """What was done and what came of it."""

    seed: int
    payments: int
    faults: int
    lost: int
    lied: int
    misnamed: int
    misnamed_reviewed: int
    outlived: int
    twice: int
    denied: int
    put_off: int
    forgotten: int
    forgotten_twice: int
    """Of these, so many were done again, or refused as nothing was left to do; the others were found in time."""
    done_twice: int
    given_back: int
    late_webhooks: int
    longest_doubt_s: Mapping[str, float]
    reviewed: int
    drive_s: float
    settle_s: float
    problems: list[str]
    audit: Report
    unexplained: list[str]
    """The invariants that do not hold, but for what a processor did twice by its own book."""
    live_audits: int
    """How often what must hold at any moment was asked while payments were struck."""
    broken_live: list[Invariant]
    """What did not hold at one of these moments, with the same exception."""

    @property
    def holds(self) -> bool:
        return not (self.problems or self.unexplained or self.broken_live)


def deadlines_s() -> dict[str, float]:
    """By processor: its call, its whole ladder, and what a busy machine adds; after that an operation is a case."""
    own = SETTINGS["processor"]
    ladders = {
        "alpha": own["LOOK_UP_LADDER_S"],
        "beta": own["LOOK_UP_LADDERS_S"].removeprefix("beta="),
    }
    return {
        name: float(own[f"{name.upper()}_TIMEOUT_S"]) + sum(map(float, ladder.split(","))) + BUSY_S
        for name, ladder in ladders.items()
    }


def run_storm(
    console: Console, *, count: int, seed: int, often: Fate | None = None, home: Path = HOME
) -> Storm:
    """Run it on empty data; the stack is stopped at the end, its logs stay if something did not hold."""
    stack = _fresh(home)
    holds = False
    try:
        stack.up(lambda step: console.print(f"  [green]·[/green] {step}"), empty=True)
        with SandboxScript(stack) as script:
            planned = plan(count, seed, script.struck_by_card, often)
        console.print(f"[bold]{count} random faults, seed {seed}[/bold]: {len(planned)} payments")
        storm = _storm(stack, planned, seed, console)
        holds = storm.holds
    finally:
        stack.down()
        stack.supervisor.close()
        if holds:
            shutil.rmtree(home, ignore_errors=True)
    _tell(console, storm, planned, home)
    return storm


def as_json(storm: Storm) -> dict[str, object]:
    """The same for programs."""
    return asdict(storm) | {"holds": storm.holds}


def _fresh(home: Path) -> LocalStack:
    for name in ("TIEOUT_POSTGRES_URL", "TIEOUT_KAFKA_BOOTSTRAP", "TIEOUT_KAFKA_TOPIC_PREFIX"):
        os.environ.pop(name, None)  # A stack of its own: databases and topics are named after services.
    old = LocalStack(Layout(home))
    old.down()
    old.supervisor.close()
    shutil.rmtree(home)
    return LocalStack(Layout(home), extra_settings={name: dict(own) for name, own in SETTINGS.items()})


def _storm(stack: LocalStack, planned: list[Planned], seed: int, console: Console) -> Storm:
    api_keys = {name: stack.merchant(lambda _: None, name).api_key for name in PROCESSORS}
    addresses = Addresses(stack.reader_urls(), stack.bootstrap, stack.topic_prefix)
    database = addresses.database("payment")
    with LiveAudits(addresses) as live:
        began_s = time.monotonic()
        with Progress(console=console) as progress:
            driven = asyncio.run(drive(stack.url("payment"), api_keys, f"storm{seed}", planned, progress))
        drive_s = time.monotonic() - began_s
        settle_s, pending = wait_until_nothing_pends(database, DEADLINE_S)
    fates = {fate: _of(fate, planned, driven) for fate in Fate}
    lost = fates[Fate.LOST]
    queue = review_queue(database)
    waited = doubts(database, deadlines_s())
    late = not_yet_sent(addresses.database("sandbox"))
    # On a busy machine a call may end before it has reached anybody; without a key it is then given up, rightly.
    in_vain = never_arrived(database, addresses.database("sandbox"))
    went_back = returns(database, in_vain)
    with SandboxScript(
        stack
    ) as script:  # What was kept back comes, so that the books can be compared in full.
        for payment_id in sorted({*lost, *late}):
            script.release(payment_id)
    # All of them: what is not shown could not be explained, and there are thousands of payments.
    report = audit(addresses, drained=True, deadline_s=DRAIN_S, shown_max=None)
    twice = done_twice(addresses.database("sandbox"))
    unasked = set(twice.values()) - _may_be_done_twice(planned, driven)
    # Only where it came to a second send: a busy machine may look so late that the first one is found.
    again = fates[Fate.FORGOTTEN] & (queue.declined | frozenset(twice.values()))
    put_off_without_keys = _of_beta(fates[Fate.PUT_OFF], planned, driven)
    problems = [
        *driven.problems,
        *(f"pending past its deadline: {which}" for which in pending),
        *waited.late,
        *differences(
            queue,
            expected_queue(fates, put_off_without_keys, again, in_vain, frozenset(twice.values())),
        ),
        *went_back.problems,
        *live.problems(),
        *(f"{payment} was done twice by what we sent twice" for payment in sorted(unasked)),
    ]
    return Storm(
        seed=seed,
        payments=len(planned),
        faults=sum(item.faults for item in planned),
        lost=len(lost),
        lied=len(fates[Fate.LIED]),
        misnamed=len(fates[Fate.MISNAMED]),
        misnamed_reviewed=len(fates[Fate.MISNAMED] & queue.reviewed),
        outlived=len(fates[Fate.OUTLIVES_KEY]),
        twice=len(fates[Fate.TWICE]),
        denied=len(fates[Fate.DENIED]),
        put_off=len(fates[Fate.PUT_OFF]),
        forgotten=len(fates[Fate.FORGOTTEN]),
        forgotten_twice=len(again),
        done_twice=len(twice),
        given_back=went_back.given_back,
        late_webhooks=len(late),
        longest_doubt_s={name: round(took_s, 1) for name, took_s in waited.longest_s.items()},
        reviewed=len(queue.reviewed),
        drive_s=round(drive_s, 1),
        settle_s=round(settle_s, 1),
        problems=problems,
        audit=report,
        unexplained=unexplained(report.invariants, frozenset(twice)),
        live_audits=live.audits,
        broken_live=[live.broken[name] for name in unexplained(live.broken.values(), frozenset(twice))],
    )


def expected_queue(
    fates: Mapping[Fate, frozenset[str]],
    put_off_without_keys: frozenset[str],
    again: frozenset[str],
    in_vain: frozenset[str],
    twice: frozenset[str],
) -> Expected:
    """Whom the queue must name. A second refund waits for people, too; what was sent ``again`` is as done twice.

    What was put off and has no key is sent again: it is done ``twice`` then, or refused for want of room.
    """
    return Expected(
        reviewed=frozenset().union(*(fates[fate] for fate in REVIEWED)) - in_vain,
        found=(fates[Fate.TWICE] - in_vain) | again | (put_off_without_keys & twice),
        denied=fates[Fate.DENIED] | put_off_without_keys,
        may_be=fates[Fate.MISNAMED] | put_off_without_keys,
    )


def _may_be_done_twice(planned: list[Planned], driven: Driven) -> frozenset[str]:
    """By plan: a processor does it twice unasked, forgets its key, or says "not executed" and keeps no keys."""
    twice = _of(Fate.TWICE, planned, driven) | _of(Fate.FORGOTTEN, planned, driven)
    return twice | _of_beta(_of(Fate.PUT_OFF, planned, driven), planned, driven)


def _of_beta(payments: frozenset[str], planned: list[Planned], driven: Driven) -> frozenset[str]:
    at_beta = {driven.payments.get(item.number) for item in planned if item.processor == "beta"}
    return frozenset(payment for payment in payments if payment in at_beta)


def _of(fate: Fate, planned: list[Planned], driven: Driven) -> frozenset[str]:
    return frozenset(
        driven.payments[item.number]
        for item in planned
        if item.fate is fate and item.number in driven.payments
    )


def _tell(console: Console, storm: Storm, planned: list[Planned], home: Path) -> None:
    console.print(
        f"{storm.payments} payments, {storm.faults} faults, driven in {storm.drive_s:.0f} s"
        f" ({storm.payments / storm.drive_s:.0f} payments/s); nothing pending {storm.settle_s:.0f} s later"
    )
    kinds = {processor: sum(item.processor == processor for item in planned) for processor in PROCESSORS}
    console.print(
        f"at the processors: {kinds}; evidence lost for good: {storm.lost}; lied about: {storm.lied};"
        f" misnamed: {storm.misnamed}, of which in review: {storm.misnamed_reviewed};"
        f" in review: {storm.reviewed}; silent until their keys were dead: {storm.outlived}"
    )
    console.print(
        f"done twice unasked: {storm.twice}; denied: {storm.denied}; put off: {storm.put_off}; keys"
        f" forgotten: {storm.forgotten}, of which sent again: {storm.forgotten_twice}; twice in the processors' books:"
        f" {storm.done_twice}; astray and given back: {storm.given_back}; webhooks days late of"
        f" {storm.late_webhooks} payments;"
        f" the longest from request to decision or case, in s: {dict(storm.longest_doubt_s)}"
    )
    console.print(f"the auditor asked {len(storm.audit.invariants)} invariants after what was lost came back")
    console.print(f"while payments were struck it asked {storm.live_audits} times what holds at any moment")
    for problem in storm.problems[:40]:
        console.print(f"[red]problem[/red] {problem}")
    broken = [found for found in storm.audit.invariants if found.name in storm.unexplained]
    for when, invariants in (("", broken), (" while payments were struck", storm.broken_live)):
        for invariant in invariants:
            for row in invariant.violations[:5]:
                console.print(f"[red]{invariant.name}{when}[/red] {row}")
    if storm.holds:
        console.print("[bold green]The books tie out.")
    else:
        console.print(f"[bold red]It does NOT hold;[/bold red] logs: {Layout(home).logs}")
