"""BAI2: entries by their type codes, balances, and every trailer held to what came before it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from bai2.bai2 import parse_from_string
from hypothesis import given

from services.reconciliation.domain.lines import BankLine, UnreadableFileError
from services.reconciliation.tests.generated_files import FILES
from services.reconciliation.tests.reading import lines, only_quarantined, quarantined, records, totals
from services.reconciliation.tests.writers import bai2_account, bai2_entry, bai2_file, bai2_group

pytestmark = pytest.mark.unit
SAMPLE = Path(__file__).parents[1] / "samples" / "bai2.txt"


def read(text, **options):
    return records("bai2", text.encode() if isinstance(text, str) else text, **options)


def one(*entries, opening=0, closing=0, **more):
    return read(bai2_file([bai2_group([bai2_account(entries, opening, closing, **more)])]))


def unequal(found):
    return [
        (total.name, total.stated_minor, total.counted_minor)
        for total in totals(found)
        if total.stated_minor != total.counted_minor
    ]


def refused(text, **options):
    with pytest.raises(UnreadableFileError) as raised:
        read(text, **options)
    return raised.value.code


def test_the_sample_reads_to_what_stands_in_it():
    found = read(SAMPLE.read_bytes())
    assert quarantined(found) == []
    assert unequal(found) == []
    credit, debit, returned, first, second, third = lines(found)
    assert credit == BankLine(
        line_number=5,
        line_id="0001234567/2026-11-27/2026-11-27/BANKREF-0001",
        statement_id="2026-11-27",
        account_number="0001234567",
        currency="USD",
        amount_minor=5_830,
        booked_on=date(2026, 11, 27),
        value_on=date(2026, 11, 27),
        references=("BANKREF-0001", "TR77"),
        text="PAYOUT po_1,batch 7, continued",
        returned=False,
    )
    assert (debit.amount_minor, debit.references, debit.text) == (-7_550, ("BANKREF-0002",), "TAX")
    assert (returned.amount_minor, returned.references, returned.returned) == (
        -100_000,
        ("BANKREF-0003", "TR76"),
        True,
    )
    assert (first.currency, first.amount_minor, second.line_id) == ("JPY", 11_568, f"{first.line_id}#2")
    assert (third.currency, third.amount_minor, third.value_on) == ("KWD", -5_371, date(2026, 11, 30))
    assert [total.name for total in totals(found)][:3] == [
        "account control total", "account records", "opening + booked = closing",
    ]  # fmt: skip


def test_the_library_holds_the_sample_to_the_same_trailers():
    parse_from_string(SAMPLE.read_text().replace("900,,,/", "/"), check_integrity=True)


@given(made=FILES["bai2"])
def test_what_the_library_finds_whole_is_whole_here(made):
    parsed = parse_from_string(made.content.decode(), check_integrity=True)
    amounts = [
        entry.amount for group in parsed.children for account in group.children for entry in account.children
    ]
    assert [abs(line.amount_minor) for line in lines(records("bai2", made.content))] == amounts


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        (bai2_entry(100, code="199"), "type_code_unknown"),
        (bai2_entry(100, code="100"), "type_code_unknown"),
        (bai2_entry(100, code="010"), "type_code_unknown"),
        (bai2_entry(100, code="890"), "type_code_unknown"),
        (bai2_entry(100, funds="X"), "record_malformed"),
        (bai2_entry(100, funds="S"), "record_malformed"),
        (bai2_entry(100, funds="D,9"), "record_malformed"),
        (bai2_entry(100, funds="V,2611271"), "record_malformed"),
        ((["16,195,1.00,Z,,,/"], 0), "amount_malformed"),
        ((["16,195,-100,Z,,,/"], 0), "amount_malformed"),
        ((["16,195,1_00,Z,,,/"], 0), "amount_malformed"),
        ((["16,195,,Z,,,/"], 0), "amount_malformed"),
        ((["16,195,\u0661,Z,,,/"], 0), "amount_malformed"),
        ((["16,195,99999999999999999,Z,,,/"], 0), "amount_too_large"),
        ((["16;195;100;Z;;;/"], 0), "record_malformed"),
        ((["16,195/"], 0), "amount_malformed"),
        ((["17,195,100,Z,,,/"], 0), "record_unknown"),
        ((["16,195,100,Z,,,nul\x00/"], 0), "nul_byte"),
    ],
)
def test_an_entry_that_cannot_be_read_is_quarantined_and_shows_in_the_balances(entry, code):
    found = one(entry, bai2_entry(50, reference="B"), closing=150)
    assert only_quarantined(found)[:2] == (4, code)
    assert [line.amount_minor for line in lines(found)] == [50]
    assert ("opening + booked = closing", 150, 50) in unequal(found)


WHOLE = bai2_file([bai2_group([bai2_account([bai2_entry(100, reference="A")], 0, 100)])])


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        (("16,195,100,", "16,195,101,"), "account control total"),
        (("16,195,", "16,495,"), "opening + booked = closing"),
        (("015,100,", "015,101,"), "account control total"),
        (("49,200,3", "49,201,3"), "account control total"),
        (("49,200,3", "49,200,4"), "account records"),
        (("98,200,1,5", "98,201,1,5"), "group control total"),
        (("98,200,1,5", "98,200,2,5"), "group sections"),
        (("98,200,1,5", "98,200,1,6"), "group records"),
        (("99,200,1,7", "99,201,1,7"), "file control total"),
        (("99,200,1,7", "99,200,2,7"), "file sections"),
        (("99,200,1,7", "99,200,1,8"), "file records"),
    ],
)
def test_a_trailer_that_does_not_hold_is_told(damage, name):
    assert damage[0] in WHOLE
    assert name in [total[0] for total in unequal(read(WHOLE.replace(*damage)))]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "wrong_format"),
        ("<html></html>", "wrong_format"),
        (":20:S1\n", "wrong_format"),
        ("88,more/\n", "wrong_format"),
        (WHOLE[: WHOLE.index("49,")], "truncated"),
        (WHOLE[: WHOLE.index("99,")], "truncated"),
        (WHOLE[: WHOLE.index("99,") + 6], "record_malformed"),
        (WHOLE + "16,195,100,Z,,,/\n", "record_misplaced"),
        (WHOLE.replace("49,", "48,"), "record_misplaced"),
        (WHOLE.replace(",2/\n02", ",1/\n02"), "version_unknown"),
        (WHOLE.replace("SAMPLEBANK,1,", "SAMPLEBANK,4,"), "group_status"),
        (WHOLE.replace("SAMPLEBANK,1,", "SAMPLEBANK,2,"), "group_status"),
        (WHOLE.replace("1,261127,", "1,261131,"), "date_malformed"),
        (WHOLE.replace("EUR", "EUX"), "currency_unknown"),
        (WHOLE.replace("EUR", ""), "currency_missing"),
        (WHOLE.replace("010,0,", "010,x,"), "amount_malformed"),
        (WHOLE.replace("015,100,", "010,100,"), "balance_repeated"),
        (WHOLE.replace("49,200,3", "49,2x0,3"), "amount_malformed"),
        (WHOLE.replace("49,200,3", "49,200"), "record_malformed"),
        (WHOLE.replace("0001234567", "\x00"), "nul_byte"),
        (WHOLE.replace("16,", "88,more/\n" * 600 + "16,"), "record_too_long"),
    ],
)
def test_a_file_that_is_no_statement_is_refused_by_name(text, code):
    assert refused(text) == code


def test_a_file_in_two_bytes_a_letter_is_refused():
    assert refused(WHOLE.encode("utf-16")) == "wrong_encoding"


def test_the_currency_that_the_file_leaves_out_is_the_declared_one():
    assert [line.currency for line in lines(read(WHOLE.replace("EUR", ""), currency="USD"))] == ["USD"]
    assert [line.currency for line in lines(read(WHOLE, currency="USD"))] == ["EUR"]


def test_ids_stay_when_a_later_revision_adds_and_corrects_entries():
    before = lines(one(bai2_entry(100, reference="A"), bai2_entry(200), bai2_entry(300, text="x")))
    after = lines(
        one(
            bai2_entry(1, text="new"),
            bai2_entry(150, reference="A"),
            bai2_entry(200),
            bai2_entry(350, text="x"),
        )
    )
    assert {line.line_id for line in before} < {line.line_id for line in after}
