"""Owns the choice of errors by seed: which line or entry bears which, each at most one."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from services.sandbox.domain.balance_transactions import BalanceTransaction
from services.sandbox.domain.bank import BankEntry, bank_reference
from services.sandbox.domain.error_makers import MAKERS
from services.sandbox.domain.planted_errors import BREAK_TYPES, Candidate, EntryShift, Error, Planted


@dataclass(slots=True)
class Planter:
    """Makes the errors of one seed. Every line and entry is used at most once, and none comes to nothing."""

    seed: str
    used: set[tuple[str | None, str]] = field(default_factory=set)
    """By processor and id: each processor numbers its own lines, and the bank its entries."""
    shifted: dict[str, int] = field(default_factory=dict)

    def plant(self, error: Error, found: Candidate) -> Planted | None:
        """The error made from this line; none where the line is used or does not allow it."""
        line = found.line
        if self.has_used(line) or (error is Error.TOTAL and self._has_total(found)):
            return None
        made = MAKERS[error](found, self._draw(error, line.id))
        if made is None or not self._shift(made.entry_shifts, (*found.entries, *found.next_entries)):
            return None
        self.used.add((line.processor, line.id))
        if error is Error.TOTAL:
            self.used.add((line.processor, found.payout.id))
        return made

    def has_used(self, line: BalanceTransaction) -> bool:
        """Whether the line bears an error already."""
        return (line.processor, line.id) in self.used

    def unbook(self, entry: BankEntry) -> Planted | None:
        """The entry is not on the statement."""
        if (None, entry.id) in self.used or entry.id in self.shifted or len(entry.parts) != 1:
            return None
        self.used.add((None, entry.id))
        part = entry.parts[0]
        return Planted(
            error=Error.UNBOOKED,
            break_type=BREAK_TYPES[Error.UNBOOKED],
            processor=part.processor,
            account=None,
            currency=entry.currency,
            payout_id=part.payout_id,
            reference=entry.reference,
            true_minor=entry.amount_minor,
            told_minor=0,
            at_risk_minor=abs(entry.amount_minor),
            unbooked=entry,
        )

    def invent(self, beside: BankEntry) -> Planted:
        """An entry of that day that nobody booked."""
        entry = self._incoming(Error.INVENTED, beside)
        return _of_entry(Error.INVENTED, entry, told_minor=entry.amount_minor, invented=entry)

    def lose(self, error: Error, beside: BankEntry) -> Planted | None:
        """An entry that balances have and no statement does: the statement of its day lost it, or was lost before it.

        None where one is lost there already: of one day nobody could tell two apart.
        """
        place = (f"{error}|{beside.currency}", beside.booked_on.isoformat())
        if place in self.used:
            return None
        self.used.add(place)
        entry = self._incoming(error, beside)
        return _of_entry(error, entry, told_minor=0, unwritten=entry)

    def _incoming(self, error: Error, beside: BankEntry) -> BankEntry:
        drawn = self._draw(error, beside.id)
        reference = f"UNKNOWN{drawn % 10**9:09d}"
        return BankEntry(
            id=f"ent_{reference}",
            currency=beside.currency,
            amount_minor=1 + drawn % 100_000,
            booked_on=beside.booked_on,
            value_on=beside.value_on,
            reference=reference,
            bank_reference=bank_reference(reference),
            text=f"INCOMING PAYMENT {reference}",
            returns=None,
            parts=(),
        )

    def _has_total(self, found: Candidate) -> bool:
        """Whether the payout's own row says another sum already."""
        return (found.line.processor, found.payout.id) in self.used

    def _draw(self, error: Error, subject: str) -> int:
        return int.from_bytes(hashlib.sha256(f"{self.seed}|{error}|{subject}".encode()).digest()[:8])

    def _shift(self, shifts: Iterable[EntryShift], entries: Iterable[BankEntry]) -> bool:
        """Count the shifts, unless an entry would come to nothing or turn round, or is not there at all."""
        sums = dict(self.shifted)
        amounts = {entry.id: entry.amount_minor for entry in entries}
        for shift in shifts:
            sums[shift.entry_id] = sums.get(shift.entry_id, 0) + shift.amount_minor
            after_minor = amounts[shift.entry_id] + sums[shift.entry_id]
            if (None, shift.entry_id) in self.used or after_minor * amounts[shift.entry_id] <= 0:
                return False
        self.shifted.update(sums)
        return True


def _of_entry(
    error: Error,
    entry: BankEntry,
    *,
    told_minor: int,
    invented: BankEntry | None = None,
    unwritten: BankEntry | None = None,
) -> Planted:
    """What an entry of nobody's is planted as: one that the bank never booked, or one that it told nobody of."""
    return Planted(
        error=error,
        break_type=BREAK_TYPES[error],
        processor=None,
        account=None,
        currency=entry.currency,
        payout_id=None,
        reference=entry.reference,
        true_minor=entry.amount_minor - told_minor,
        told_minor=told_minor,
        at_risk_minor=entry.amount_minor,
        invented=invented,
        unwritten=unwritten,
    )
