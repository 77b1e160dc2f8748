"""A statement of a bank in several messages: each part goes on where one ended, and a corrected part corrects its own."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta

import psycopg
import pytest
from typer.testing import CliRunner

from services.reconciliation.adapters.file_reports import control_totals_of, statement_gaps
from services.reconciliation.adapters.standing_gauges import StandingGauges
from services.reconciliation.domain.sources import Source, SourceKind
from services.reconciliation.entrypoints.cli import cli
from services.reconciliation.tests import writers
from services.reconciliation.tests.reports import declare, prefer, take_in
from shared.runtime.metric_names import RECONCILIATION_STATEMENT_GAP_AGE_S
from shared.runtime.operator_tokens import OperatorRole

pytestmark = pytest.mark.db
BANK = Source(source="bank", kind=SourceKind.BANK, format="mt940", bank_account="main", options={})


@pytest.fixture
def bank(desk):
    declare(desk, BANK)
    return desk


def part(number, entries, *, opening=0, closing=None, last=3, **more):
    """Part ``number`` of ``last`` of statement 118."""
    made = [writers.mt940_entry(minor, reference=name) for name, minor in entries]
    came_to = opening + sum(minor for _, minor in entries) if closing is None else closing
    tags = {
        "opening_tag": "60F" if number == 1 else "60M",
        "closing_tag": "62F" if number == last else "62M",
    }
    return writers.mt940_statement(f"118/{number}", made, opening, came_to, **(tags | more)).encode()


def send(desk, *contents):
    return [take_in(desk, content, source="bank") for content in contents]


def standing(desk):
    return dict(
        desk.rows(
            'SELECT "references"[1], amount_minor FROM bank_lines WHERE stands AND NOT withdrawn ORDER BY line_id'
        )
    )


def gaps(desk):
    found = desk.run(lambda uow: statement_gaps(uow.connection, source="bank", limit=10))
    return [(gap["part"], gap["field"], gap["code"], gap["expected"], gap["found_minor"]) for gap in found]


ONE, TWO, THREE = part(1, [("A", 500)]), part(2, [("B", 700)], opening=500), part(3, [("C", 9)], opening=1200)


@pytest.mark.parametrize("order", list(itertools.permutations((ONE, TWO, THREE)))[::2])
def test_parts_may_come_in_any_order_and_what_lacks_until_then_is_named(bank, order):
    send(bank, *order[:2])
    assert gaps(bank) != []
    send(bank, order[2])
    assert gaps(bank) == []
    assert standing(bank) == {"A": 500, "B": 700, "C": 9}


def test_a_part_that_did_not_come_is_named_by_the_balances_beside_it(bank):
    send(bank, ONE, THREE)
    assert gaps(bank) == [
        (1, ":62M:", "part_missing", "part 2 of statement 118 with :60M: 500 minor units of EUR", None),
        (3, ":60M:", "part_missing", "part 2 of statement 118 with :62M: 1200 minor units of EUR", None),
    ]


def test_a_part_that_goes_on_elsewhere_is_named_with_what_was_found(bank):
    send(bank, part(1, [("A", 500)], last=2), part(2, [("B", 700)], opening=400, last=2))
    assert gaps(bank) == [
        (1, ":62M:", "part_not_continued", "part 2 of statement 118 with :60M: 500 minor units of EUR", 400),
        (2, ":60M:", "part_not_continued", "part 1 of statement 118 with :62M: 400 minor units of EUR", 500),
    ]


def test_nothing_goes_on_from_a_part_that_ended_the_statement(bank):
    send(bank, part(1, [("A", 500)], last=1), part(2, [("B", 700)], opening=500, last=2))
    assert gaps(bank) == [
        (2, ":60M:", "part_not_continued", "part 1 of statement 118 with :62M: 500 minor units of EUR", 500)
    ]


def test_a_number_that_comes_again_next_year_is_no_part_of_it(bank):
    send(bank, part(1, [("A", 500)], last=2, on="251127"), part(2, [("B", 700)], opening=500, last=2))
    assert [code for _, _, code, _, _ in gaps(bank)] == ["part_missing", "part_missing"]


def test_a_corrected_part_takes_away_what_it_leaves_out_and_the_next_one_follows_it(bank):
    send(bank, ONE, part(2, [("B", 700), ("X", 1)], opening=500, last=2))
    send(bank, part(1, [("A", 450), ("N", 5)]))
    assert [code for _, _, code, _, _ in gaps(bank)] == ["part_not_continued", "part_not_continued"]
    assert standing(bank) == {"A": 450, "N": 5, "B": 700, "X": 1}
    send(bank, part(2, [("B", 701)], opening=455, last=2))
    assert gaps(bank) == []
    assert standing(bank) == {"A": 450, "N": 5, "B": 701}
    history = bank.rows(
        "SELECT \"references\"[1], amount_minor, withdrawn FROM bank_lines WHERE \"references\"[1] IN ('A', 'B', 'X')"
        " ORDER BY line_id, revision"
    )
    assert [row for row in history if row[0] == "A"] == [("A", 500, False), ("A", 450, False)]
    assert [row for row in history if row[0] == "X"] == [("X", 1, False), ("X", 0, True)]


def test_the_parts_beside_it_are_held_to_the_reading_that_was_preferred(bank):
    first, *_ = send(bank, ONE, TWO, THREE, part(1, [("A", 480)]))
    assert [gap[2] for gap in gaps(bank)] == ["part_not_continued"] * 2
    prefer(bank, first, "the right one")
    assert gaps(bank) == []


def test_a_line_that_moves_to_the_part_beside_its_own_stands_once(bank):
    send(bank, part(1, [("A", 500), ("B", 700)]) + part(2, [("C", 1), ("D", 2)], opening=1_200, last=2))
    send(bank, part(1, [("A", 500), ("C", 1)]) + part(2, [("D", 2)], opening=501, last=2))
    assert standing(bank) == {"A": 500, "C": 1, "D": 2}
    send(bank, part(1, [("A", 500)]) + part(2, [("C", 1), ("D", 2)], opening=500, last=2))
    assert standing(bank) == {"A": 500, "C": 1, "D": 2}
    assert gaps(bank) == []


@pytest.mark.parametrize(
    "other",
    [
        part(1, [("A", 500)], closing=501),
        part(1, [("A", 500)], opening=3),
        part(1, [("A", 500)], on="261128"),
        part(1, [("A", 500)], last=1),
        part(2, [("A", 500)]),
    ],
    ids=["not_whole", "other_opening", "other_day", "the_only_part", "other_part"],
)
def test_what_is_not_the_same_part_or_not_whole_takes_nothing_away(bank, other):
    send(bank, part(1, [("A", 500), ("B", 700)]), other)
    assert standing(bank)["B"] == 700


def test_parts_of_one_file_that_do_not_go_on_correct_nothing(bank):
    send(bank, part(1, [("A", 500), ("B", 700)], last=2))
    (torn,) = send(bank, part(1, [("A", 500)], last=2) + part(2, [("C", 1)], opening=501, last=2))
    totals = bank.run(lambda uow: control_totals_of(uow.connection, torn.file_id, 10))
    assert [
        (each["name"], each["stated_minor"], each["counted_minor"]) for each in totals if not each["holds"]
    ] == [(":60M: of part 2 = :62M: of part 1", 501, 500)]
    assert standing(bank) == {"A": 500, "B": 700, "C": 1}


def test_a_whole_statement_that_was_staged_before_parts_were_kept_is_corrected_still(
    bank, reconciliation_urls
):
    send(bank, part(1, [("A", 500), ("B", 700)], last=1))
    with psycopg.connect(reconciliation_urls.owner) as owner:
        owner.execute("ALTER TABLE statement_heads DISABLE TRIGGER USER")
        owner.execute("UPDATE statement_heads SET number = NULL, part = NULL, opens = NULL, closes = NULL")
        owner.execute("ALTER TABLE statement_heads ENABLE TRIGGER USER")
    send(bank, part(1, [("A", 500)], last=1))
    assert standing(bank) == {"A": 500}


def test_a_gap_ages_until_it_is_filled(bank):
    class Later:
        seconds = 0.0

        def now(self):
            return bank.rows("SELECT max(received_at) FROM report_files")[0][0] + timedelta(hours=25)

        def monotonic_s(self):
            self.seconds += 60
            return self.seconds

    gauges = StandingGauges(bank.engine, Later())
    send(bank, part(1, [("A", 500)], last=2))
    assert gauges.samples_of(RECONCILIATION_STATEMENT_GAP_AGE_S) == {(): 25 * 3_600}
    send(bank, part(2, [("B", 700)], opening=500, last=2))
    assert gauges.samples_of(RECONCILIATION_STATEMENT_GAP_AGE_S) == {(): 0}


def test_gaps_over_http_and_in_the_terminal(bank, office, terminal):
    send(bank, ONE)
    asked = office.call("GET", "/statement-gaps?source=bank", role=OperatorRole.VIEWER).document["data"]
    assert [(gap["statement"], gap["other_part"], gap["expected_minor"]) for gap in asked] == [
        ("118", 2, 500)
    ]
    assert office.call("GET", "/statement-gaps?source=other").document["data"] == []
    done = CliRunner().invoke(cli, ["files", "gaps", "--json"], env=terminal)
    assert (done.exit_code, [gap["expected"] for gap in json.loads(done.stdout)]) == (
        0,
        [asked[0]["expected"]],
    )
