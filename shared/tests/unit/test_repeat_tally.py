"""What a process counts of repeated keys is written once, kept when it was surely not, and never written twice."""

import threading

import pytest
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.kernel.errors import CommitUnknown
from shared.persistence.key_repeats import Mismatch, Repeat
from shared.runtime import repeat_tally
from shared.runtime.metric_names import IDEMPOTENCY_UNCOUNTED
from shared.runtime.metrics import value_of
from shared.runtime.repeat_tally import RepeatTally
from shared.testing.virtual_clock import VirtualClock


class Database:
    """Takes what is written, or does what a test says instead."""

    def __init__(self, monkeypatch):
        self.failing = None
        self.writes = []
        self.meanwhile = lambda: None
        monkeypatch.setattr(repeat_tally, "add_repeats", lambda _connection, noted: self.take(noted))

    def run(self, work, **_named):
        self.meanwhile()
        if self.failing is not None:
            raise self.failing
        work(self)

    connection = None

    def take(self, noted):
        self.writes.append({scope: dict(repeats.counts) for scope, repeats in noted.items()})


@pytest.fixture
def database(monkeypatch):
    return Database(monkeypatch)


@pytest.fixture
def uncounted():
    before = value_of(IDEMPOTENCY_UNCOUNTED)
    return lambda: value_of(IDEMPOTENCY_UNCOUNTED) - before


GONE = OperationalError("INSERT", None, Exception("no server"))


def test_a_storm_on_one_key_is_one_row_of_one_write(database):
    tally = RepeatTally(database)

    def replay():
        for _ in range(1_000):
            tally.note("a", Repeat.REPLAYED)

    threads = [threading.Thread(target=replay) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tally.note("b", Repeat.MISMATCH, Mismatch(endpoint="POST /x", param="amount"))
    tally.write()
    assert database.writes == [{"a": {Repeat.REPLAYED: 4_000}, "b": {Repeat.MISMATCH: 1}}]


def test_nothing_counted_is_nothing_written(database):
    tally = RepeatTally(database)
    tally.write()
    tally.note("a", Repeat.REPLAYED)
    tally.write()
    tally.write()
    assert len(database.writes) == 1


def test_what_the_database_surely_did_not_take_is_written_with_what_came_since(database, uncounted):
    tally = RepeatTally(database)
    tally.note("a", Repeat.REPLAYED)
    database.failing = GONE
    database.meanwhile = lambda: tally.note("a", Repeat.REPLAYED) or tally.note("b", Repeat.IN_USE)
    with pytest.raises(OperationalError):
        tally.write()
    database.failing, database.meanwhile = None, lambda: None
    tally.write()
    assert database.writes == [{"a": {Repeat.REPLAYED: 2}, "b": {Repeat.IN_USE: 1}}]
    assert uncounted() == 0


def test_what_may_have_been_written_is_never_written_again(database, uncounted):
    tally = RepeatTally(database)
    tally.note("a", Repeat.REPLAYED)
    tally.note("a", Repeat.REPLAYED)
    database.failing = CommitUnknown("count key repeats", "1", "nobody knows")
    tally.write()
    database.failing = None
    tally.write()
    assert database.writes == []
    assert uncounted() == 2


def test_a_process_that_ends_writes_once_more_and_ends_without_a_database_too(database):
    tally = RepeatTally(database)
    tally.note("a", Repeat.REPLAYED)
    database.failing = GONE
    tally.close()
    database.failing = None
    tally.close()
    assert database.writes == [{"a": {Repeat.REPLAYED: 1}}]


def test_memory_is_bounded_and_what_does_not_fit_is_said(database, uncounted):
    tally = RepeatTally(database, keys_max=2)
    for scope in ("a", "b", "c", "a", "c"):
        tally.note(scope, Repeat.REPLAYED)
    tally.write()
    assert database.writes == [{"a": {Repeat.REPLAYED: 2}, "b": {Repeat.REPLAYED: 1}}]
    assert uncounted() == 2


def test_the_last_mismatch_counts(database, monkeypatch):
    seen = []
    monkeypatch.setattr(
        repeat_tally, "add_repeats", lambda _connection, noted: seen.append(noted["a"].mismatch)
    )
    tally = RepeatTally(database)
    for param in ("amount", "colour"):
        tally.note("a", Repeat.MISMATCH, Mismatch(endpoint="POST /x", param=param))
    tally.note("a", Repeat.REPLAYED)
    tally.write()
    assert seen == [Mismatch(endpoint="POST /x", param="colour")]


@pytest.mark.parametrize("failing", [GONE, PoolTimeout("no session"), DataError("x", None, Exception("odd"))])
def test_a_count_that_cannot_be_written_ends_no_process_that_serves(database, failing):
    tally = RepeatTally(database)
    tally.note("a", Repeat.REPLAYED)
    role = tally.role(VirtualClock())
    database.failing = failing
    assert role.turn() is False
    tally.close()
    database.failing = None
    role.turn()
    assert database.writes == [{"a": {Repeat.REPLAYED: 1}}]
