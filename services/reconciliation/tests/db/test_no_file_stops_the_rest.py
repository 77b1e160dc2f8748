"""No file holds up what lies behind it, and none takes away what it only failed to say."""

import pytest

from services.reconciliation.adapters.files import _SOURCE
from services.reconciliation.adapters.readers import READERS
from services.reconciliation.adapters.watched_folder import WatchedFolder
from services.reconciliation.app.announce_lines import announce_lines
from services.reconciliation.app.our_side import JournalFact
from services.reconciliation.tests.reports import declare, payout, receive, report, take_in
from services.reconciliation.tests.three_legs import T0, World
from services.reconciliation.tests.writers import tieout_row

pytestmark = pytest.mark.db


@pytest.fixture
def world(desk):
    return World(desk)


def files(world):
    """State and refusal of the source's files, in their order."""
    return world.rows("SELECT state, refused_code FROM report_files WHERE source = 'alpha' ORDER BY nth")


def test_a_time_beyond_the_calendar_is_quarantined(world):
    declare(world.desk)
    rows = payout("po_1", (1, {}))
    rows[0]["available_on_utc"] = "9999-12-31 23:59:59-05:00"
    take_in(world.desk, report(rows))
    assert world.rows("SELECT code FROM quarantined_lines") == [("time_malformed",)]


def test_a_sum_that_cannot_be_held_refuses_the_file(world):
    declare(world.desk)
    rows = [tieout_row(n, "po_1", minor=9_007_199_254_740_991, fee_minor=0) for n in range(1, 1_100)]
    take_in(world.desk, report(rows))
    assert files(world) == [("REFUSED", "value_not_storable")]


def test_a_readers_own_fault_refuses_the_file(world, monkeypatch):
    declare(world.desk)

    def broken(_content, _context):
        yield from ()
        raise ZeroDivisionError

    monkeypatch.setattr(type(READERS["tieout_csv"]), "read", lambda _self, *given: broken(*given))
    take_in(world.desk, report(payout("po_1", (1, {}))))
    assert files(world) == [("REFUSED", "reader_failed")]


def test_what_a_corrected_file_failed_to_say_is_not_taken_away(world):
    declare(world.desk)
    refund = {"minor": -10_000, "fee_minor": -170, "category": "refund"}
    rows = payout("po_1", (1, {}), (2, refund), (3, {}))
    take_in(world.desk, report(rows))
    world.desk.run(announce_lines)
    for row in rows[:2]:
        row["created_utc"] = "27.11.2026 10:00"
    take_in(world.desk, report(rows, tieout_row(9, "po_2")))
    assert world.rows("SELECT count(*) FROM quarantined_lines") == [(2,)]
    assert world.rows("SELECT line_id FROM settlement_lines WHERE stands AND withdrawn") == []


def test_a_source_that_is_being_staged_takes_further_files(world, app_sql):
    declare(world.desk)
    take_in(world.desk, report(payout("po_1", (1, {}))))
    receive(world.desk, report(payout("po_2", (2, {}))))
    assert app_sql.execute(_SOURCE).fetchone() == ("alpha",)
    receive(world.desk, report(payout("po_3", (3, {}))))
    assert len(files(world)) == 3


def test_two_workers_may_look_into_one_folder(world, tmp_path):
    folder = tmp_path / "alpha"
    folder.mkdir()
    for name in ("a.csv", "b.csv"):
        (folder / name).write_text(name)
    other = WatchedFolder(tmp_path, 1_000, lambda *_given: None, pytest.fail)
    taken = []

    def take(_source, name, _spool):
        taken.append(name)
        other.turn()

    WatchedFolder(tmp_path, 1_000, take, pytest.fail).turn()
    assert taken == ["a.csv"]
    assert sorted(path.name for path in (folder / "done").iterdir()) == ["a.csv", "b.csv"]


def test_an_imported_journal_needs_no_event_of_a_payment(world):
    brought = JournalFact(
        journal_id="j1", rule="imported", fact_key="old:1", cause_event_id="evt_x",
        cause_event_type="JournalImported.v1", payment_id=None, currency="EUR", amount_minor=1_000,
        reverses_journal_id=None, effective_at=T0, told_at=T0,
    )  # fmt: skip
    world.desk.run(lambda uow: uow.our_side.hear_journal(brought))
    world.match()
    assert world.breaks() == {}
