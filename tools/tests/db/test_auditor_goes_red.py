"""Each invariant is shown to go red: one violation planted by a superuser, and exactly the invariants named report it."""

import json

import psycopg
import pytest
from typer.testing import CliRunner

from tools.auditor.audit import audit
from tools.auditor.draining import MayStay, Stuck
from tools.auditor.registry import CHECKS, LIVENESS
from tools.cli import app
from tools.tests.db.conftest import Bench
from tools.tests.db.planted_reconciliation import RECONCILED
from tools.tests.db.planted_violations import BROUGHT, DROPPED, MANUAL, PLANTS, WAITING, Plant
from tools.tests.db.tiny_rows import PARTITIONS, SERVICES, Row, partition_of


def test_the_tiny_history_ties_out(bench: Bench) -> None:
    report = bench.audit()

    assert report.holds, [found for found in report.invariants if not found.holds]
    unproven = {found.name for found in report.invariants if not found.checked}
    assert unproven == {
        "I3.closed_months_stand",
        "I15.parked_has_a_key",
        "I15.poison_has_dead_letter",
        "I26.suspense_is_named",
    }
    one_each = ("AUTHORIZED", "CAPTURED", "FAILED", "REVERSED", "SETTLED")
    assert report.figures["payments by status"] == dict.fromkeys(one_each, 1)
    assert report.figures["trial balance (debits less credits)"] == {"EUR": 0}


@pytest.mark.parametrize("case", PLANTS, ids=lambda case: f"{case.breaks}-{case.service}")
def test_a_planted_violation_is_reported(bench: Bench, case: Plant) -> None:
    assert bench.broken_by(case) == {case.breaks, *case.also}


@pytest.mark.parametrize("case", MANUAL, ids=lambda case: f"{case.breaks}-{case.service}")
def test_a_planted_manual_journal_is_reported(bench: Bench, case: Plant) -> None:
    test_a_planted_violation_is_reported(bench, case)


@pytest.mark.parametrize("case", BROUGHT, ids=lambda case: f"{case.breaks}-{case.service}")
def test_a_planted_imported_journal_is_reported(bench: Bench, case: Plant) -> None:
    test_a_planted_violation_is_reported(bench, case)


def test_what_is_only_on_its_way_is_no_violation_while_payments_flow(bench: Bench) -> None:
    """Unsent, untaken and undecided is normal at any moment; only quiescence forbids it."""
    bench.plant("payment", WAITING, "DELETE FROM inbox WHERE topic = 'processor.events' AND key = 'pay_3'",
                "DELETE FROM inbox_versions WHERE topic = 'processor.events' AND key = 'pay_3'")  # fmt: skip
    try:
        assert bench.broken(drained=False) == {"I16.committed_offsets"}
        assert bench.broken() >= {"I16.committed_offsets", "I7.topic_in_inbox", LIVENESS}
    finally:
        bench.history.write("payment", bench.admin["payment"])


def test_acts_that_are_archived_are_not_missed(bench: Bench) -> None:
    """The other half of the promise stands in the archive's files."""
    bench.plant("ledger", "DELETE FROM outbox WHERE event_type = 'OperatorActed.v1'")
    try:
        assert "I3.manual_journals_by_two" in bench.broken()
        bench.plant("ledger", DROPPED)
        assert "I3.manual_journals_by_two" not in bench.broken()
    finally:
        bench.history.write("ledger", bench.admin["ledger"])


# -- planted in the topics ---------------------------------------------------------------------------------------------


def _publish(elsewhere: Bench, records: list[Row]) -> None:
    elsewhere.history.publish(elsewhere.addresses.kafka_bootstrap, elsewhere.addresses.topic_prefix, records)


def _place(records: list[Row], topic: str, key: str, version: int) -> int:
    wanted = (topic, key, version)
    return next(
        at for at, row in enumerate(records) if (row["topic"], row["key"], row["stream_version"]) == wanted
    )


def _foreign(records: list[Row]) -> list[Row]:
    return [
        *records,
        {**records[0], "topic": "ledger.events", "key": "pay_9", "event_id": "evt_999", "stream_version": 1},
    ]


def _lost(records: list[Row]) -> list[Row]:
    at = _place(records, "ledger.events", "pay_1", 2)
    return records[:at] + records[at + 1 :]


def _inverted(records: list[Row]) -> list[Row]:
    first, second = (_place(records, "ledger.events", "pay_1", version) for version in (1, 2))
    swapped = list(records)
    swapped[first], swapped[second] = records[second], records[first]
    return swapped


def _other_bytes(records: list[Row]) -> list[Row]:
    at = _place(records, "ledger.events", "pay_1", 1)
    return [*records[:at], {**records[at], "bytes": b"{}"}, *records[at + 1 :]]


