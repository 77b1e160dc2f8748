"""What a posting rule asks of an event's amounts and of the books before it posts; where that is not so, it is poison.

Pure, as the rules are. ``Books`` is all that they ever see of what is booked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from services.ledger.domain.journal import REVERSED_SUFFIX, Journal
from shared.kernel.errors import Poison

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from services.ledger.domain.chart import AccountRef, Family, Side
    from services.ledger.domain.rules import Ground, Posting, Within


class Books(Protocol):
    """What is already booked. Adapters answer from what they loaded for the whole batch."""

    def find(self, payment_id: str, rule: str, subject: str) -> Journal | None:
        """The journal of this rule for this subject of a payment, if it was posted."""
        ...

    def find_fact(self, rule: str, fact_key: str) -> Journal | None:
        """The journal of this rule for this fact, if it was posted; only of facts that events of the batch name."""
        ...

    def of_payment(self, payment_id: str) -> Iterable[Journal]:
        """Every journal of a payment of which the batch takes something back."""
        ...

    def grounds_of(self, payment_id: str) -> Iterable[Journal]:
        """Of a payment of which the batch settles something: the journals that it rests on, and what took them."""
        ...


def joined_key(names: Sequence[str], fields: Mapping[str, Any]) -> str:
    """What these fields make together. A contract may leave open what a row cannot do without."""
    values = [fields[name] for name in names]
    if None in values:
        (missing, *_) = [name for name in names if fields[name] is None]
        raise Poison(f"{missing}: its money is booked under it", code="field_missing")
    return ":".join(values)


def check_bound(row: Posting, fields: Mapping[str, Any]) -> None:
    """What moves money moves some, and its way: the other way round is another event."""
    for name, _ in row.stated:
        if row.least_minor is not None and fields[name] < row.least_minor:
            code = "amount_not_positive" if row.least_minor else "amount_negative"
            raise Poison(f"{row.on}: {name} is {fields[name]}", code=code)
    if row.part is not None:
        part, whole = row.part
        if fields[part] > fields[whole]:
            told = f"{row.on}: {part} is {fields[part]} of {fields[whole]}"
            raise Poison(told, code=f"{part.removesuffix('_minor')}_above_amount")


def check_footing(row: Posting, fields: Mapping[str, Any], journal: Journal, books: Books) -> None:
    """What the journal rests on stands in the books, as its row asks for it."""
    if row.completes is not None:
        _check_completed(*row.completes, fields, journal, books)
    if row.within is not None:
        _check_within(row.within, journal, books)
    if row.ground is not None:
        _check_ground(row.ground, joined_key(row.ground.key, fields), journal, books)


def _check_completed(
    rule: str, named_by: str, fields: Mapping[str, Any], journal: Journal, books: Books
) -> None:
    """What was asked for is completed as it was asked: other money would leave a residue that nobody ever clears.

    A stream tells both in order, so that what was never asked for, or came to nothing, is no fact that came early.
    """
    asked = books.find_fact(rule, fields[named_by])
    if asked is None or books.find_fact(rule + REVERSED_SUFFIX, fields[named_by]) is not None:
        told = f"{journal.rule} of {fields[named_by]}, of which no {rule} stands"
        raise Poison(told, code="never_requested")
    if _money(journal) != _money(asked):
        told = f"{journal.rule}: {_money(journal)} for {fields[named_by]}, of which {_money(asked)} is booked"
        raise Poison(told, code="differs_from_request")


def _check_within(within: Within, journal: Journal, books: Books) -> None:
    (taken,) = [entry for entry in journal.entries if entry.account.family == within.family.name]
    stands_minor = sum(
        entry.amount_minor if entry.side is taken.side.opposite else -entry.amount_minor
        for booked in books.of_payment(journal.payment_id or "")
        if within.rules is None or booked.rule in within.rules
        for entry in booked.entries
        if (entry.account, entry.clearing_key) == (taken.account, taken.clearing_key)
    )
    if taken.amount_minor > stands_minor:
        told = f"{journal.rule}: {taken.amount_minor} of {taken.clearing_key}, where {stands_minor} stand"
        raise Poison(told, code="more_than_stands")


def _check_ground(ground: Ground, key: str, journal: Journal, books: Books) -> None:
    """A stream tells both in order: what rests on something that is not booked is no fact that came early.

    Nor is it told twice, unless it was taken back between. What took a ground does not say which one: so of those with
    the same money there are never more than there are grounds with it.
    """
    known = list(books.grounds_of(journal.payment_id or ""))
    grounds = [each for each in known if each.rule == ground.rule]
    named = [each for each in grounds if any(entry.clearing_key == key for entry in each.entries)]
    if not named:
        raise Poison(f"{journal.rule} of {key}, of which no {ground.rule} stands", code="without_ground")
    taken = _on(ground.family, journal)
    if all(_opposite_on(ground.family, each) != taken for each in named):
        told = f"{journal.rule} of {key} takes other money than its {ground.rule} put on {ground.family.name}"
        raise Poison(told, code="differs_from_ground")
    given_back = {each.subject for each in known if each.rule == journal.rule + REVERSED_SUFFIX}
    took = [each for each in known if each.rule == journal.rule and each.subject not in given_back]
    there = sum(_opposite_on(ground.family, each) == taken for each in grounds)
    if sum(_on(ground.family, each) == taken for each in took) >= there:
        told = f"{journal.rule} of {key} takes again what was taken from {ground.family.name} already"
        raise Poison(told, code="ground_taken")


def _on(family: Family, journal: Journal) -> dict[tuple[AccountRef, Side], int]:
    return {(e.account, e.side): e.amount_minor for e in journal.entries if e.account.family == family.name}


def _opposite_on(family: Family, journal: Journal) -> dict[tuple[AccountRef, Side], int]:
    return {(account, side.opposite): amount for (account, side), amount in _on(family, journal).items()}


def _money(journal: Journal) -> tuple[int, str, str | None]:
    return journal.amount_minor, journal.currency, journal.merchant_id
