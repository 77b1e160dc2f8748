"""Owns what a report may be asked for: the same words over HTTP and on the command line."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, TypeVar

from services.sandbox.app.plant_errors import PlantErrors
from services.sandbox.app.report_formats import BANK_FORMATS, SETTLEMENT_FORMATS
from services.sandbox.app.reports import Reports
from services.sandbox.app.settlement_ports import Span
from shared.kernel.clock import Clock
from shared.kernel.errors import Rejected
from shared.kernel.money import normalise_currency

SETTLEMENT: Final = "settlement"
BANK: Final = "bank"
EDITION: Final = "edition"
FIRST, LAST = "first", "last"
FIELDS: Final[Mapping[str, frozenset[str]]] = {
    SETTLEMENT: frozenset({"processor", "format", "from", "to", "seed", "edition"}),
    BANK: frozenset({"currency", "format", "from", "to", "seed"}),
}
DAYS_MAX: Final = 366
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report that can be made: its bytes come as they are asked for."""

    media_type: str
    pieces: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDesk:
    """Takes requests for reports; all that is wrong with one is said before its first byte."""

    reports: Reports
    planting: PlantErrors
    clock: Clock
    processors: tuple[str, ...]

    async def report(self, what: str, query: Mapping[str, str]) -> Report:
        """The report of a query: ``settlement`` of a processor, or ``bank`` of a currency's account."""
        for name in query:
            if name not in FIELDS[what]:
                raise _refused(name, f"Expected {', '.join(sorted(FIELDS[what]))}.")
        span = self._span(query)
        told = await self.planting.distortions(query.get("seed"))
        if what == SETTLEMENT:
            writer = _one_of(query, "format", SETTLEMENT_FORMATS)()
            processor = _one_of(query, "processor", {name: name for name in self.processors})
            edition = _one_of({EDITION: LAST} | dict(query), EDITION, self._editions)
            return Report(media_type=writer.media_type, pieces=edition(processor, span, writer, told))
        statements = _one_of(query, "format", BANK_FORMATS)()
        currency = normalise_currency(query.get("currency", ""))
        return Report(
            media_type=statements.media_type, pieces=self.reports.bank(currency, span, statements, told)
        )

    @property
    def _editions(self) -> Mapping[str, Callable[..., AsyncIterator[bytes]]]:
        return {LAST: self.reports.settlement, FIRST: self.reports.first_edition}

    def _span(self, query: Mapping[str, str]) -> Span:
        """The days asked for, none after today: what has not come yet is on no report."""
        today = self.clock.now().date()
        last = min(_day(query, "to") or today, today)
        first = _day(query, "from") or last
        if not timedelta(0) <= last - first < timedelta(days=DAYS_MAX):
            raise _refused(
                "from", f"Expected 1 to {DAYS_MAX} days, the first of them not after the last or today."
            )
        return Span(first=first, last=last)


def _day(query: Mapping[str, str], name: str) -> date | None:
    if name not in query:
        return None
    try:
        return date.fromisoformat(query[name])
    except ValueError:
        raise _refused(name, "Expected a day such as 2026-11-27.") from None


def _one_of(query: Mapping[str, str], name: str, known: Mapping[str, _T]) -> _T:
    try:
        return known[query.get(name, "")]
    except KeyError:
        raise _refused(name, f"Required: one of {', '.join(known)}.") from None


def _refused(param: str, message: str) -> Rejected:
    return Rejected("field_invalid", message, status=400, param=param, stored=False)