def _other_partition(records: list[Row]) -> list[Row]:
    at = _place(records, "ledger.events", "pay_1", 2)
    strayed = {**records[at], "partition": (partition_of("pay_1") + 1) % PARTITIONS}
    return [*records, strayed]


IN_TOPICS = {
    "I8.topic_in_outbox": (_foreign, {"I7.topic_in_inbox"}),
    "I7.outbox_in_topic": (_lost, {"I9.first_appearances_in_order"}),
    "I9.first_appearances_in_order": (_inverted, set()),
    "I9.bytes_equal_outbox": (_other_bytes, set()),
    "I9.one_partition_per_stream": (_other_partition, set()),
}


@pytest.mark.parametrize("breaks", IN_TOPICS)
def test_a_violation_in_a_topic_is_reported(elsewhere: Bench, breaks: str) -> None:
    spoil, also = IN_TOPICS[breaks]
    _publish(elsewhere, spoil(elsewhere.history.records))

    assert elsewhere.broken() == {breaks, *also}


def test_a_duplicate_in_a_topic_is_counted_and_harmless(elsewhere: Bench) -> None:
    _publish(elsewhere, [*elsewhere.history.records, *elsewhere.history.records[:3]])

    report = elsewhere.audit()

    assert report.holds
    told = report.figures["duplicates in topics, dropped by inboxes"]
    assert isinstance(told, dict)
    assert sum(told.values()) == 3


def test_what_may_stay_is_not_waited_for_and_everything_else_is(bench: Bench) -> None:
    def lives(may_stay: MayStay) -> bool:
        asked = audit(bench.addresses, drained=True, deadline_s=0, only=LIVENESS, may_stay=may_stay)
        return asked.holds

    def the_fact(stuck: Stuck) -> bool:
        return stuck["what"] == "fact waits" and str(stuck["which"]).startswith("w of ? about ")

    bench.plant("payment", WAITING)
    try:
        assert lives(the_fact)
        assert not lives(lambda stuck: not the_fact(stuck))
    finally:
        bench.history.write("payment", bench.admin["payment"])


def test_an_offset_committed_too_early_is_reported(elsewhere: Bench) -> None:
    _publish(elsewhere, elsewhere.history.records)
    elsewhere.plant("payment", "DELETE FROM inbox WHERE topic = 'webhook.events' AND stream_version = 2")
    try:
        assert elsewhere.broken(drained=False) == set()
        elsewhere.history.commit_all(elsewhere.addresses.kafka_bootstrap, elsewhere.addresses.topic_prefix)
        assert elsewhere.broken(drained=False) == {"I16.committed_offsets"}
    finally:
        elsewhere.history.write("payment", elsewhere.admin["payment"])


def test_every_invariant_is_shown_to_go_red() -> None:
    shown = (
        {case.breaks for case in (*PLANTS, *MANUAL, *BROUGHT, *RECONCILED)}
        | set(IN_TOPICS)
        | {"I16.committed_offsets"}
    )
    assert shown == {check.name for check in CHECKS} | {LIVENESS}


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.fixture
def configured(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    for service, url in bench.addresses.postgres.items():
        monkeypatch.setenv(f"{service.upper()}_READER_DATABASE_URL", url)
    monkeypatch.setenv("TIEOUT_KAFKA_BOOTSTRAP", bench.addresses.kafka_bootstrap)
    monkeypatch.setenv("TIEOUT_KAFKA_TOPIC_PREFIX", bench.addresses.topic_prefix)
    return bench


def test_verify_exits_0_where_the_books_tie_out(configured: Bench) -> None:
    done = CliRunner().invoke(app, ["verify", "--deadline", "0"])
    assert done.exit_code == 0, done.output
    assert "The books tie out." in done.output


def test_verify_exits_1_with_the_rows_that_break_it(configured: Bench) -> None:
    configured.plant("payment", "UPDATE payments SET settled_minor = 1000 WHERE payment_id = 'pay_1'")
    try:
        done = CliRunner().invoke(app, ["verify", "--live", "--json", "--only", "I11"])
    finally:
        configured.history.write("payment", configured.admin["payment"])
    report = json.loads(done.stdout)
    assert done.exit_code == 1
    assert not report["holds"]
    (row,) = (row for found in report["invariants"] for row in found["violations"])
    assert (row["payment_id"], row["status"], row["derived"]) == ("pay_1", "CAPTURED", "SETTLED")


def test_the_reader_may_not_write(bench: Bench) -> None:
    for service in SERVICES:
        with psycopg.connect(bench.addresses.database(service)) as connection:
            writable = connection.execute(
                "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
                " AND has_table_privilege(oid, 'INSERT, UPDATE, DELETE, TRUNCATE')"
            ).fetchone()
        assert writable == (0,)
