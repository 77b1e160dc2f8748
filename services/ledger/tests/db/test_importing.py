"""Importing from a file on a real PostgreSQL: all or nothing, once, on record, and beside everything else that books."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import threading

import pytest
from typer.testing import CliRunner

from services.ledger.adapters.clearing import SqlClearing
from services.ledger.adapters.head_keys import HeadVerifier
from services.ledger.adapters.sealed_books import sealed_books
from services.ledger.adapters.sealing import Sealer
from services.ledger.adapters.snapshotting import Folder
from services.ledger.app.clearing import ClearingWanted
from services.ledger.app.fold_snapshots import Folding
from services.ledger.app.verify_seals import verify_seals
from services.ledger.entrypoints.cli import cli
from services.ledger.tests.bringing import agreed, bring, propose
from services.ledger.tests.import_lines import BAD, MERCHANTS, changed, entry, line, write
from services.ledger.tests.payloads import Payment
from shared.kernel.crash_points import ALLOWED
from shared.kernel.errors import Rejected

COUNTS = (
    "SELECT (SELECT count(*) FROM journals), (SELECT count(*) FROM entries), (SELECT count(*) FROM imports)"
)


def test_journals_of_a_file_are_booked_sealed_and_announced_like_any_other(ledger, tmp_path):
    said = [line(number, merchant=MERCHANTS[number % 3], amount=100 + number) for number in range(25)]
    said.append(line(99, entries=[
        entry("suspense", "credit", 70, key="old-1"), entry("fx", "debit", 70),
        entry("fx", "credit", 9, currency="JPY", scale=0), entry("bank_cash", "debit", 9, owner="b", currency="JPY", scale=0),
    ]))  # fmt: skip
    path = write(tmp_path / "old.jsonl", said)
    done = bring(ledger, path)
    assert (done.state, done.booked, done.checked.journals, done.checked.already) == ("imported", 26, 26, 0)
    assert ledger.balances()["bank_cash", "iban-1", "EUR"] == sum(100 + number for number in range(25))
    assert ledger.rows("SELECT DISTINCT rule, cause_event_type FROM journals") == [
        ("imported", "JournalImported.v1")
    ]
    assert ledger.rows("SELECT count(*) FROM outbox WHERE event_type = 'JournalPosted.v1'") == [(26,)]
    assert ledger.rows("SELECT merchant_id FROM journals WHERE fact_key = 'old:tx-4'") == [(MERCHANTS[1],)]
    (open_key,) = SqlClearing(ledger.engine).open_keys(ClearingWanted())
    assert (open_key.clearing_key, open_key.balance_minor) == ("old-1", 70)
    while Sealer(ledger.transactions).turn():
        pass
    Folder(ledger.transactions, Folding(every_seals=1, entries_min=1)).turn()
    with sealed_books(ledger.engine) as books:
        found = verify_seals(books, [], HeadVerifier([]))
    assert (found.finding, found.sealed_to) == (None, 26)
    assert ledger.reader.trial_balance().balanced


def test_an_import_is_an_operators_act_that_names_the_file_by_its_digest(ledger, tmp_path):
    path = write(tmp_path / "old.jsonl", [line(1)])
    done = bring(ledger, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert done.sha256 == digest
    acts = ledger.rows(
        "SELECT j->>'actor', j->>'action', j->>'target', j->>'reason' FROM outbox,"
        " LATERAL (SELECT convert_from(payload, 'UTF8')::jsonb AS j) AS parsed"
        " WHERE event_type = 'OperatorActed.v1' ORDER BY position"
    )
    assert acts == [
        (who, f"import_{step}", done.import_id, f"sha256:{digest} {why}")
        for who, step, why in (
            ("carol", "proposed", "moving"), ("dave", "approved", "seen"), ("carol", "begun", "moving"),
            ("carol", "finished", "moving"),
        )
    ]  # fmt: skip
    assert ledger.rows(
        "SELECT begun_by, file_name, journals, booked, encode(file_sha256, 'hex') FROM imports"
    ) == [("carol", "old.jsonl", 1, 1, digest)]


def test_the_same_file_again_is_a_no_op(ledger, tmp_path):
    path = write(tmp_path / "old.jsonl", [line(number) for number in range(25)])
    first = bring(ledger, path)
    before = ledger.rows(COUNTS), ledger.rows("SELECT count(*) FROM outbox")
    again = bring(ledger, path)
    assert (again.state, again.import_id, again.booked, again.checked.already) == (
        "known",
        first.import_id,
        0,
        25,
    )
    assert (ledger.rows(COUNTS), ledger.rows("SELECT count(*) FROM outbox")) == before


def test_what_two_files_share_is_booked_once_whatever_its_spaces(ledger, tmp_path):
    bring(ledger, write(tmp_path / "one.jsonl", [line(number) for number in range(10)]))
    said = [json.dumps(line(number), indent=None, separators=(" , ", " : ")) for number in range(5, 15)]
    done = bring(ledger, write(tmp_path / "two.jsonl", [*said, line(14)]))
    assert (done.booked, done.checked.already, done.checked.journals, done.checked.lines) == (5, 5, 10, 11)
    assert ledger.rows("SELECT count(*) FROM journals") == [(15,)]


@pytest.mark.parametrize("code", sorted(BAD))
def test_one_bad_line_is_named_and_nothing_is_written(ledger, tmp_path, code):
    field, change = BAD[code]
    said = [line(number) for number in range(15)]
    said[12] = change(said[12])
    done = bring(ledger, write(tmp_path / "old.jsonl", said))
    assert done.state == "refused"
    assert [(each.line, each.code, each.field) for each in done.checked.refused] == [(13, code, field)]
    assert ledger.rows(COUNTS) == [(0, 0, 0)]


@pytest.mark.parametrize(
    "text", ["", "{", "null", "[]", '{"version":1', "\x00", "{}{}", '{"version":1}' + " " * 300_000]
)
def test_a_line_that_is_no_journal_is_named_and_nothing_is_written(ledger, tmp_path, text):
    done = bring(ledger, write(tmp_path / "old.jsonl", [line(1), text, line(2)]))
    (refused,) = done.checked.refused
    assert refused.line == 2
    assert refused.code in {"malformed", "wrong_type", "missing_field", "line_too_long"}
    assert done.checked.lines == 3
    assert ledger.rows(COUNTS) == [(0, 0, 0)]


def test_one_id_with_two_contents_is_refused_in_a_file_and_against_the_books(ledger, tmp_path):
    bring(ledger, write(tmp_path / "one.jsonl", [line(1), line(2)]))
    done = bring(
        ledger,
        write(tmp_path / "two.jsonl", [line(3), line(3, amount=7), line(2, amount=8), line(2, source="new")]),
    )
    assert [(each.line, each.code, each.field) for each in done.checked.refused] == [
        (2, "duplicate_id", "id"), (3, "already_booked_otherwise", "id")
    ]  # fmt: skip
    assert ledger.rows("SELECT count(*) FROM journals") == [(2,)]


def test_a_dry_run_checks_everything_and_writes_nothing(ledger, tmp_path):
    done = propose(ledger, write(tmp_path / "old.jsonl", [line(1), line(2)], newline=False), dry_run=True)
    assert (done.state, done.checked.journals, done.import_id) == ("checked", 2, None)
    assert ledger.rows(COUNTS) == [(0, 0, 0)]
    assert ledger.rows("SELECT count(*) FROM outbox") == [(0,)]


def test_an_empty_file_and_a_missing_reason_are_refused(ledger, tmp_path):
    with pytest.raises(Rejected, match="file_empty"):
        bring(ledger, write(tmp_path / "none.jsonl", [], newline=False))
    with pytest.raises(Rejected, match="reason_missing"):
        propose(ledger, tmp_path / "none.jsonl", reason=" ")


def test_a_file_that_changes_meanwhile_is_refused_before_the_changed_part_is_booked(ledger, tmp_path):
    path = write(tmp_path / "old.jsonl", [line(number) for number in range(30)])

    def change(what, lines):
        if what == "booked" and lines == 10:
            write(path, [line(number, amount=1 if number == 15 else 1_000) for number in range(30)])

    with pytest.raises(Rejected, match="file_changed"):
        bring(ledger, path, progress=change)
    assert ledger.rows("SELECT count(*), count(*) FILTER (WHERE amount_minor <> 1000) FROM journals") == [
        (10, 0)
    ]


class Killed(Exception):  # noqa: N818 - what happened to it
    pass


@pytest.mark.parametrize("after", [0, 10, 20, 30])
def test_an_import_that_was_cut_off_goes_on_where_it_stopped(ledger, tmp_path, after):
    path = write(tmp_path / "old.jsonl", [line(number) for number in range(35)])

    def die(what, lines):
        if what == "booked" and lines == after:
            raise Killed

    if after:
        with pytest.raises(Killed):
            bring(ledger, path, progress=die)
    assert ledger.rows("SELECT count(*) FROM journals") == [(after,)]
    done = bring(ledger, path)
    assert (done.booked, done.checked.already) == (35 - after, after)
    assert ledger.rows("SELECT count(*), count(finished_at), max(booked) FROM imports") == [(1, 1, 35)]
    assert ledger.rows("SELECT count(*) FROM outbox WHERE event_type = 'JournalPosted.v1'") == [(35,)]


@pytest.mark.parametrize(
    "point", ["unit_of_work.after_commit:1", "unit_of_work.before_commit:3", "unit_of_work.after_commit:4"]
)
def test_a_process_that_is_killed_in_the_middle_leaves_whole_batches(
    ledger, ledger_urls, operators, tmp_path, point
):
    path = write(tmp_path / "old.jsonl", [line(number) for number in range(40)])
    agreed(ledger, path)
    words = ["imports", "book", str(path), "--token-file", operators("carol"), "--reason", "moving"]
    words += ["--batch", "10", "--json"]
    program = "from services.ledger.entrypoints.cli import main; main()"
    settings = {"LEDGER_DATABASE_URL": ledger_urls.app, "LEDGER_OPERATOR_PUBLIC_KEY": operators.public_key}
    environment = {**settings, **ALLOWED, "TIEOUT_CRASH_AT": point, "PATH": "/usr/bin"}
    died = subprocess.run(
        [sys.executable, "-c", program, *words], env=environment, check=False, capture_output=True
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert ledger.rows("SELECT count(*) % 10 FROM journals") == [(0,)]
    done = CliRunner().invoke(cli, words, env=settings)
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["state"] == "imported"
    assert ledger.rows("SELECT count(*), sum(amount_minor) FROM journals") == [(40, 40_000)]
    assert ledger.reader.trial_balance().balanced


def test_two_imports_of_overlapping_files_at_once_book_each_journal_once(ledger, tmp_path):
    paths = [
        write(tmp_path / f"{start}.jsonl", [line(number) for number in range(start, start + 60)])
        for start in (0, 20, 40)
    ]
    done, failed = [], []

    def run(path):
        try:
            done.append(bring(ledger, path, batch=7))
        except Exception as error:  # noqa: BLE001 - told to the test
            failed.append(error)

    threads = [threading.Thread(target=run, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sum(each.booked for each in done) == 100
    assert ledger.rows("SELECT count(*), count(DISTINCT fact_key) FROM journals") == [(100, 100)]
    assert ledger.rows("SELECT count(*), sum(booked) FROM imports WHERE finished_at IS NOT NULL") == [
        (3, 100)
    ]


@pytest.mark.parametrize("accounts", [1, 10_000], ids=["one hot account", "10,000 accounts"])
def test_events_are_booked_beside_an_import_without_deadlock_or_loss(ledger, tmp_path, accounts):
    """Both open the same accounts, in the middle of each other's transactions."""
    journals = 4_000
    owners = [f"mer_{number % accounts:026}" for number in range(journals)]
    said = [line(number, merchant=owner) for number, owner in enumerate(owners)]
    path, failed = write(tmp_path / "old.jsonl", said), []

    def consume():
        try:
            for start in range(0, journals, 200):
                ledger.tell(
                    *[
                        Payment(10_000 + number, merchant=(journals - number) % accounts).captured(10)
                        for number in range(start, start + 200)
                    ]
                )
        except Exception as error:  # noqa: BLE001 - told to the test
            failed.append(error)

    thread = threading.Thread(target=consume)
    thread.start()
    done = bring(ledger, path, batch=500)
    thread.join()
    assert failed == []
    assert done.booked == journals
    assert ledger.rows(COUNTS) == [(2 * journals, 4 * journals, 1)]
    balances = ledger.balances()
    assert balances["bank_cash", "iban-1", "EUR"] == journals * 1_000
    assert (
        sum(minor for (family, _, _), minor in balances.items() if family == "merchant_pending")
        == journals * 10
    )
    if accounts == 1:
        assert balances["merchant_available", f"mer_{0:026}", "EUR"] == journals * 1_000
    assert ledger.reader.trial_balance().balanced


