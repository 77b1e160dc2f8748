"""Shows what reconciliation made of the demo's day: errors beside breaks, and payouts explained to zero."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from shared.kernel.money import currency_scale
from tools.demo.reconciling import HEALED, DayEnd, Found

_PARTS: Final = (
    "charges_minor", "refunds_minor", "disputes_minor", "reversals_minor", "fees_minor", "net_minor",
    "bank_credit_minor", "residue_minor",
)  # fmt: skip
_HEADINGS: Final = (
    "charges",
    "refunds",
    "disputes",
    "reversals",
    "fees",
    "net",
    "at the bank",
    "left",
    "named by",
)


def print_day(console: Console, day: DayEnd) -> None:
    """Both tables, what does not fit, and the verdict."""
    planted = Table(
        "planted in a report", "at", "money at risk", "has to be found as", title="The answer key"
    )
    for error in day.planted:
        what = (
            f"{error['break_type']}, closed by the next report"
            if error["error"] in HEALED
            else error["break_type"]
        )
        planted.add_row(
            error["error"], error["processor"] or "the bank", _money(error["at_risk_minor"], error), what
        )
    console.print(planted)
    payouts = Table("payout", "", *_HEADINGS, title="Each payout explained to zero")
    for payout in day.payouts:
        parts = [_figure(payout[name], payout["currency"]) for name in _PARTS]
        payouts.add_row(payout["payout_id"], payout["currency"], *parts, payout["named_by"] or "")
    console.print(payouts)
    accounts = Table("clearing account", "of", "", "ledger", "open items", title="What is left to clear")
    for account in day.cleared:
        figures = (_figure(minor, account.currency) for minor in (account.ledger_minor, account.open_minor))
        accounts.add_row(account.family, account.owner, account.currency, *figures)
    console.print(accounts)
    for account in day.uncleared:
        console.print(f"[red]ledger and open items differ[/red] {account}")
    for found in day.missed:
        console.print(f"[red]planted and not found[/red] {_said(found)}")
    for found in day.unplanned:
        console.print(f"[red]found and never planted[/red] {_said(found)}")
    for payout in day.unexplained:
        console.print(f"[red]not explained[/red] {payout['payout_id']} {payout['currency']}")
    console.print(f"The report page: {day.page}", soft_wrap=True)
    console.print(
        f"[bold green]{len(day.breaks)} breaks stand, each of them planted; {len(day.payouts)} payouts are explained;"
        " the ledger's clearing agrees with what is open."
        if day.holds
        else "[bold red]Reconciliation did NOT find what was planted, and nothing else."
    )


def day_as_json(day: DayEnd) -> dict[str, Any]:
    """The same for programs."""
    return {
        "holds": day.holds,
        "planted": list(day.planted),
        "breaks": list(day.breaks),
        "missed": [asdict(found) for found in day.missed],
        "unplanned": [asdict(found) for found in day.unplanned],
        "payouts": list(day.payouts),
        "clearing": [asdict(account) for account in day.cleared],
        "page": str(day.page),
    }


def _said(found: Found) -> str:
    money = _figure(found.at_risk_minor, found.currency)
    return f"{found.type} at {found.processor or 'the bank'}: {money} {found.currency}"


def _money(minor: int, row: dict[str, Any]) -> str:
    return f"{_figure(minor, row['currency'])} {row['currency']}"


def _figure(minor: int, currency: str) -> str:
    scale = currency_scale(currency)
    return f"{minor / 10**scale:.{scale}f}"
