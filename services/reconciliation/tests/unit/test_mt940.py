"""MT940: entries, marks and balances as SWIFT writes them, and nothing mended that does not exist."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from services.reconciliation.domain.lines import BankLine, StatementHead, UnreadableFileError
from services.reconciliation.tests.reading import lines, only_quarantined, quarantined, records, totals
from services.reconciliation.tests.writers import mt940_entry, mt940_statement

pytestmark = pytest.mark.unit
SAMPLES = Path(__file__).parents[1] / "samples"


def read(text, **options):
    return records("mt940", text.encode() if isinstance(text, str) else text, **options)


def one(*entries, opening=0, closing=0, **more):
    return read(mt940_statement(1, entries, opening, closing, **more))


def refused(text):
    with pytest.raises(UnreadableFileError) as raised:
        read(text)
    return raised.value.code


def test_the_sample_reads_to_what_stands_in_it():
    found = read((SAMPLES / "mt940.sta").read_bytes())
    assert quarantined(found) == []
    credit, debit, returned, first, second, third = lines(found)
    assert credit == BankLine(
        line_number=6,
        line_id="12030000%2F;0000202051/00230%2F;001/2026-11-27/BANKREF-0001",
        statement_id="00230/001",
        account_number="12030000/0000202051",
        currency="EUR",
        amount_minor=5_830,
        booked_on=date(2026, 11, 27),
        value_on=date(2026, 11, 27),
        references=("BANKREF-0001", "TR77"),
        text="SEPA CREDIT PAYOUT po_1 batch 7 PROCESSOR PAYMENTS LTD SEPA CREDIT",
        returned=False,
    )
    assert (debit.amount_minor, debit.booked_on, debit.value_on) == (
        -7_550,
        date(2026, 11, 27),
        date(2026, 11, 28),
    )
    assert debit.references == ("BANKREF-0002", "E2E-1")
    assert (returned.amount_minor, returned.returned, returned.text) == (
        -100_000,
        True,
        "RETURN OF TRANSFER TR76",
    )
    assert (first.currency, first.amount_minor, first.booked_on) == ("JPY", 11_568, date(2026, 12, 31))
    assert second.line_id == f"{first.line_id}#2"
    assert (third.currency, third.amount_minor, third.references) == ("KWD", -5_371, ("KW 77/1",))
    assert [(total.subject, total.stated_minor, total.counted_minor) for total in totals(found)] == [
        ("12030000/0000202051/00230/001", -1_720, -1_720),
        ("0001234567/1", 22_636, 22_636),
        ("0007654321/7/1", -5_371, -5_371),
    ]


@pytest.mark.parametrize(
    ("more", "made_at"),
    [
        ({}, None),
        ({"sent": "2105261127"}, None),
        ({"made": "2611272230+0100"}, datetime(2026, 11, 27, 21, 30, tzinfo=UTC)),
        ({"sent": "2105261127", "made": "2611272230+0100"}, datetime(2026, 11, 27, 21, 30, tzinfo=UTC)),
        ({"sent": "2105261127", "made": "nonsense"}, None),
        ({"made": "2611272230"}, None),
    ],
)
def test_a_statement_was_made_when_its_own_time_with_an_offset_says(more, made_at):
    text = mt940_statement(1, [], 0, 0, **more) + mt940_statement(2, [], 0, 0)
    heads = [record for record in read(text) if isinstance(record, StatementHead)]
    assert [(head.statement_id, head.created_at) for head in heads] == [("1", made_at), ("2", None)]


def test_an_envelope_ends_the_details_before_it():
    entry = mt940_entry(100, reference="A", text="PAYOUT")
    text = mt940_statement(1, [entry], 0, 100, sent="2105261127") * 2
    assert [line.text for line in lines(read(text))] == ["PAYOUT", "PAYOUT"]


def test_a_time_before_any_statement_is_passed_over():
    assert quarantined(read(":13D:2611272230+0100\n" + mt940_statement(1, [], 0, 0))) == []


def test_the_sample_in_two_parts_goes_on_where_the_first_ended():
    found = read((SAMPLES / "mt940_parts.sta").read_bytes())
    assert [(total.name, total.stated_minor, total.counted_minor) for total in totals(found)] == [
        ("opening + booked = closing", 15_830, 15_830),
        ("opening + booked = closing", 15_000, 15_000),
        (":60M: of part 2 = :62M: of part 1", 15_830, 15_830),
    ]
    heads = [record for record in found if isinstance(record, StatementHead)]
    assert [(head.number, head.part, head.opens, head.closes, head.final) for head in heads] == [
        ("00231", 1, True, False, False),
        ("00231", 2, False, True, False),
    ]


def test_a_number_without_a_part_says_nothing_of_parts():
    (head,) = [record for record in one() if isinstance(record, StatementHead)]
    assert (head.number, head.part, head.opens, head.closes, head.final) == (None, None, None, None, True)


def test_a_statement_without_entries_or_envelope_is_a_statement():
    found = read((SAMPLES / "mt940_plain.sta").read_bytes())
    assert [(total.stated_minor, total.counted_minor) for total in totals(found)] == [(0, 0)]
    assert lines(found) == []


@pytest.mark.parametrize(
    ("mark", "minor", "returned"),
    [("C", 100, False), ("D", -100, False), ("RC", -100, True), ("RD", 100, True)],
)
def test_the_mark_says_the_direction(mark, minor, returned):
    (line,) = lines(one(mt940_entry(100, mark=mark), closing=minor))
    assert (line.amount_minor, line.returned) == (minor, returned)


@pytest.mark.parametrize(
    ("dates", "booked_on", "value_on"),
    [
        ("2611271127", date(2026, 11, 27), date(2026, 11, 27)),
        ("261127", date(2026, 11, 27), date(2026, 11, 27)),
        ("261127    ", date(2026, 11, 27), date(2026, 11, 27)),
        ("2701021231", date(2026, 12, 31), date(2027, 1, 2)),
        ("2612310102", date(2027, 1, 2), date(2026, 12, 31)),
        ("2802290301", date(2028, 3, 1), date(2028, 2, 29)),
        ("2803010229", date(2028, 2, 29), date(2028, 3, 1)),
    ],
)
def test_the_day_of_booking_is_in_the_year_that_is_near(dates, booked_on, value_on):
    (line,) = lines(one(mt940_entry(100, dates=dates)))
    assert (line.booked_on, line.value_on) == (booked_on, value_on)


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        (mt940_entry(100, dates="2602300227"), "date_malformed"),
        (mt940_entry(100, dates="2611271131"), "date_malformed"),
        (mt940_entry(100, dates="2702270229"), "date_malformed"),
        (mt940_entry(100, mark="X"), "entry_malformed"),
        (mt940_entry(100, mark="c"), "direction_unknown"),
        (mt940_entry(100, mark="EC"), "entry_malformed"),
        (mt940_entry(100).replace("1,00", "1.00"), "amount_malformed"),
        (mt940_entry(100).replace("1,00", "100"), "amount_malformed"),
        (mt940_entry(100).replace("1,00", "1,0,0"), "amount_malformed"),
        (mt940_entry(100).replace("1,00", "1,000"), "excess_decimals"),
        (mt940_entry(100).replace("1,00", "\u0661,00"), "entry_malformed"),
        (mt940_entry(100, text="nul\x00"), "nul_byte"),
        (mt940_entry(100, text="x" * 70_000), "line_too_long"),
        (mt940_entry(100, text="\n".join("x" * 40)), "field_too_long"),
    ],
)
def test_an_entry_that_cannot_be_read_is_quarantined_and_shows_in_the_balances(entry, code):
    found = one(entry, mt940_entry(50, reference="B"), closing=150)
    assert only_quarantined(found)[:2] == (5, code)
    assert [line.amount_minor for line in lines(found)] == [50]
    assert [(total.stated_minor, total.counted_minor) for total in totals(found)] == [(150, 50)]


def test_text_in_the_encoding_that_was_declared():
    content = mt940_statement(1, [mt940_entry(100, text="Müller")], 0, 100).encode("cp1252")
    assert only_quarantined(read(content))[1] == "wrong_encoding"
    assert [line.text for line in lines(read(content, encoding="cp1252"))] == ["Müller"]


WHOLE = mt940_statement(1, [mt940_entry(100, reference="A")], 0, 100)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "wrong_format"),
        ("\n\n", "wrong_format"),
        ("<html></html>\n", "wrong_format"),
        ("01,122099999,123456789,040621,0200,1,65,,2/\n", "wrong_format"),
        (WHOLE[: WHOLE.index(":62F:")], "truncated"),
        (WHOLE[: WHOLE.index("EUR1,00\n-")] + "\n", "balance_malformed"),
        (WHOLE[: WHOLE.index("\n-")], "truncated"),
        (WHOLE[: WHOLE.index(":62F:")] + WHOLE, "truncated"),
        (WHOLE.replace(":25:", ":21:"), "tag_missing"),
        (WHOLE.replace(":28C:", ":21:"), "tag_missing"),
        (WHOLE.replace(":60F:", ":64:"), "tag_missing"),
        (WHOLE.replace(":60F:", ":77:"), "tag_unknown"),
        (WHOLE.replace(":20:", ":21:"), "tag_misplaced"),
        (WHOLE.replace(":28C:", ":60F:C261127EUR0,00\n:28C:"), "tag_repeated"),
        (WHOLE.replace(":62F:C261127EUR", ":62F:C261127USD"), "currency_differs"),
        (WHOLE.replace("EUR", "EUX"), "currency_unknown"),
        (WHOLE.replace(":60F:C261127EUR0,00", ":60F:C261127EUR0.00"), "balance_malformed"),
        (WHOLE.replace(":25:", ":25:\x00"), "nul_byte"),
    ],
)
def test_a_file_that_is_no_statement_is_refused_by_name(text, code):
    assert refused(text) == code


def test_a_source_may_declare_that_its_files_end_without_a_line_end():
    assert [line.amount_minor for line in lines(read(WHOLE[:-2].rstrip(), last_line_end="optional"))] == [100]


def test_a_file_in_two_bytes_a_letter_is_refused():
    assert refused(WHOLE.encode("utf-16")) == "wrong_encoding"


def test_ids_stay_when_a_later_revision_adds_and_corrects_entries():
    before = lines(one(mt940_entry(100, reference="A"), mt940_entry(200), mt940_entry(300, text="x")))
    after = lines(
        one(
            mt940_entry(1, text="new"),
            mt940_entry(150, reference="A"),
            mt940_entry(200),
            mt940_entry(350, text="x"),
        )
    )
    assert {line.line_id for line in before} < {line.line_id for line in after}


def test_two_statements_never_share_an_entry():
    entry = mt940_entry(100, reference="A")
    first, second = (read(mt940_statement(number, [entry], 0, 100)) for number in (1, 2))
    assert lines(first)[0].line_id != lines(second)[0].line_id
