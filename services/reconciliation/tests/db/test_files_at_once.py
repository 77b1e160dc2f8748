"""Files that come at the same moment, by whichever ways: each once, in one order, and that order is the one that lasts."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import threading

import psycopg
import pytest

from services.reconciliation.adapters.readers import READERS
from services.reconciliation.adapters.recomputing import recompute
from services.reconciliation.app.receive_file import IncomingFile, receive_file
from services.reconciliation.app.resolve_break import propose_acceptance
from services.reconciliation.app.run_matching import RunKind, run_matching
from services.reconciliation.entrypoints.worker import look_into, stage_one, take_turn
from services.reconciliation.tests import deciding
from services.reconciliation.tests.months import ADA, JANUARY, Shop
from services.reconciliation.tests.reports import ALPHA, declare, payout, prefer, receive, report, take_in
from services.reconciliation.tests.writers import tieout_payout, tieout_row
from shared.kernel.errors import Rejected
from shared.testing.waiting import eventually

pytestmark = pytest.mark.db
LIMIT = 1_000_000
FEE = "SELECT fee_minor FROM settlement_lines WHERE stands AND line_id = 'txn_1'"


def of_fee(fee_minor):
    return report(payout("po_1", (1, {"fee_minor": fee_minor})))


class Meanwhile(io.BytesIO):
    """Content during whose first reading something else happens."""

    def __init__(self, content, work):
        super().__init__(content)
        self._work = [work]

    def read(self, size=-1):
        while self._work:
            self._work.pop()()
        return super().read(size)


def receive_while(desk, content, work):
    """Receive a file, whose number is drawn, and do ``work`` before its bytes are there."""
    incoming = IncomingFile(
        source="alpha", name="slow.csv", sha256=hashlib.sha256(content).digest(), byte_count=len(content),
        content=lambda: Meanwhile(content, work),
    )  # fmt: skip
    return desk.run(lambda uow: receive_file(incoming, "ada", ADA, uow)).file


def blocked(desk):
    return desk.rows(
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )


def test_the_same_bytes_by_api_and_watched_folder_at_once_are_one_file(desk, tmp_path):
    declare(desk)
    content = of_fee(100)
    (tmp_path / "alpha").mkdir()
    (tmp_path / "alpha/report.csv").write_bytes(content)
    found = threading.Thread(target=look_into, args=(tmp_path, LIMIT, desk.transactions))
    incoming = IncomingFile(
        source="alpha", name="sent.csv", sha256=hashlib.sha256(content).digest(), byte_count=len(content),
        content=lambda: io.BytesIO(content),
    )  # fmt: skip

    def send(uow):
        received = receive_file(incoming, "ada", ADA, uow)
        found.start()
        eventually(lambda: blocked(desk))
        return received

    assert desk.run(send).is_new
    found.join(30)
    assert [path.name for path in (tmp_path / "alpha").rglob("*.csv")] == ["report.csv"]
    assert (tmp_path / "alpha/done/report.csv").exists()
    assert desk.rows("SELECT name, received_by FROM report_files") == [("sent.csv", "ada")]
    assert desk.rows("SELECT count(DISTINCT file_id), count(*) FROM report_file_chunks") == [(1, 1)]
    assert [take_turn(READERS, desk.transactions) for _ in range(2)] == [True, False]


def test_many_senders_and_workers_at_once_leave_each_file_once_in_one_order(desk, tmp_path):
    declare(desk)
    contents = [of_fee(fee_minor) for fee_minor in (100, 90, 80)]
    (tmp_path / "alpha").mkdir()
    for number, content in enumerate(contents):
        (tmp_path / f"alpha/{number}.csv").write_bytes(content)
    failures = []
    senders = [lambda one=one: receive(desk, one) for one in contents for _ in range(2)]
    folders = [lambda: look_into(tmp_path, LIMIT, desk.transactions)] * 2
    workers = [lambda: [stage_one(READERS, desk.transactions) for _ in range(5)]] * 2

    def tried(work):
        try:
            work()
        except Exception as error:  # noqa: BLE001 - shown below
            failures.append(error)

    threads = [threading.Thread(target=tried, args=(work,)) for work in (*senders, *folders, *workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    while stage_one(READERS, desk.transactions):
        pass
    assert failures == []
    staged = [fee for (fee,) in desk.rows(
        "SELECT l.fee_minor FROM report_files JOIN report_lines AS l USING (file_id) WHERE l.line_id = 'txn_1'"
        " ORDER BY staged_nth"
    )]  # fmt: skip
    assert sorted(staged) == [80, 90, 100]
    assert desk.rows(FEE) == [(staged[-1],)]
    asked = """
        SELECT former.staged_nth + 1 = this.staged_nth
          FROM contradicted_files AS c JOIN report_files AS this USING (file_id)
          JOIN report_files AS former ON former.file_id = c.former_file_id
    """
    assert desk.rows(asked) == [(True,), (True,)]


@pytest.fixture
def shop(desk):
    made = Shop(desk)
    made.january()
    made.sold(8, 400, 1, 12)
    return made


def of_january(minor):
    days = {"created_utc": "2026-01-12 10:00:00", "available_on_utc": "2026-01-20 10:00:00"}
    row = tieout_row(8, "po_twice", minor=minor, fee_minor=0, **days)
    return report([row, tieout_payout("po_twice_total", "po_twice", minor) | days])


def computed_again(shop):
    """What differs of the month as it was closed, after two people let what came later hold."""
    shop.match()
    for (break_id,) in shop.rows("SELECT break_id FROM breaks WHERE type = 'file_order_unknown'"):
        shop.desk.run(lambda uow, asked=break_id: propose_acceptance(asked, "it came later", ADA, uow))
        deciding.approve(shop, break_id)
    shop.close(JANUARY)
    done = shop.desk.run(lambda uow: recompute(READERS, JANUARY, uow.connection, uow.now, uow.ids))
    return done.differences


STANDS = "SELECT gross_minor FROM settlement_lines WHERE stands AND line_id = 'txn_8'"


def test_a_month_is_computed_again_in_the_order_in_which_files_were_whole_not_begun(shop):
    receive_while(shop.desk, of_january(400), lambda: take_in(shop.desk, of_january(300)))
    while stage_one(READERS, shop.desk.transactions):
        pass
    assert shop.rows(STANDS) == [(400,)], "what was whole last came last"
    assert computed_again(shop) == []


def test_a_file_that_is_read_again_after_a_refusal_came_when_it_was_read(shop):
    desk = shop.desk
    declare(desk, dataclasses.replace(ALPHA, format="stripe_payout_csv"))
    assert take_in(desk, of_january(400)).state == "REFUSED"
    declare(desk)
    for minor in (300, 400):
        assert take_in(desk, of_january(minor)).state == "STAGED"
    assert shop.rows(STANDS) == [(400,)]
    assert computed_again(shop) == []


def test_what_two_people_decided_counts_in_the_order_in_which_files_were_staged(desk):
    """The one that was begun first was whole last: two people let it hold, and one prefers no earlier one to it."""
    declare(desk)
    others = []
    slow = receive_while(desk, of_fee(100), lambda: others.append(take_in(desk, of_fee(90))))
    while stage_one(READERS, desk.transactions):
        pass
    desk.run(lambda uow: run_matching(RunKind.INCREMENTAL, "test", uow))
    ((break_id, subject),) = desk.rows(
        "SELECT break_id, subject FROM breaks WHERE type = 'file_order_unknown'"
    )
    assert subject == f"order:{slow.file_id}:{others[0].file_id}:EUR"
    desk.run(lambda uow: propose_acceptance(break_id, "the processor says so", ADA, uow))
    with pytest.raises(Rejected) as refused:
        prefer(desk, others[0])
    assert (refused.value.code, desk.rows(FEE)) == ("file_order_decided", [(100,)])


def test_its_number_is_drawn_once_and_by_nobody_else(desk, app_sql, reconciliation_urls):
    declare(desk)
    take_in(desk, of_fee(100))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app_sql.execute("UPDATE report_files SET staged_nth = 7")
    with psycopg.connect(reconciliation_urls.owner) as owner:
        owner.execute("ALTER TABLE report_files DISABLE TRIGGER report_files_step")
        with pytest.raises(psycopg.errors.RestrictViolation):
            owner.execute("UPDATE report_files SET staged_nth = 7")
