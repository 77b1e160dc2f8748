"""Owns what a report says wrongly: nothing, unless it is asked for with the errors that were planted by a seed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from services.sandbox.domain.balance_transactions import BalanceTransaction
from services.sandbox.domain.bank import BankEntry
from services.sandbox.domain.planted_errors import EntryShift

LineKey = tuple[str | None, str]
"""A line's processor and its id there: each processor numbers its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distortions:
    """The planted errors of one report, by what they change. The book knows nothing of them."""

    changed: Mapping[LineKey, BalanceTransaction] = field(default_factory=dict)
    left_out: frozenset[LineKey] = frozenset()
    """Lines that the report does not have at their place."""
    twice: frozenset[LineKey] = frozenset()
    """Lines that stand twice, and count once."""
    cut_at: frozenset[LineKey] = frozenset()
    """Lines in whose middle the file ends."""
    added: Mapping[str, Sequence[BalanceTransaction]] = field(default_factory=dict)
    """Lines that it has too many, by payout."""
    shifted: Mapping[str, Sequence[EntryShift]] = field(default_factory=dict)
    """What the bank's entries are more than they were, by the entry's id: they agree with the report."""
    unbooked: Mapping[str, BankEntry] = field(default_factory=dict)
    """Entries that the statement does not have, by id."""
    invented: Sequence[BankEntry] = ()
    """Entries that it has too many."""
    totals: Mapping[LineKey, int] = field(default_factory=dict)
    """What a payout's own row is more than its lines, by processor and payout."""
    unreadable: Mapping[str, Sequence[BalanceTransaction]] = field(default_factory=dict)
    """Rows that nobody can read, by payout: they count nowhere."""
    said_before: Mapping[str, Sequence[BalanceTransaction]] = field(default_factory=dict)
    """Lines as the first edition of a report tells them, by payout."""
    unwritten: Sequence[BankEntry] = ()
    """Entries that the statement of their day does not have, though its closing balance does."""
    unheard: Sequence[BankEntry] = ()
    """Entries of a statement that never came: the opening balance of their day has them."""

    def line(self, line: BalanceTransaction) -> BalanceTransaction | None:
        """The line as the report tells it; none where it leaves it out."""
        key = line_key(line)
        return None if key in self.left_out else self.changed.get(key, line)

    def entry(self, entry: BankEntry) -> BankEntry | None:
        """The entry as the statement tells it."""
        if entry.id in self.unbooked:
            return None
        for shift in self.shifted.get(entry.id, ()):
            parts = tuple(
                replace(part, amount_minor=part.amount_minor + shift.amount_minor)
                if part.payout_id == shift.payout_id
                else part
                for part in entry.parts
            )
            entry = replace(entry, amount_minor=entry.amount_minor + shift.amount_minor, parts=parts)
        return entry

    def balance_shift(self, currency: str, before: date) -> int:
        """What the balance of the currency's account before that day is more than it was."""
        shifts = (shift for found in self.shifted.values() for shift in found)
        return (
            sum(shift.amount_minor for shift in shifts if _counts(shift, currency, before))
            + sum(
                entry.amount_minor
                for found in (self.invented, self.unwritten, self.unheard)
                for entry in found
                if _counts(entry, currency, before)
            )
            - sum(entry.amount_minor for entry in self.unbooked.values() if _counts(entry, currency, before))
        )

    def opening_shift(self, currency: str, day: date) -> int:
        """What the balance is more that the statement of that day opens with: what was booked there and never told."""
        return self.balance_shift(currency, day) + sum(
            entry.amount_minor
            for entry in self.unheard
            if entry.currency == currency and entry.booked_on == day
        )

    def invented_on(self, day: date) -> Iterable[BankEntry]:
        """The entries of that day that nobody booked."""
        return (entry for entry in self.invented if entry.booked_on == day)


def line_key(line: BalanceTransaction) -> LineKey:
    """The line's name among those of every processor."""
    return line.processor, line.id


def _counts(found: EntryShift | BankEntry, currency: str, before: date) -> bool:
    return found.currency == currency and found.booked_on < before


HONEST = Distortions()
