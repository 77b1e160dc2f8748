"""Files of a month that are corrected: of one day of each source there is an original beside the file that is right.

The original of a report has a line too many, a line too few and a fee that is another one; that of a statement has an
entry too many, with the balance that follows from it, and was made earlier, where its format says when. Both are whole, so
that each stands alone until the other comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta

from services.sandbox.app.distortions import Distortions, line_key
from services.sandbox.domain.balance_transactions import BalanceTransaction, Kind
from services.sandbox.domain.bank import BankEntry
from services.sandbox.domain.payouts import Payout
from tests.integration.months.trade import PROCESSORS
from tests.integration.months.world import Delivery, World, bank_source

#: JPY has too few entries, and its format is USD's.
CURRENCIES = ("EUR", "USD", "KWD")
_MORE_FEE_MINOR = 25
_ENTRY_MINOR = 7_777
#: What of a statement says when it was made: as it is written, and some hours before.
_MADE = {"EUR": (b"T23:59:59Z</CreDtTm>", b"T20:00:00Z</CreDtTm>"), "KWD": (b",2359,1,", b",2000,1,")}


@dataclass(frozen=True, slots=True)
class Correction:
    """The day whose file was corrected, and the original."""

    source: str
    day: date
    original: Delivery


def corrections(world: World) -> list[Correction]:
    """One of each processor, and of each account that has one."""
    return [*(_of_report(world, processor) for processor in PROCESSORS), *_of_statements(world)]


def name_of_original(day: date) -> str:
    """What the original is called."""
    return f"original-{day}"


def _of_report(world: World, processor: str) -> Correction:
    """In the payout with the most lines that nothing else is wrong with, on a day whose report is whole."""
    told = world.told
    in_doubt = {*told.unreadable, *told.said_before, *(payout_id for _, payout_id in told.totals)}
    days_in_doubt = {payout.made_on for payout in world.payouts_of[processor] if payout.id in in_doubt}
    payout = max(
        (each for each in world.payouts_of[processor] if each.made_on not in days_in_doubt),
        key=lambda each: len(_plain(world, each)),
    )
    dearer, missing, *_ = _plain(world, payout)
    twice = f"{missing.object_id}_o"
    too_many = replace(
        missing, id=f"{missing.id}_o", object_id=twice, charge_id=twice, reference=None,
        occurred_at=missing.occurred_at + timedelta(seconds=2),
    )  # fmt: skip
    said = replace(
        dearer, fee_minor=dearer.fee_minor + _MORE_FEE_MINOR, net_minor=dearer.net_minor - _MORE_FEE_MINOR
    )
    wrong = replace(
        told,
        changed={**told.changed, line_key(dearer): said},
        left_out=told.left_out | {line_key(missing)},
        added={**told.added, payout.id: [*told.added.get(payout.id, ()), too_many]},
    )
    return _correction(world, processor, payout.made_on, wrong)


def _plain(world: World, payout: Payout) -> list[BalanceTransaction]:
    told = world.told
    bearing = {*told.changed, *told.left_out, *told.twice}
    return [
        line
        for line in world.lines_of[payout.id]
        if line.kind is Kind.CHARGE and line_key(line) not in bearing and line.exchange_rate is None
    ]


def _of_statements(world: World) -> Iterator[Correction]:
    for currency in CURRENCIES:
        in_doubt = {
            entry.booked_on
            for entry in (*world.told.unwritten, *world.told.unheard, *world.told.invented)
            if entry.currency == currency
        }
        day = min(
            booked_on
            for (code, booked_on), entries in world.entries_by_day.items()
            if code == currency
            and entries
            and booked_on not in in_doubt
            and entries[0].id not in world.told.unbooked
        )
        yield _correction(world, bank_source(currency), day, _with_entry(world.told, currency, day))


def _with_entry(told: Distortions, currency: str, day: date) -> Distortions:
    entry = BankEntry(
        id=f"ent_UNKNOWN{currency}", currency=currency, amount_minor=_ENTRY_MINOR, booked_on=day, value_on=day,
        reference=f"UNKNOWN{currency}", bank_reference="B0000000000", text=f"INCOMING PAYMENT UNKNOWN{currency}",
        returns=None, parts=(),
    )  # fmt: skip
    return replace(told, invented=[*told.invented, entry])


def _correction(world: World, source: str, day: date, wrong: Distortions) -> Correction:
    (written,) = (
        file for file in world.files(day, day, wrong) if file.source == source and "first" not in file.name
    )
    content = written.content
    if source.removeprefix("bank_").upper() in _MADE:
        made, before = _MADE[source.removeprefix("bank_").upper()]
        assert made in content, "the statement says when it was made"
        content = content.replace(made, before)
    return Correction(source, day, Delivery(source, name_of_original(day), content))
