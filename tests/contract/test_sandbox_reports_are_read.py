"""What the sandbox writes reconciliation reads, in every format: the figures of the book, to the last minor unit."""

import asyncio
import io
from collections import Counter
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.reconciliation.adapters.readers import FORMATS, READERS
from services.reconciliation.domain.lines import (
    BankLine,
    ControlTotal,
    QuarantinedLine,
    SettlementLine,
    UnreadableFileError,
)
from services.reconciliation.domain.readers import ReadingContext
from services.sandbox.app.plant_errors import PlantErrors, distortions_of
from services.sandbox.app.report_formats import BANK_FORMATS, SETTLEMENT_FORMATS
from services.sandbox.app.report_formats.writers import Statement
from services.sandbox.domain.balance_transactions import Kind
from services.sandbox.domain.bank import Fate, Transfer, account_number, entries_of
from services.sandbox.domain.planted_errors import OF_FILES, Error
from shared.kernel.clock import SystemClock
from shared.kernel.errors import Rejected
from tests.contract.sandbox_books import TRADES, Books, Plantable, bank_bytes, midnight, settlement_bytes

EXCHANGES = st.sampled_from([{}, {"USD": "EUR", "JPY": "KWD"}])
RATES = st.sampled_from([0, 60, 100])
CATEGORIES = {
    Kind.CHARGE: "charge",
    Kind.CHARGE_FAILURE: "reversal",
    Kind.REFUND: "refund",
    Kind.REFUND_FAILURE: "refund_failure",
    Kind.DISPUTE: "dispute",
    Kind.DISPUTE_REVERSAL: "dispute",
    Kind.REVERSAL: "reversal",
    Kind.REVERSAL_RETURN: "reversal",
    Kind.RESERVE_HELD: "reserve",
    Kind.RESERVE_RELEASED: "reserve",
}


def records(form, body):
    found = list(READERS[form].read(io.BytesIO(body), ReadingContext(source="s")))
    assert [record for record in found if isinstance(record, QuarantinedLine)] == []
    for total in (record for record in found if isinstance(record, ControlTotal)):
        assert total.stated_minor == total.counted_minor, total
    return found


@pytest.mark.parametrize("form", sorted(SETTLEMENT_FORMATS))
@settings(max_examples=40)
@given(TRADES, EXCHANGES, RATES)
def test_settlement_reports_are_read_as_the_book_has_them(form, trade, settles_in, rate):
    books = Books(trade, settles_in=settles_in, rate=rate)
    body = settlement_bytes(books, SETTLEMENT_FORMATS[form]())
    assert body == settlement_bytes(books, SETTLEMENT_FORMATS[form]())
    found = records(form, body)
    lines = [record for record in found if isinstance(record, SettlementLine)]
    assert sum(isinstance(record, ControlTotal) for record in found) == len(books.all_payouts)
    expected = []
    for payout in books.all_payouts:
        name = str(payout.batch_number) if form == "adyen_settlement_csv" else payout.id
        expected += [
            (name, CATEGORIES[line.kind], line.currency, line.gross_minor, line.net_currency, line.net_minor)
            for line in sorted(books.paid[payout.id], key=lambda line: line.id)
        ]
        left = -payout.amount_minor
        expected.append((name, "payout", payout.currency, left, payout.currency, left))
    assert [
        (line.payout_id, line.category, line.currency, line.gross_minor, line.net_currency, line.net_minor)
        for line in lines
    ] == expected
    told = [line for line in lines if line.category != "payout"]
    true = [
        line
        for payout in books.all_payouts
        for line in sorted(books.paid[payout.id], key=lambda line: line.id)
    ]
    for line, was in zip(told, true, strict=True):
        assert (line.fee_currency, line.fee_minor) == (was.net_currency, was.fee_minor)
        assert abs((line.occurred_at - was.occurred_at).total_seconds()) < 1
        if was.object_id:
            assert line.object_id == was.object_id
            assert line.our_reference == was.reference
        if form != "adyen_settlement_csv":
            assert line.line_id == was.id
            assert line.available_on == midnight(was.available_on)
        assert (line.exchange_rate is not None) == (
            was.exchange_rate is not None and was.converted_minor != 0
        )
        if form != "stripe_payout_csv":  # It says no rate: both of its amounts do.
            assert line.exchange_rate == was.exchange_rate
    assert len({line.line_id for line in lines}) == len(lines)
    assert [line.bank_reference for line in lines if line.category == "payout"] == [
        payout.trace for payout in books.all_payouts
    ]


@pytest.mark.parametrize("form", sorted(set(BANK_FORMATS) & set(READERS)))
@settings(max_examples=40)
@given(TRADES, EXCHANGES, RATES, st.sampled_from(["EUR", "JPY", "KWD"]))
def test_statements_are_read_as_the_bank_booked(form, trade, settles_in, rate, currency):
    books = Books(trade, settles_in=settles_in, rate=rate)
    body = bank_bytes(books, currency, BANK_FORMATS[form]())
    found = records(form, body)
    lines = [record for record in found if isinstance(record, BankLine)]
    entries = sorted(
        (entry for entry in books.bank if entry.currency == currency),
        key=lambda entry: (entry.booked_on, entry.id),
    )
    assert [(line.amount_minor, line.booked_on, line.value_on, line.returned) for line in lines] == [
        (entry.amount_minor, entry.booked_on, entry.value_on, entry.returns is not None) for entry in entries
    ]
    assert any(isinstance(record, ControlTotal) for record in found)
    for line, entry in zip(lines, entries, strict=True):
        assert line.account_number == account_number(currency)
        assert line.currency == currency
        assert entry.bank_reference in line.references
        for part in entry.parts:
            assert part.trace in line.references or part.trace in line.text
    assert len({line.line_id for line in lines}) == len(lines)


