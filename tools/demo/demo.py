"""The main job on a fresh machine: a whole stack, payments of every kind, faults, and the proof; then a clean stop."""

import asyncio
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from rich.console import Console
from rich.table import Table

from tools.auditor.addresses import Addresses
from tools.auditor.audit import Report, audit
from tools.demo.day_tables import day_as_json, print_day
from tools.demo.drive import Driven, drive, progress_display
from tools.demo.healing import print_healed, told_live
from tools.demo.office import Office
from tools.demo.outside import OutsideWorld
from tools.demo.reconciling import DayAtTheBank, DayEnd, reconciliation_settings, watched_folder
from tools.demo.risk import RiskDesk, deny_late, risk_scenarios
from tools.demo.sandbox_script import SandboxScript
from tools.demo.scenarios import EVENING, SCENARIOS
from tools.demo.stories import STORIES, Story
from tools.demo.storytelling import Narrator
from tools.local_stack.layout import DEFAULT_HOME, Layout
from tools.local_stack.stack import LocalStack

DEMO_HOME: Final = DEFAULT_HOME / "demo"
DRAIN_S: Final = 120.0
PROCESSORS: Final = ("alpha", "beta")
PROBLEMS_SHOWN: Final = 3
"""Of each kind of payment; all of them are in the JSON."""


def run_demo(console: Console, *, keep: bool = False) -> dict[str, object]:
    """Run it all on empty data; returns the proof, whose ``ties_out`` is the verdict.

    The stack is stopped at the end, on failure and on Ctrl-C alike; ``keep`` leaves it running.
    """
    stack = _empty_stack()
    try:
        console.print("[bold]Starting Tieout[/bold]")
        stack.up(lambda step: console.print(f"  [green]·[/green] {step}"), empty=True)
        console.print("[bold]Driving payments[/bold]")
        merchants = {name: stack.merchant(lambda _: None, name) for name in PROCESSORS}
        api_keys = {name: merchant.api_key for name, merchant in merchants.items()}
        desk = RiskDesk.of(stack)
        desk.put_in_force(merchants["alpha"].merchant_id)
        bank = DayAtTheBank(OutsideWorld(stack), Office(stack), watched_folder(stack.place))
        payment_database = stack.reader_urls()["payment"]
        with progress_display(console) as progress, told_live(payment_database, console) as doubts:
            scenarios = (*SCENARIOS, *risk_scenarios(desk))
            driven = asyncio.run(drive(stack.url("payment"), api_keys, "demo", scenarios, progress))
            bank.pay_out()
            driven += asyncio.run(drive(stack.url("payment"), api_keys, "demo-evening", EVENING, progress))
            driven += deny_late(stack, api_keys["alpha"], progress)
        console.print("[bold]Waiting until everything has been delivered, then auditing[/bold]")
        addresses = Addresses(stack.reader_urls(), stack.bootstrap, stack.topic_prefix)
        report = audit(addresses, drained=True, deadline_s=DRAIN_S)
        console.print(
            "[bold]Reconciling the day with the processors' reports and the bank's statements[/bold]"
        )
        bank.pay_out({"alpha": "split"})
        day = bank.reconcile()
        console.print("[bold]Auditing once more, with the day's settlement in the books[/bold]")
        settled = audit(addresses, drained=True, deadline_s=DRAIN_S)
    finally:
        if not keep:
            stack.down()
    print_healed(console, doubts)
    _print_proof(console, driven, report)
    print_day(console, day)
    _print_settled(console, settled)
    return _as_json(driven, report, settled, day) | {"healed": [asdict(kind) for kind in doubts.healed()]}


def run_story(console: Console, name: str, *, keep: bool = False) -> dict[str, object]:
    """Tell one story on a stack of its own; ``ties_out`` is the verdict of both books, and of the auditor on all."""
    story = STORIES[name]
    stack = _empty_stack()
    try:
        console.print("[bold]Starting Tieout[/bold]")
        stack.up(lambda step: console.print(f"  [green]·[/green] {step}"), empty=True)
        ended = tell_story(stack, story, console)
        addresses = Addresses(stack.reader_urls(), stack.bootstrap, stack.topic_prefix)
        report = audit(addresses, drained=True, deadline_s=DRAIN_S)
    finally:
        if not keep:
            stack.down()
    ties_out = bool(ended["ties_out"]) and report.holds
    _print_verdict(console, report, ties_out=ties_out)
    return {"story": name} | ended | {"ties_out": ties_out, "audit": asdict(report)}


