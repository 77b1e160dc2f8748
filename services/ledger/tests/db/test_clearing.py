"""What has not returned to zero: by key, with its age, matched lines included, wherever the folder is."""

from __future__ import annotations

import json
import threading

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from typer.testing import CliRunner

from services.ledger.adapters.clearing import ClearingFolder, SqlClearing, watch_clearing
from services.ledger.adapters.negative_balances import SqlNegativeBalances
from services.ledger.adapters.sealing import Sealer
from services.ledger.adapters.statements import SqlStatements
from services.ledger.app.clearing import ClearingWanted, report_clearing
from services.ledger.entrypoints.cli import cli
from services.ledger.entrypoints.http import application
from services.ledger.entrypoints.http_clearing import add_clearing
from services.ledger.tests import report
from services.ledger.tests.expected import open_of
from services.ledger.tests.histories import History
from services.ledger.tests.payloads import Payment
from services.ledger.tests.report_histories import ReportHistory
from shared.kernel.errors import Rejected
from shared.runtime.metrics import exposition
from shared.runtime.operator_tokens import OperatorRole, TokenIssuer, TokenVerifier, new_key_pair

EVERYTHING = ClearingWanted(limit=10_000)


class Desk:
    """The ledger with its sealer, its folder, and the reads."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.sealer = Sealer(ledger.transactions)
        self.folder = ClearingFolder(ledger.transactions, journals_max=3)
        self.clearing = SqlClearing(ledger.engine)

    def fold(self):
        while self.sealer.turn():
            pass
        while self.folder.turn():
            pass

    def open(self, **wanted):
        found = self.clearing.open_keys(ClearingWanted(limit=10_000, **wanted))
        return {(key.family, key.currency, key.clearing_key): key.balance_minor for key in found}

    def age(self, seconds):
        """Let everything be booked so long ago."""
        for table, column in (("journals", "booked_at"), ("clearing_keys", "since")):
            self.ledger.admin(f"UPDATE {table} SET {column} = {column} - make_interval(secs => {seconds})")


@pytest.fixture
def desk(ledger, ledger_urls):
    def admin(statement):
        with psycopg.connect(ledger_urls.owner) as connection:
            connection.execute("ALTER TABLE journals DISABLE TRIGGER USER")
            connection.execute(statement)
            connection.execute("ALTER TABLE journals ENABLE ALWAYS TRIGGER journals_keeps_rows")

    ledger.admin = admin
    return Desk(ledger)


def tell_some(ledger):
    payment = Payment(1)
    ledger.tell(
        payment.captured(10_000),
        report.accepted("1", "charge", 10_000, 200, **report.of(payment, "cap")),
        payment.dispute_withdrawn(6_000, row=1),
        payment.refund_requested(500),
        report.accepted("2", "other", -700),
        payment.uncertain(300, "in", nth=9),
        report.accepted("3", "charge", 40, currency="USD"),
    )
    return payment


SOME = {
    ("processor_receivable", "EUR", report.object_key("dsp_1_0")): -6_000,
    ("disputed", "EUR", report.object_key("dsp_1_0")): 6_000,
    ("merchant_held", "EUR", report.object_key("dsp_1_0")): 6_000,
    ("refunds_in_flight", "EUR", Payment(1).id("re", 0)): 500,
    ("bank_clearing", "EUR", report.payout_key()): 9_100,
    ("suspense", "EUR", report.line_key("2")): -700,
    ("in_doubt_in", "EUR", Payment(1).id("op", 9)): 300,
    ("in_doubt_contra", "EUR", Payment(1).id("op", 9)): 300,
    ("processor_receivable", "USD", report.line_key("3")): -40,
    ("bank_clearing", "USD", report.payout_key()): 40,
}


@pytest.mark.parametrize("folded", [False, True])
def test_every_transitional_account_is_tracked_by_its_key(ledger, desk, folded):
    tell_some(ledger)
    if folded:
        desk.fold()
    assert desk.open() == SOME


def test_what_came_back_to_zero_is_gone_from_the_rows(ledger, desk):
    payment = Payment(1)
    ledger.tell(payment.captured(10_000))
    desk.fold()
    assert ledger.rows("SELECT clearing_key, net_minor FROM clearing_keys") == [
        (report.object_key("cap_1_0"), 10_000)
    ]
    ledger.tell(report.accepted("1", "charge", 10_000, **report.of(payment, "cap")))
    desk.fold()
    ledger.tell(report.bank_credit(10_000))
    desk.fold()
    assert ledger.rows("SELECT * FROM clearing_keys") == []
    assert desk.open() == {}


def test_a_sum_has_no_largest_number(ledger, desk):
    largest, times = 2**53 - 1, 1_030
    desk.folder = ClearingFolder(ledger.transactions)
    for start in range(0, times, 103):
        numbers = range(start, start + 103)
        ledger.tell(*(report.accepted(str(number), "other", largest) for number in numbers))
        desk.fold()
    assert times * largest > 2**63
    assert ledger.rows(
        f"SELECT net_minor FROM clearing_keys WHERE clearing_key = '{report.payout_key()}'"
    ) == [(times * largest,)]
    assert desk.open(family="bank_clearing") == {
        ("bank_clearing", "EUR", report.payout_key()): times * largest
    }
    sums = {found.family: found.open_minor for found in desk.clearing.open_sums(EVERYTHING)}
    assert sums == {"bank_clearing": times * largest, "suspense": times * largest}
    ledger.tell(*(report.bank_credit(largest, line_id=f"bank/{number}") for number in range(times)))
    assert desk.open(family="bank_clearing") == {}
    desk.fold()
    assert desk.open(family="bank_clearing") == {}


@pytest.mark.parametrize("folded", [False, True])
def test_a_matched_line_counts_under_its_object_without_a_posting(ledger, desk, folded):
    one, two = Payment(1), Payment(2)
    ledger.tell(one.captured(10_000), two.captured(10_000), report.accepted("1", "charge", 10_000))
    if folded:
        desk.fold()
    journals = ledger.rows("SELECT count(*) FROM journals")
    receivable = {"family": "processor_receivable"}
    assert len(desk.open(**receivable)) == 3
    ledger.tell(report.matched("1", one, "cap", 10_000))
    assert desk.open(**receivable) == {("processor_receivable", "EUR", report.object_key("cap_2_0")): 10_000}
    ledger.tell(report.matched("1", two, "cap", 10_000, number=2))
    assert desk.open(**receivable) == {("processor_receivable", "EUR", report.object_key("cap_1_0")): 10_000}
    ledger.tell(report.matched("1", one, "cap", 10_000))
    assert len(desk.open(**receivable)) == 1
    assert ledger.rows("SELECT count(*) FROM journals") == journals


@pytest.mark.parametrize("late", [False, True], ids=["told before", "told after"])
@pytest.mark.parametrize("folded", [False, True])
def test_a_match_holds_for_the_revision_that_it_matched_alone(ledger, desk, folded, late):
    """An amended line that says no object is unmatched again, as payment has it; whenever the old match is told."""
    one = Payment(1)
    match = report.matched("1", one, "cap", 10_000)
    amendment = report.amended("1", "charge", 9_000, revision=2, amends=1)
    ledger.tell(one.captured(10_000), report.accepted("1", "charge", 10_000))
    ledger.tell(*((amendment, match) if late else (match, amendment)))
    if folded:
        desk.fold()
    claim = ("processor_receivable", "EUR", report.object_key("cap_1_0"))
    line = ("processor_receivable", "EUR", report.line_key("1"))
    assert desk.open(family="processor_receivable") == {claim: 10_000, line: -9_000}
    ledger.tell(report.matched("1", one, "cap", 9_000, number=1, revision=2))
    assert desk.open(family="processor_receivable") == {claim: 1_000}
    ledger.tell(report.amended("1", "charge", 10_000, revision=3, amends=2, **report.of(one, "cap")))
    assert desk.open(family="processor_receivable") == {}


@pytest.mark.parametrize("folded", [False, True])
def test_a_match_moves_what_a_revision_with_an_object_booked(ledger, desk, folded):
    """Also where the corrected file named an object itself: who matched it otherwise knows better."""
    one, two = Payment(1), Payment(2)
    ledger.tell(one.captured(10_000), two.captured(10_000), report.accepted("1", "charge", 9_000))
    ledger.tell(report.matched("1", one, "cap", 9_000))
    ledger.tell(report.amended("1", "charge", 10_000, revision=2, amends=1, **report.of(one, "cap")))
    if folded:
        desk.fold()
    claims = {n: ("processor_receivable", "EUR", report.object_key(f"cap_{n}_0")) for n in (1, 2)}
    assert desk.open(family="processor_receivable") == {claims[2]: 10_000}
    ledger.tell(report.matched("1", two, "cap", 10_000, number=1, revision=2))
    assert desk.open(family="processor_receivable") == {claims[1]: 10_000}


def test_a_match_moves_no_key_of_suspense(ledger, desk):
    ledger.tell(report.accepted("1", "other", 700), report.matched("1", Payment(1), "cap", 700))
    assert ("suspense", "EUR", report.line_key("1")) in desk.open()


def test_the_age_counts_from_when_the_key_left_zero(ledger, desk):
    payment = Payment(1)
    ledger.tell(payment.captured(10_000))
    desk.fold()
    desk.age(7_200)
    ledger.tell(report.accepted("1", "charge", 4_000, **report.of(payment, "cap")))
    desk.fold()
    (old,) = desk.clearing.open_keys(ClearingWanted(min_age_s=3_600))
    assert (old.clearing_key, old.balance_minor) == (report.object_key("cap_1_0"), 6_000)
    assert 7_200 <= old.age_s < 7_400
    assert [key.family for key in desk.clearing.open_keys(EVERYTHING)] == [
        "processor_receivable",
        "bank_clearing",
    ]
    (summed,) = desk.clearing.open_sums(ClearingWanted(min_age_s=3_600))
    assert (summed.family, summed.currency, summed.keys, summed.open_minor) == (
        "processor_receivable",
        "EUR",
        1,
        6_000,
    )


def test_sums_add_up_both_sides(ledger, desk):
    one, two = Payment(1), Payment(2)
    ledger.tell(one.captured(10_000), report.accepted("1", "refund", 3_000, **report.of(two, "ref")))
    sums = {each.family: (each.keys, each.open_minor) for each in desk.clearing.open_sums(EVERYTHING)}
    assert sums == {"processor_receivable": (2, 13_000), "bank_clearing": (1, 3_000)}


def test_filters_are_checked_and_hold(ledger, desk):
    tell_some(ledger)
    assert set(desk.open(currency="USD")) == {key for key in SOME if key[1] == "USD"}
    assert len(desk.clearing.open_keys(ClearingWanted(limit=3))) == 3
    for family in ("merchant_pending", "no_such"):
        with pytest.raises(Rejected, match="Only these return to zero"):
            report_clearing(ClearingWanted(family=family), desk.clearing)


def test_folders_side_by_side_fold_everything_once(ledger, desk):
    ledger.tell(*(Payment(number).captured(10) for number in range(60)))
    while desk.sealer.turn():
        pass
    done = threading.Event()

    def work():
        folder = ClearingFolder(ledger.transactions, journals_max=2)
        while not done.is_set():
            folder.turn()
            (folded, settled) = ledger.rows(
                "SELECT coalesce((SELECT folded_position FROM clearing_progress), 0), settled_position FROM seal_shards"
            )[0]
            if folded >= settled:
                done.set()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert ledger.rows("SELECT count(*), min(net_minor), max(net_minor) FROM clearing_keys") == [(60, 10, 10)]


@pytest.mark.parametrize("position", ["folded_position - 1", "folded_position", "folded_position + 1000"])
def test_nothing_is_folded_twice_or_before_it_is_decided(ledger, desk, app_sql, position):
    ledger.tell(Payment(1).captured(10_000))
    desk.fold()
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="cannot be folded"):
        app_sql.execute(f"UPDATE clearing_progress SET folded_position = {position}")


def test_any_history_folded_at_any_time_is_what_the_entries_say(ledger, desk):
    every = []

    @settings(
        max_examples=20,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(
        steps=st.lists(
            st.tuples(st.booleans(), st.integers(0, 999), st.integers(1, 10**9), st.booleans()), max_size=15
        )
    )
    def run(steps):
        payment = Payment(1 + len(every))
        payments, reports = History(payment), ReportHistory(f"{len(every)}-", [payment])
        every.extend([payments, reports])
        for of_payment, choice, amount, fold in steps:
            event = payments.step(choice, amount) if of_payment else reports.step(choice, amount, amount % 97)
            ledger.tell(event)
            if fold:
                desk.sealer.turn()
                desk.folder.turn()
        assert desk.open() == open_of(every)

    run()


OPERATORS = new_key_pair()


def test_operators_read_it_over_http(ledger, desk):
    tell_some(ledger)
    verifier = TokenVerifier(OPERATORS[1])
    app = application(
        ledger.reader,
        SqlStatements(ledger.engine),
        SqlNegativeBalances(ledger.engine),
        operators=verifier,
        merchants=None,
    )
    add_clearing(app, desk.clearing, verifier)
    token = TokenIssuer(OPERATORS[0]).operator("ada", OperatorRole.VIEWER)
    with TestClient(app) as client:
        assert client.get("/clearing").status_code == 401
        reply = client.get("/clearing?family=suspense", headers={"Authorization": f"Bearer {token}"})
        assert reply.status_code == 200
        assert [key["clearing_key"] for key in reply.json()["keys"]] == [report.line_key("2")]
        assert [(each["family"], each["open_minor"]) for each in reply.json()["sums"]] == [("suspense", 700)]
        wrong = client.get("/clearing?family=rounding", headers={"Authorization": f"Bearer {token}"})
        assert wrong.status_code == 422


def test_people_read_it_in_the_terminal(ledger, desk, ledger_urls):
    tell_some(ledger)
    environment = {"LEDGER_DATABASE_URL": ledger_urls.app, "LEDGER_RELAY_DATABASE_URL": ledger_urls.relay}
    told = CliRunner().invoke(cli, ["clearing", "--currency", "USD", "--json"], env=environment)
    assert told.exit_code == 0, told.output
    assert {key["family"] for key in json.loads(told.stdout)["keys"]} == {
        "processor_receivable",
        "bank_clearing",
    }
    table = CliRunner().invoke(cli, ["clearing"], env=environment)
    assert report.object_key("dsp_1_0") in table.stdout


def test_gauges_say_how_many_how_much_and_how_old(ledger, desk):
    tell_some(ledger)
    watch_clearing(desk.clearing)
    text = exposition()[1].decode()
    assert 'tieout_clearing_open_keys{currency="EUR",family="disputed"} 1.0' in text
    assert 'tieout_clearing_open_minor{currency="EUR",family="bank_clearing"} 9100.0' in text
    assert 'tieout_clearing_oldest_seconds{currency="USD",family="bank_clearing"}' in text
