"""Each invariant of reconciliation's own figures is shown to go red, and to leave alone what no run has looked at."""

import pytest

from tools.auditor.reconciliation_queries import hashed
from tools.tests.db.conftest import Bench
from tools.tests.db.planted_reconciliation import RECONCILED, UNSEEN
from tools.tests.db.planted_violations import Plant

KEPT = ("I26.suspense_is_named", "I26.months_keep_their_days")


def broken_by(books: Bench, *statements: str) -> set[str]:
    return books.broken_by(Plant("", "reconciliation", statements), brokers=False)


def test_without_brokers_the_history_ties_out(books: Bench) -> None:
    assert books.broken_without_brokers() == set()


@pytest.mark.parametrize(
    "case",
    [case for case in RECONCILED if case.breaks not in KEPT],
    ids=lambda case: f"{case.breaks}-{case.service}",
)
def test_a_planted_figure_is_reported(books: Bench, case: Plant) -> None:
    assert books.broken_by(case, brokers=False) == {case.breaks, *case.also}


@pytest.mark.parametrize(
    "case", [case for case in RECONCILED if case.breaks in KEPT], ids=lambda case: case.sql[0][:60]
)
def test_what_is_planted_in_suspense_or_in_a_closed_month_is_reported(books: Bench, case: Plant) -> None:
    assert books.broken_by(case, brokers=False) == {case.breaks, *case.also}


@pytest.mark.parametrize("statements", UNSEEN, ids=lambda statements: statements[0])
def test_what_no_run_has_seen_is_for_the_next_one(books: Bench, statements: tuple[str, ...]) -> None:
    assert broken_by(books, *statements) == set()
    assert broken_by(books, statements[0])


def test_what_is_agreed_may_differ(books: Bench) -> None:
    within = "UPDATE our_items SET amount_minor = 801 WHERE object_id = 'cap_4'"
    ended = "UPDATE terms SET ended = true, tolerance_minor = NULL"
    only_the_others = {"I26.our_side_is_ours", "I26.accounts_agree"}

    assert broken_by(books, within) == only_the_others
    assert broken_by(books, within, ended) == {
        *only_the_others,
        "I26.matches_come_out",
    }


def test_files_are_hashed_piece_by_piece() -> None:
    pieces = [("a", b"one"), ("a", b"two"), ("b", b""), ("c", b"x")]

    whole = {file_id: (digest, length) for file_id, digest, length in hashed(iter(pieces))}

    assert {file_id: length for file_id, (_, length) in whole.items()} == {"a": 6, "b": 0, "c": 1}
    assert whole["a"] == next((d, n) for _, d, n in hashed([("z", b"onetwo")]))
    assert list(hashed([])) == []