def _print_verdict(console: Console, report: Report, *, ties_out: bool) -> None:
    """What the auditor finds in the ledger and everywhere else once all is delivered, and the verdict."""
    console.print(
        f"\n[bold]The auditor[/bold] asked {len(report.invariants)} invariants of every book and topic"
    )
    for invariant in report.invariants:
        if not invariant.holds:
            console.print(f"  [red]{invariant.name} does not hold[/red]: {invariant.explanation}")
    console.print("[bold green]The books tie out." if ties_out else "[bold red]The books do NOT tie out.")


def tell_story(stack: LocalStack, story: Story, console: Console) -> dict[str, object]:
    """Tell it at a stack that is up."""
    console.print(f"\n[bold]{story.title}[/bold]")
    with SandboxScript(stack) as script:
        narrator = Narrator(stack, console, story.processor, script)
        story.tell(narrator)
        return {"payment": narrator.payment_id, "ties_out": narrator.tell_all()}


def print_stories(console: Console) -> None:
    """The names that can be asked for."""
    table = Table("FAULT=", "at", "what happens", title="Stories: make demo FAULT=<name>")
    for name, story in STORIES.items():
        table.add_row(name, story.processor, story.title)
    console.print(table)


def _empty_stack() -> LocalStack:
    LocalStack(Layout(DEMO_HOME)).down()
    shutil.rmtree(DEMO_HOME)
    place = Layout(DEMO_HOME)
    return LocalStack(place, extra_settings={"reconciliation": reconciliation_settings(place)})


def _as_json(driven: Sequence[Driven], report: Report, settled: Report, day: DayEnd) -> dict[str, object]:
    problems = [problem for item in driven for problem in item.problems]
    return {
        "ties_out": report.holds and settled.holds and all(item.good for item in driven) and day.holds,
        "payments": sum(len(item.outcomes) for item in driven),
        "problems": problems,
        "audit": asdict(report),
        "audit_after_settlement": asdict(settled),
        "reconciliation": day_as_json(day),
    }


def _print_settled(console: Console, settled: Report) -> None:
    """What the second audit says that the first could not: only what does not hold is worth a line of its own."""
    broken = [invariant for invariant in settled.invariants if not invariant.holds]
    for invariant in broken:
        console.print(f"[red]{invariant.name} does not hold after settlement[/red]: {invariant.explanation}")
    if not broken:
        console.print(f"After settlement all {len(settled.invariants)} invariants hold.")


def _print_proof(console: Console, driven: Sequence[Driven], report: Report) -> None:
    statuses = Counter(outcome.seen.status for item in driven for outcome in item.outcomes)
    table = Table("payments by status", "count", title="What the merchant was told")
    for status, number in sorted(statuses.items()):
        table.add_row(status, str(number))
    table.add_row("[bold]all", f"[bold]{statuses.total()}")
    console.print(table)
    proof = Table("invariant", "checked", "verdict", title="The proof")
    for invariant in report.invariants:
        proof.add_row(
            f"{invariant.name}: {invariant.explanation}",
            str(invariant.checked),
            "[green]holds" if invariant.holds else "[red]BROKEN",
        )
    console.print(proof)
    for name, figure in report.figures.items():
        console.print(f"  {name}: {figure}")
    for item in driven:
        for problem in item.problems[:PROBLEMS_SHOWN]:
            console.print(f"[red]problem[/red] {problem}")
    for invariant in report.invariants:
        for row in invariant.violations[:5]:
            console.print(f"[red]{invariant.name}[/red] {row}")
    ties_out = report.holds and all(item.good for item in driven)
    console.print("[bold green]The books tie out." if ties_out else "[bold red]The books do NOT tie out.")