@pytest.mark.parametrize("form", sorted(set(BANK_FORMATS) & set(READERS)))
def test_a_day_of_many_entries_is_read_whole_also_where_it_takes_several_messages(form):
    day = date(2026, 11, 27)
    transfers = [
        Transfer(
            processor="alpha", payout_id=f"po_{number}", currency="EUR", amount_minor=number,
            trace=f"ALPHA{number:08d}EUR", due_on=day,
        ) for number in range(1, 61)
    ]  # fmt: skip
    entries = [entry for transfer in transfers for entry in entries_of(transfer, Fate.ARRIVES, [])]
    statement = Statement(
        account=account_number("EUR"), currency="EUR", day=day, opening_minor=-5, closing_minor=1_825
    )
    writer = BANK_FORMATS[form]()
    pieces = [writer.head(statement), writer.opening(statement)]
    pieces += [writer.entry(statement, entry) for entry in entries]
    found = records(form, b"".join([*pieces, writer.closing(statement), writer.end()]))
    lines = [record for record in found if isinstance(record, BankLine)]
    assert [line.amount_minor for line in lines] == list(range(1, 61))
    assert len({line.line_id for line in lines}) == 60


@pytest.mark.parametrize("form", sorted(SETTLEMENT_FORMATS))
@settings(max_examples=40)
@given(TRADES, RATES, st.text("xyz", min_size=1, max_size=3))
def test_planted_errors_leave_reports_whole_and_the_bank_agreeing_with_them(form, trade, rate, seed):
    books = Books(trade, settles_in={}, rate=rate)
    plantable = Plantable(books)
    planted = asyncio.run(PlantErrors(plantable, SystemClock()).plant(seed, each=2, processors=["alpha"]))
    told = distortions_of(planted)
    report = records(form, settlement_bytes(books, SETTLEMENT_FORMATS[form](), told))
    paid = Counter()
    for line in report:
        if isinstance(line, SettlementLine) and line.category == "payout":
            paid[line.bank_reference] = -line.net_minor
    arrived = Counter()
    invented = {entry.id for entry in told.invented}
    for currency in ("EUR", "USD", "JPY", "KWD"):
        lines = records("camt053", bank_bytes(books, currency, BANK_FORMATS["camt053"](), told))
        amounts = [line.amount_minor for line in lines if isinstance(line, BankLine)]
        entries = [told.entry(entry) for entry in books.bank if entry.currency == currency]
        shown = [entry for entry in entries if entry is not None]
        more = [entry for entry in told.invented if entry.currency == currency]
        assert sorted(amounts) == sorted(entry.amount_minor for entry in [*shown, *more])
        assert {entry.id for entry in more} <= invented
        for entry in shown:
            assert entry.amount_minor == sum(part.amount_minor for part in entry.parts)
            for part in entry.parts:
                arrived[part.trace] += part.amount_minor
    unbooked = {error.reference for error in planted if error.error is Error.UNBOOKED}
    known = {part.trace for entry in books.bank for part in entry.parts}
    assert {
        trace for trace, amount in paid.items() if trace in known and arrived[trace] != amount
    } == unbooked
    subjects = [error.transaction_id for error in planted if error.transaction_id]
    assert len(set(subjects)) == len(subjects)


@pytest.mark.parametrize("form", sorted(SETTLEMENT_FORMATS))
@settings(max_examples=20)
@given(TRADES, st.sampled_from(OF_FILES))
def test_a_damaged_report_is_refused_whole_or_has_one_line_twice(form, trade, error):
    books = Books(trade, settles_in={}, rate=0)
    planting = PlantErrors(Plantable(books), SystemClock())
    try:
        (planted,) = asyncio.run(planting.damage("s", error, processors=["alpha"]))
    except Rejected:
        return  # Nothing was sold.
    whole = settlement_bytes(books, SETTLEMENT_FORMATS[form]())
    body = settlement_bytes(books, SETTLEMENT_FORMATS[form](), distortions_of([planted]))
    if error is Error.CUT_OFF:
        assert whole.startswith(body)
        with pytest.raises(UnreadableFileError) as refused:
            records(form, body)
        assert refused.value.code == planted.break_type
        return
    found = list(READERS[form].read(io.BytesIO(body), ReadingContext(source="s")))
    codes = [record.code for record in found if isinstance(record, QuarantinedLine)]
    true = Counter(line.line_id for line in records(form, whole) if isinstance(line, SettlementLine))
    told = Counter(line.line_id for line in found if isinstance(line, SettlementLine))
    if form == "adyen_settlement_csv":  # Its lines have no ids: another line, and the payout does not add up.
        assert (codes, (told - true).total()) == ([], 1)
        totals = [record for record in found if isinstance(record, ControlTotal)]
        lines = (line for found_lines in books.paid.values() for line in found_lines)
        (line,) = [each for each in lines if each.id == planted.transaction_id]
        off_minor = {abs(total.stated_minor - total.counted_minor) for total in totals} - {0}
        assert off_minor == {abs(line.net_minor)} - {0}
    else:
        assert (codes, told) == ([planted.break_type], true)


def test_every_format_that_is_written_has_a_reader():
    written = {**SETTLEMENT_FORMATS, **BANK_FORMATS}
    assert set(FORMATS) <= set(written)
