"""The end of the demo's day: payouts are reported, the bank tells what came, and every planted error is found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final

from tools.demo.clearing import Cleared, cleared
from tools.demo.office import Office, Row
from tools.demo.outside import OutsideWorld, days_until
from tools.local_stack.layout import Layout
from tools.local_stack.services import ALPHA_ACCOUNT, BETA_ACCOUNT

SEED: Final = "demo"
ACCOUNTS: Final = {"alpha": ALPHA_ACCOUNT, "beta": BETA_ACCOUNT}
#: The formats of each processor's reports, day by day: what changes between is only how its files are read.
REPORTS: Final = {
    "alpha": ("stripe_payout_csv", "tieout_csv"),
    "beta": ("adyen_settlement_csv", "adyen_settlement_csv"),
}
STATEMENTS: Final = {"EUR": "camt053", "USD": "mt940", "JPY": "bai2", "KWD": "camt053"}
#: What the processors take of a charge by contract, in millionths and in minor units.
PRICES: Final[Mapping[tuple[str, str], tuple[int, int]]] = {
    ("alpha", "EUR"): (15_000, 25),
    ("alpha", "USD"): (29_000, 30),
    ("alpha", "JPY"): (36_000, 0),
    ("alpha", "KWD"): (29_000, 300),
    ("beta", "EUR"): (12_000, 10),
    ("beta", "USD"): (22_000, 12),
    ("beta", "JPY"): (25_000, 0),
    ("beta", "KWD"): (25_000, 100),
}
PAGE_NAME: Final = "reconciliation.html"
SPARE_DAYS: Final = 5
"""More than a credit in two halves takes to come whole, weekends included."""
LOST_AFTER: Final = timedelta(days=40)
"""By then whatever has not come is not late any more, by any calendar: it is missing."""
HEALED: Final = frozenset({"late"})
"""Errors that the next report mends: their breaks close themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A break, or an error as the break that it has to be found as."""

    type: str
    processor: str | None
    currency: str
    at_risk_minor: int

    @classmethod
    def of(cls, row: Row, kind: str) -> Found:
        """Of a break, or of a row of the answer key."""
        return cls(
            type=row[kind],
            processor=row["processor"],
            currency=row["currency"],
            at_risk_minor=row["at_risk_minor"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DayEnd:
    """What reconciliation made of the day."""

    planted: Sequence[Row]
    breaks: Sequence[Row]
    payouts: Sequence[Row]
    cleared: Sequence[Cleared]
    page: Path
    """The report page of these days."""
    days: tuple[date, date]

    @property
    def missed(self) -> list[Found]:
        """Planted and not found."""
        return sorted((_expected(self.planted) - _found(self.breaks)).elements(), key=str)

    @property
    def unplanned(self) -> list[Found]:
        """Found and never planted."""
        return sorted((_found(self.breaks) - _expected(self.planted)).elements(), key=str)

    @property
    def unexplained(self) -> list[Row]:
        """Payouts with money left that no break names."""
        return [payout for payout in self.payouts if not payout["explained"]]

    @property
    def uncleared(self) -> list[Cleared]:
        """Clearing accounts on which the ledger and the open items do not agree."""
        return [account for account in self.cleared if not account.agrees]

    @property
    def holds(self) -> bool:
        """Every planted error was found, nothing else was, each payout is explained, and the ledger agrees."""
        amiss = self.missed or self.unplanned or self.unexplained or self.uncleared
        return bool(self.planted and self.payouts and self.cleared) and not amiss


def watched_folder(place: Layout) -> Path:
    """Where the bank puts its statements."""
    return place.home / "inbox"


def reconciliation_settings(place: Layout) -> dict[str, str]:
    """How the demo's reconciliation runs: it looks into the folder, and oftener than people would need."""
    watched_folder(place).mkdir(parents=True, exist_ok=True)
    return {
        "WATCHED_FOLDER": str(watched_folder(place)),
        "FOLDER_INTERVAL_S": "1",
        "MATCHING_INTERVAL_S": "1",
        # Payments act on what lines prove: not on what a report was made to say wrongly, before it is shown.
        "REPORTING_AFTER_S": "86400",
    }


