"""Two months of one small shop, from bytes of files to figures: what January leaves open comes in February."""

from __future__ import annotations

from datetime import UTC, datetime

from services.reconciliation.app.announce_lines import announce_lines
from services.reconciliation.app.close_month import approve_close, propose_close
from services.reconciliation.tests.reports import declare, prefer, report, take_in
from services.reconciliation.tests.three_legs import World
from services.reconciliation.tests.writers import (
    camt_entry,
    camt_file,
    camt_statement,
    tieout_payout,
    tieout_row,
)
from shared.kernel.months import Month
from shared.kernel.operators import Actor

JANUARY, FEBRUARY = Month(2026, 1), Month(2026, 2)
ADA, BOB = Actor(name="ada", role="operator"), Actor(name="bob", role="approver")


def at(month: int, day: int) -> datetime:
    """Ten o'clock of a day of 2026."""
    return datetime(2026, month, day, 10, tzinfo=UTC)


class Shop(World):
    """Payments without fees of ``acct_1``, one report per payout, and the bank's statements."""

    def __init__(self, desk) -> None:
        super().__init__(desk)
        declare(desk)
        self._statements = 0

    def sold(self, number: int, minor: int, month: int, day: int) -> None:
        """A capture of ours."""
        self.captured(number, minor, account="acct_1", at=at(month, day))

    def reported(self, payout_id: str, due: tuple[int, int], *rows: tuple[int, int, tuple[int, int]]):
        """The report of a payout: rows of number, minor units and day."""
        written = [
            tieout_row(
                number, payout_id, minor=minor, fee_minor=0, created_utc=f"{at(*day):%Y-%m-%d %H:%M:%S}",
                available_on_utc=f"{at(*due):%Y-%m-%d %H:%M:%S}",
            )
            for number, minor, day in rows
        ]  # fmt: skip
        own = tieout_payout(f"{payout_id}_total", payout_id, sum(minor for _, minor, _ in rows))
        days = {
            "created_utc": f"{at(*due):%Y-%m-%d %H:%M:%S}",
            "available_on_utc": f"{at(*due):%Y-%m-%d %H:%M:%S}",
        }
        staged = take_in(self.desk, report([*written, own | days]))
        self.desk.run(announce_lines)
        return staged

    def corrected(self, payout_id: str, due: tuple[int, int], *rows: tuple[int, int, tuple[int, int]]):
        """A report of the payout that holds over the one that came before, as a person says."""
        staged = self.reported(payout_id, due, *rows)
        return prefer(self.desk, staged)

    def credited(self, *entries: tuple[int, str, tuple[int, int]]):
        """A statement: entries of minor units, text and day."""
        self._statements += 1
        written = [
            camt_entry(
                minor, reference=f"bank_{self._statements}_{n}", text=text, booked=f"{at(*day):%Y-%m-%d}"
            )
            for n, (minor, text, day) in enumerate(entries)
        ]
        total = sum(minor for minor, _, _ in entries)
        statement = camt_statement(f"S{self._statements}", written, 0, total)
        return take_in(self.desk, camt_file(statement), source="bank", name="camt.xml")

    def january(self) -> None:
        """Ten sold, nine reported of which one too low; the payout is on the bank; one sale comes in February."""
        self.sold(1, 10_000, 1, 10)
        self.sold(2, 7_000, 1, 11)
        self.sold(3, 500, 1, 31)
        self.reported("po_january", (1, 14), (1, 10_000, (1, 10)), (2, 6_900, (1, 11)))
        self.credited((16_900, "PAYOUT po_january", (1, 15)))

    def february(self) -> None:
        """The sale of January's last day is reported and paid out, and one of February's own."""
        self.sold(4, 2_000, 2, 5)
        self.reported("po_february", (2, 9), (3, 500, (2, 1)), (4, 2_000, (2, 5)))
        self.credited((2_500, "PAYOUT po_february", (2, 10)))

    def propose(self, month: Month, actor: Actor = ADA):
        return self.desk.run(lambda uow: propose_close(month, "month is over", actor, uow))

    def approve(self, close, actor: Actor = BOB):
        return self.desk.run(lambda uow: approve_close(close.close_id, "seen", actor, uow))

    def close(self, month: Month):
        return self.approve(self.propose(month))

    def rolls(self, month: Month):
        """By leg: opening, ours, theirs, closing; timing, broken, accepted."""
        return {
            leg: (tuple(row[:4]), tuple(row[4:]))
            for leg, *row in self.rows(
                "SELECT leg, opening_minor, ours_minor, theirs_minor, closing_minor, timing_minor, broken_minor,"
                " accepted_minor FROM period_rolls WHERE period = :period",
                period=str(month),
            )
        }

    def positions(self, month: Month):
        """By subject: band and name."""
        return {
            subject: (band, name)
            for subject, band, name in self.rows(
                "SELECT subject, band, named_by FROM period_positions WHERE period = :period",
                period=str(month),
            )
        }
