"""camt.053: entries and balances of both versions, and nothing that hides behind XML."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import pytest

from services.reconciliation.domain.lines import BankLine, StatementHead, UnreadableFileError
from services.reconciliation.tests.reading import lines, only_quarantined, quarantined, records, totals
from services.reconciliation.tests.writers import camt_entry, camt_file, camt_statement

pytestmark = pytest.mark.unit
SAMPLES = Path(__file__).parents[1] / "samples"


def read(content):
    return records("camt053", content)


def one(*entries, opening=0, closing=0, **more):
    return read(camt_file(camt_statement("S1", entries, opening, closing, **more)))


def refused(content):
    with pytest.raises(UnreadableFileError) as raised:
        read(content)
    return raised.value.code, raised.value.field


def test_the_sample_of_001_08_reads_to_what_stands_in_it():
    found = read((SAMPLES / "camt053_001_08.xml").read_bytes())
    assert quarantined(found) == []
    credit, bulk, returned, nothing = lines(found)
    assert credit == BankLine(
        line_number=1,
        line_id="DE02120300000000202051/2026-230/2026-11-27/BANKREF-0001",
        statement_id="2026-230",
        account_number="DE02120300000000202051",
        currency="EUR",
        amount_minor=5_830,
        booked_on=date(2026, 11, 27),
        value_on=date(2026, 11, 27),
        references=("BANKREF-0001", "1", "TR77"),
        text="PAYOUT po_1 batch 7 SEPA credit transfer",
        returned=False,
    )
    assert (bulk.amount_minor, bulk.booked_on, bulk.value_on) == (
        -7_550,
        date(2026, 11, 27),
        date(2026, 11, 28),
    )
    assert bulk.references == ("BANKREF-0002", "MSG-9", "PMT-9", "E2E-1", "RF18539007547034", "E2E-2")
    assert (returned.amount_minor, returned.returned, returned.value_on) == (
        -100_000,
        True,
        date(2026, 11, 27),
    )
    assert (nothing.amount_minor, nothing.references, nothing.returned) == (0, (), False)
    assert [(total.name, total.stated_minor, total.counted_minor) for total in totals(found)] == [
        ("opening + booked = closing", -1_720, -1_720),
        ("number of entries", 5, 5),
    ]


def test_the_sample_of_001_02_reads_to_what_stands_in_it():
    found = read((SAMPLES / "camt053_001_02.xml").read_bytes())
    assert quarantined(found) == []
    first, second, third = lines(found)
    assert (first.currency, first.amount_minor, second.amount_minor) == ("JPY", 11_568, 11_568)
    assert second.line_id == f"{first.line_id}#2"
    assert (third.currency, third.amount_minor, third.line_id) == (
        "KWD",
        -5_371,
        "0007654321/KWD-7/2026-10-25/KW%20;77%2F;1",
    )
    assert [
        (total.subject, total.name, total.stated_minor, total.counted_minor) for total in totals(found)
    ] == [
        ("0001234567/JPY-7", "opening + booked = closing", 22_636, 22_636),
        ("0001234567/JPY-7", "number of entries", 2, 2),
        ("0001234567/JPY-7", "sum of credits", 23_136, 23_136),
        ("0007654321/KWD-7", "opening + booked = closing", -5_371, -5_371),
    ]


def test_ids_stay_when_a_later_revision_adds_and_corrects_entries():
    before = lines(one(camt_entry(100, reference="A"), camt_entry(200), camt_entry(300, text="x")))
    after = lines(
        one(
            camt_entry(1, text="new"),
            camt_entry(150, reference="A"),
            camt_entry(200),
            camt_entry(350, text="x"),
        )
    )
    assert {line.line_id for line in before} < {line.line_id for line in after}
    assert {line.line_id: line.amount_minor for line in after}[before[0].line_id] == 150


def test_two_statements_never_share_an_entry():
    entry = camt_entry(100, reference="A")
    first = read(camt_file(camt_statement("S1", [entry], 0, 100)))
    second = read(camt_file(camt_statement("S2", [entry], 100, 200)))
    assert lines(first)[0].line_id != lines(second)[0].line_id


@pytest.mark.parametrize(
    ("entry", "code", "field"),
    [
        (camt_entry(100).replace("1.00", "1.000"), "excess_decimals", "Amt"),
        (camt_entry(100).replace("1.00", "-1.00"), "amount_malformed", "Amt"),
        (camt_entry(100).replace("EUR", "EUX"), "currency_unknown", "Amt/@Ccy"),
        (camt_entry(100).replace(' Ccy="EUR"', ""), "currency_unknown", "Amt/@Ccy"),
        (camt_entry(100, currency="USD"), "currency_differs", "Amt/@Ccy"),
        (camt_entry(100).replace("CRDT", "CREDIT"), "direction_unknown", "CdtDbtInd"),
        (camt_entry(100).replace("<CdtDbtInd>CRDT</CdtDbtInd>", ""), "element_missing", "CdtDbtInd"),
        (camt_entry(100, more="<CdtDbtInd>DBIT</CdtDbtInd>"), "element_repeated", "CdtDbtInd"),
        (camt_entry(100, more="<RvslInd>yes</RvslInd>"), "boolean_malformed", "RvslInd"),
        (camt_entry(100, status="DONE"), "status_unknown", "Sts"),
        (camt_entry(100, booked="27.11.2026"), "date_malformed", "BookgDt"),
    ],
)
def test_an_entry_that_cannot_be_read_is_quarantined_and_shows_in_the_balances(entry, code, field):
    found = one(entry, camt_entry(50, reference="B"), opening=0, closing=150)
    assert only_quarantined(found) == (1, code, field)
    assert [line.amount_minor for line in lines(found)] == [50]
    assert [(total.stated_minor, total.counted_minor) for total in totals(found)] == [(150, 50)]


@pytest.mark.parametrize("status", ["PDNG", "INFO", "FUTR"])
def test_what_is_not_booked_is_no_line(status):
    assert lines(one(camt_entry(100, status=status))) == []


def test_a_page_of_a_statement_holds_between_interim_balances():
    page = (
        camt_statement("S1", [camt_entry(100, reference="A")], 50, 150)
        .replace("OPBD", "ITBD")
        .replace("CLBD", "ITBD")
    )
    assert [(total.stated_minor, total.counted_minor) for total in totals(read(camt_file(page)))] == [
        (150, 150)
    ]


WHOLE = camt_file(camt_statement("S1", [camt_entry(100, reference="A")], 0, 100))
BOMB = '<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
FILE = '<!DOCTYPE d [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "xml_malformed"),
        (WHOLE[:-20], "xml_malformed"),
        (WHOLE[: len(WHOLE) // 2], "xml_malformed"),
        (WHOLE + b"<more/>", "xml_malformed"),
        (WHOLE.replace(b"1.00", b"1\x00.00"), "xml_malformed"),
        (WHOLE.replace(b"001.08", b"001.13"), "version_unknown"),
        (WHOLE.replace(b"camt.053", b"camt.054"), "wrong_format"),
        (WHOLE.replace(b"BkToCstmrStmt", b"BkToCstmrAcctRpt"), "element_missing"),
        (b"<html><body>Please log in</body></html>", "wrong_format"),
        (WHOLE.replace(b"<Document", b"<:ocument").replace(b"</Document", b"</:ocument"), "wrong_format"),
        (WHOLE.replace(b"OPBD", b"XXXX"), "element_missing"),
        (WHOLE.replace(b"CLBD", b"XXXX"), "element_missing"),
        (WHOLE.replace(b"<Acct>", b"<Account>").replace(b"</Acct>", b"</Account>"), "element_missing"),
        (
            WHOLE.replace(b"<Stmt>", b"<Stmt><Stmt>").replace(b"</Stmt>", b"</Stmt></Stmt>"),
            "element_misplaced",
        ),
        (camt_file(camt_statement("S1", [camt_entry(100)], 0, 100), head=BOMB), "doctype_refused"),
        (
            camt_file(camt_statement("S1", [camt_entry(100, text="&b;")], 0, 100), head=BOMB),
            "doctype_refused",
        ),
        (
            camt_file(camt_statement("S1", [camt_entry(100, text="&a;")], 0, 100), head=FILE),
            "doctype_refused",
        ),
        (
            camt_file(camt_statement("S&b;", [], 0, 0), head=BOMB).replace(b"<Stmt>", b'<Stmt x="&b;">'),
            "doctype_refused",
        ),
    ],
)
def test_a_file_that_is_no_statement_is_refused_by_name(content, code):
    assert refused(content)[0] == code


def test_a_document_type_definition_is_refused():
    content = camt_file(camt_statement("S1", [camt_entry(100)], 0, 100), head="<!DOCTYPE Document>")
    assert refused(content) == ("doctype_refused", "DOCTYPE")


def test_an_entity_that_grows_beyond_measure_is_refused():
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 9))
    head = f'<!DOCTYPE d [<!ENTITY e0 "aaaaaaaaaa">{entities}]>'
    content = camt_file(camt_statement("S1", [], 0, 0), head=head).replace(b"<Stmt>", b'<Stmt x="&e8;">')
    assert refused(content)[0] in {"xml_malformed", "doctype_refused"}


def test_the_summary_of_a_statement_is_held_to_its_entries():
    summary = "<TxsSummry><TtlNtries><NbOfNtries>3</NbOfNtries></TtlNtries><TtlDbtNtries><Sum>1</Sum></TtlDbtNtries></TxsSummry>"
    found = one(camt_entry(100, reference="A"), opening=0, closing=100, summary=summary)
    assert [(total.name, total.stated_minor, total.counted_minor) for total in totals(found)][1:] == [
        ("number of entries", 3, 1),
        ("sum of debits", -100, 0),
    ]


def test_text_around_figures_may_be_broken_over_lines():
    assert [
        line.amount_minor for line in lines(one(camt_entry(100).replace("1.00", "\n  1.00\n"), closing=100))
    ] == [100]


@pytest.mark.parametrize(
    ("created", "moment"),
    [
        ("2026-11-27T21:00:00+01:00", "2026-11-27T20:00:00+00:00"),
        ("2026-11-27T21:00:00", None),
        ("0001-01-01T00:00:00+01:00", None),
        ("9999-12-31T23:59:59-01:00", None),
    ],
)
def test_a_time_that_is_none_in_utc_says_nothing_of_when_a_statement_was_made(created, moment):
    found = read(camt_file(camt_statement("1", [], 0, 0, created=created)))
    (head,) = [each for each in found if isinstance(each, StatementHead)]
    assert head.created_at == (None if moment is None else datetime.fromisoformat(moment))