class DayAtTheBank:
    """Two days on which processors pay out, and the reports of both."""

    def __init__(self, outside: OutsideWorld, office: Office, folder: Path) -> None:
        self._outside, self._office, self._folder = outside, office, folder
        self._page = folder.parent / PAGE_NAME
        self._payouts: list[Row] = []

    def pay_out(self, fates: Mapping[str, str] = {}) -> None:
        """Everything that the processors hold is paid out; then the day is over."""
        for processor in REPORTS:
            self._payouts += self._outside.pay_out(processor, fates.get(processor))
        self._outside.let_pass(1)

    def reconcile(self) -> DayEnd:
        """Let the money arrive, plant errors, send every report in, match, and compare with the answer key."""
        self._outside.let_pass(days_until(self._payouts, SPARE_DAYS))
        planted = self._outside.plant(SEED)
        made = sorted({payout["made_on"] for payout in self._payouts})
        first = date.fromisoformat(made[0])
        last = first + timedelta(days=len(made) + days_until(self._payouts, SPARE_DAYS))
        self._office.all_staged(self._send_statements(first, last) + self._send_reports(made))
        as_of = datetime.combine(last, time(), UTC) + LOST_AFTER

        def settled() -> DayEnd | None:
            self._office.run(as_of.isoformat())
            found = self._look(planted, first, last)
            return found if found.holds else None

        try:
            ended: DayEnd = self._office.wait(settled, "the planted breaks, no more and no less")
        except AssertionError:  # what is amiss is shown
            ended = self._look(planted, first, last)
        self._page.write_text(self._office.page(first, last))
        return ended

    def _look(self, planted: Sequence[Row], first: date, last: date) -> DayEnd:
        span = {"first_day": first.isoformat(), "last_day": last.isoformat()}
        return DayEnd(
            planted=planted,
            breaks=self._office.get("/breaks", limit=1_000)["data"],
            cleared=cleared(self._office.database, self._office.clearing()),
            page=self._page,
            payouts=self._office.get("/explained/payouts", **span, limit=1_000)["data"],
            days=(first, last),
        )

    def _send_reports(self, days: Sequence[str]) -> int:
        """By upload, one file per processor and day."""
        for processor, forms in REPORTS.items():
            source = f"{processor}_report"
            whose = {"processor": processor, "account": ACCOUNTS[processor]}
            self._office.declare(source, forms[0], **whose)
            for (whose_price, currency), (per_million, fixed_minor) in PRICES.items():
                if whose_price == processor:
                    self._office.agree(source, currency, per_million, fixed_minor)
            for day, form in zip(days, forms, strict=True):
                self._office.declare(source, form, **whose)
                content = self._outside.settlement(processor, form, day, SEED)
                sent = self._office.send(source, f"{processor}-{day}.csv", content)
                self._office.staged(sent)  # as the format that was declared for it
        return len(REPORTS) * len(days)

    def _send_statements(self, first: date, last: date) -> int:
        """By the watched folder: written under another name first, as it asks for."""
        for currency, form in STATEMENTS.items():
            source = f"bank_{currency.lower()}"
            self._office.declare(source, form, bank_account=source)
            folder = self._folder / source
            folder.mkdir(parents=True, exist_ok=True)
            begun = folder / f"{source}.part"
            begun.write_bytes(self._outside.statement(currency, form, first, last, SEED))
            begun.replace(folder / f"{source}.{form}")
        return len(STATEMENTS)


def _expected(planted: Sequence[Row]) -> Counter[Found]:
    return Counter(Found.of(error, "break_type") for error in planted if error["error"] not in HEALED)


def _found(breaks: Sequence[Row]) -> Counter[Found]:
    return Counter(Found.of(found, "type") for found in breaks)