def test_the_command_line_tells_what_it_did_and_what_it_refused(ledger, ledger_urls, operators, tmp_path):
    settings = {"LEDGER_DATABASE_URL": ledger_urls.app, "LEDGER_OPERATOR_PUBLIC_KEY": operators.public_key}
    path = write(tmp_path / "old.jsonl", [line(1), line(2)])
    digest = hashlib.sha256(path.read_bytes()).hexdigest()

    def invoke(*words, who="carol"):
        by = ["--token-file", operators(who), "--reason", "moving"]
        return CliRunner().invoke(cli, ["imports", *words, *by], env=settings)

    assert "nothing was written" in invoke("propose", str(path), "--dry-run").output
    assert "import_not_proposed" in invoke("approve", digest, who="dave").output
    proposed = invoke("propose", str(path)).output
    assert "EUR 2,000 in minor units" in proposed
    assert f"ledger imports approve {digest}" in proposed
    assert "import_not_approved" in invoke("book", str(path)).output
    assert "four_eyes" in invoke("approve", digest).output
    assert "digest_malformed" in invoke("approve", digest[:-1], who="dave").output
    assert json.loads(invoke("approve", digest, "--json", who="dave").output)["totals"] == {"EUR": 2_000}
    assert "import_wrong_state" in invoke("reject", digest).output
    assert "2 journals are booked" in invoke("book", str(path)).output
    assert "imported before" in invoke("book", str(path)).output
    listed = CliRunner().invoke(cli, ["imports", "list", "--json"], env=settings)
    (row,) = json.loads(listed.output)
    assert (row["proposed_by"], row["decided_by"], row["begun_by"]) == ("carol", "dave", "carol")
    assert (row["journals"], row["booked"], row["file_sha256"]) == (2, 2, digest)
    write(path, [changed("entries.0.scale", 0)(line(3))])
    refused = invoke("propose", str(path), "--json")
    assert refused.exit_code == 1
    told = json.loads(refused.output)
    assert told["state"] == "refused"
    assert told["checking_s"] >= 0
    assert told["booking_s"] is None
    assert told["refused"] == [
        {
            "line": 1,
            "code": "scale_mismatch",
            "field": "entries[0].scale",
            "detail": "EUR has 2 decimals, not 0",
        }
    ]
