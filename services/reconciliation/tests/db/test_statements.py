"""Corrected statements of a bank take away what they leave out; statements of another account are not taken at all."""

from __future__ import annotations

import itertools

import pytest

from services.reconciliation.domain.files import Refusal
from services.reconciliation.domain.sources import Source, SourceKind
from services.reconciliation.tests import writers
from services.reconciliation.tests.reports import declare, take_in

pytestmark = pytest.mark.db
IBAN = "DE02120300000000202051"
OTHER = "DE89370400440532013000"
LATER = "2026-11-27T23:00:00+01:00"


def camt(entries, *, created="2026-11-27T21:00:00+01:00", opening=0, closing=None, **more):
    made = [writers.camt_entry(minor, reference=name) for name, minor in entries]
    came_to = opening + sum(minor for _, minor in entries) if closing is None else closing
    statement = writers.camt_statement(
        more.pop("name", "S1"), made, opening, came_to, created=created, **more
    )
    return writers.camt_file(statement)


def mt940(entries, *, opening=0, closing=None, **more):
    made = [writers.mt940_entry(minor, reference=name) for name, minor in entries]
    came_to = opening + sum(minor for _, minor in entries) if closing is None else closing
    return writers.mt940_statement(more.pop("number", 118), made, opening, came_to, **more).encode()


def bai2(entries, *, opening=0, closing=None, made_at="261127,2100", reading="2", account="0001234567"):
    made = [writers.bai2_entry(minor, reference=name) for name, minor in entries]
    came_to = opening + sum(minor for _, minor in entries) if closing is None else closing
    group = writers.bai2_group(
        [writers.bai2_account(made, opening, came_to, account=account)], reading=reading
    )
    return writers.bai2_file([group], made_at=made_at).encode()


WRITERS = {"camt053": camt, "mt940": mt940, "bai2": bai2}
INTERIM = {"camt053": {"closing_code": "ITBD"}, "mt940": {"closing_tag": "62M"}, "bai2": {"reading": "1"}}


def bank(form, **options):
    return Source(source="bank", kind=SourceKind.BANK, format=form, bank_account="main", options=options)


def standing(desk):
    """The amounts that stand, by the bank's reference, withdrawn ones left out."""
    return dict(
        desk.rows(
            'SELECT "references"[1], amount_minor FROM bank_lines WHERE stands AND NOT withdrawn ORDER BY line_id'
        )
    )


@pytest.mark.parametrize("form", sorted(WRITERS))
def test_a_line_that_a_corrected_statement_leaves_out_is_withdrawn_to_nothing(desk, form):
    declare(desk, bank(form))
    write = WRITERS[form]
    take_in(desk, write([("A", 500), ("B", 700)]), source="bank")
    take_in(desk, write([("A", 500), ("C", 700)]), source="bank")
    assert standing(desk) == {"A": 500, "C": 700}
    gone = desk.rows(
        "SELECT revision, amount_minor, withdrawn, stands FROM bank_lines WHERE \"references\"[1] = 'B' ORDER BY 1"
    )
    assert gone == [(1, 700, False, False), (2, 0, True, True)]
    take_in(desk, write([("A", 500), ("B", 700), ("C", 700)]), source="bank")
    assert standing(desk) == {"A": 500, "B": 700, "C": 700}


@pytest.mark.parametrize("form", sorted(WRITERS))
def test_what_is_not_the_same_statement_or_not_whole_takes_nothing_away(desk, form):
    declare(desk, bank(form))
    write = WRITERS[form]
    take_in(desk, write([("A", 500), ("B", 700)]), source="bank")
    take_in(desk, write([("A", 500)], opening=100), source="bank")
    take_in(desk, write([("A", 500)], closing=501), source="bank")
    take_in(desk, write([("A", 500)], **INTERIM[form]), source="bank")
    assert standing(desk) == {"A": 500, "B": 700}


def test_a_number_that_comes_again_next_year_is_another_statement(desk):
    declare(desk, bank("mt940"))
    take_in(desk, mt940([("A", 500)], on="251127"), source="bank")
    take_in(desk, mt940([("B", 500)], on="261127"), source="bank")
    assert standing(desk) == {"A": 500, "B": 500}


def test_a_row_that_cannot_be_read_may_be_what_seems_to_be_gone(desk):
    declare(desk, bank("camt053"))
    take_in(desk, camt([("A", 500), ("B", 0)]), source="bank")
    torn = camt([("A", 500), ("B", 0)], created=LATER).replace(
        b"<Sts><Cd>BOOK</Cd></Sts>", b"<Sts>?</Sts>", 2
    )
    torn = torn.replace(b"<Sts>?</Sts>", b"<Sts><Cd>BOOK</Cd></Sts>", 1)
    take_in(desk, torn, source="bank")
    assert standing(desk) == {"A": 500, "B": 0}


def test_pages_of_a_statement_take_nothing_from_each_other(desk):
    """A page ends with an interim balance; the whole of it may come before or after."""
    declare(desk, bank("mt940"))
    page = mt940([("A", 500)], closing_tag="62M")
    whole = mt940([("A", 500), ("B", 700)])
    for content in (whole, page):
        take_in(desk, content, source="bank")
    assert standing(desk) == {"A": 500, "B": 700}


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("form", ["camt053", "mt940", "bai2"])
def test_where_the_bank_says_when_it_made_them_the_last_one_holds_in_any_order(desk, form, order):
    made = {
        "camt053": [{"created": f"2026-11-27T2{hour}:00:00+01:00"} for hour in range(3)],
        "mt940": [{"made": f"2611272{hour}00+0100"} for hour in range(3)],
        "bai2": [{"made_at": f"261127,2{hour}00"} for hour in range(3)],
    }[form]
    declare(desk, bank(form))
    said = [[("A", 500), ("B", 700)], [("A", 500)], [("A", 500), ("C", 900)]]
    for number in order:
        take_in(desk, WRITERS[form](said[number], **made[number]), source="bank")
    assert standing(desk) == {"A": 500, "C": 900}


@pytest.mark.parametrize(
    ("form", "field", "account"),
    [("camt053", "Acct/Id", OTHER), ("mt940", ":25:", OTHER), ("bai2", "03", "777")],
)
def test_a_statement_of_another_account_is_refused_with_the_field_and_the_account(desk, form, field, account):
    own = {"account": "0001234567"} if form == "bai2" else {"account": IBAN}
    declare(desk, bank(form, account_number=own["account"]))
    assert take_in(desk, WRITERS[form]([("A", 500)], **own), source="bank").refusal is None
    other = take_in(desk, WRITERS[form]([("B", 500)], account=account), source="bank")
    assert other.refusal == Refusal(
        code="account_differs", field=field, expected=f"the account {own['account']}"
    )
    assert standing(desk) == {"A": 500}


def test_where_no_account_is_declared_the_first_statement_says_which_it_is(desk):
    declare(desk, bank("camt053"))
    assert take_in(desk, camt([], account=IBAN), source="bank").refusal is None
    assert take_in(desk, camt([("A", 500)], account=OTHER), source="bank").refusal.code == "account_differs"
    declare(desk, bank("camt053", account_number=OTHER))
    assert take_in(desk, camt([("A", 500)], account=OTHER), source="bank").refusal is None


def test_one_file_of_several_accounts_is_refused(desk):
    declare(desk, bank("camt053"))
    both = writers.camt_file(
        writers.camt_statement("S1", [], 0, 0, account=IBAN),
        writers.camt_statement("S2", [], 0, 0, account=OTHER),
    )
    assert take_in(desk, both, source="bank").refusal.code == "account_differs"
