"""The mutation suite of what stands beside the journals: refused to the application, found by name behind a superuser."""

from __future__ import annotations

import pytest

from services.ledger.adapters.note_records import SOURCES
from services.ledger.adapters.sealed_books import sealed_books
from services.ledger.adapters.sealing import unsealed_age_s
from services.ledger.domain.seals import GENESIS
from services.ledger.tests import report
from services.ledger.tests.db.closing import seal
from services.ledger.tests.db.noting import NOTED, Noted
from services.ledger.tests.db.tampering import changed_columns, columns_of, drop_constraints, superuser_of
from services.ledger.tests.payloads import Payment

pytestmark = pytest.mark.db
CHAIN = ("note_seals", "notes_unsealed", "seal_heads", "seals")
TEXT, NUMBER, TIME = "'another'", "{0} + 1", "{0} - interval '1 microsecond'"
DECISION = {"state": "'PROPOSED'", "decided_by": TEXT, "decided_at": TIME, "decision_reason": TEXT}
#: By kind: every column that its note has, and what a superuser writes into it.
COLUMNS = {
    "line_match": {
        "line_key": TEXT, "revision": NUMBER, "number": "{0} + 7", "clearing_key": TEXT, "payment_id": TEXT, "told_at": TIME,
    },
    "late_journal": {"told_effective_at": TIME},
    "exchange_rate": {"rate": TEXT, "from_currency": TEXT, "to_currency": TEXT},
    "adjustment_proposed": {
        "template": "'merchant_debit'", "parameters": "parameters || '{{\"more\": 1}}'", "amount_minor": NUMBER,
        "currency": "'USD'", "reason": TEXT, "attachment": TEXT, "reverses_adjustment_id": TEXT, "asked_event_id": TEXT,
        "proposed_by": TEXT, "proposed_at": TIME,
    },
    "adjustment_decided": {**DECISION, "journal_id": TEXT},
    "close_proposed": {"period": "'2024-06'", "reason": TEXT, "proposed_by": TEXT, "proposed_at": TIME},
    "close_decided": DECISION,
    "import_begun": {
        "file_sha256": "sha256('another')", "file_name": TEXT, "journals": NUMBER, "begun_by": TEXT, "reason": TEXT,
        "begun_at": TIME, "two_people": "NOT {0}",
    },
    "import_proposed": {
        "file_sha256": "sha256('another')", "file_name": TEXT, "lines": NUMBER, "journals": NUMBER,
        "totals": "'{{\"EUR\": 1}}'", "reason": TEXT, "proposed_by": TEXT, "proposed_at": TIME,
    },
    "import_decided": DECISION,
    "import_finished": {"finished_at": TIME, "booked": NUMBER},
    "withdrawn_proposal": {
        "event_id": TEXT, "break_id": TEXT, "reason": TEXT, "withdrawn_by": TEXT, "heard_at": TIME,
    },
    "told_journal": {
        "rule": TEXT, "fact_key": TEXT, "payment_id": TEXT, "currency": "'USD'", "amount_minor": NUMBER,
        "told_effective_at": TIME, "effective_at": TIME,
    },
    "told_close": {"period": "'2024-05'", "ends_at": TIME},
    "former_seal_key": {},
}  # fmt: skip
ONE = "(SELECT {key} FROM {table} WHERE {there} ORDER BY 1 LIMIT 1)"
SAID = "adjustment_id, template, parameters, amount_minor, currency, reason, attachment, state, proposed_by, proposed_at"
#: A row put beside the others, and the note that it would have.
INSERTS = [
    ("INSERT INTO line_matches SELECT line_key, revision, number + 7, clearing_key, payment_id, 'evt_x', told_at FROM line_matches LIMIT 1", "line_match evt_x"),
    ("INSERT INTO late_journals SELECT position, effective_at - interval '9 days' FROM journals WHERE journal_id = '{early}'", "late_journal 3"),
    ("INSERT INTO exchange_rates SELECT position, '1.5', 'EUR', 'USD' FROM journals WHERE journal_id = '{early}'", "exchange_rate 3"),
    (f"INSERT INTO adjustments ({SAID}) SELECT 'adj_x', template, parameters, amount_minor, currency, reason, attachment, 'PROPOSED', proposed_by, proposed_at FROM adjustments LIMIT 1", "adjustment_proposed adj_x"),
    (f"INSERT INTO adjustments ({SAID}, decided_by, decided_at, decision_reason, journal_id) SELECT 'adj_x', template, parameters, amount_minor, currency, reason, attachment, 'APPROVED', proposed_by, proposed_at, 'eve', now(), 'r', '{{early}}' FROM adjustments LIMIT 1", "adjustment_decided adj_x"),
    ("INSERT INTO imports SELECT 'imp_x', sha256('x'), file_name, journals, begun_by, reason, begun_at FROM imports", "import_begun imp_x"),
    ("INSERT INTO import_proposals SELECT 'imp_x', sha256('x'), file_name, lines, journals, totals, reason, 'PROPOSED', proposed_by, proposed_at FROM import_proposals", "import_proposed imp_x"),
    ("INSERT INTO period_closes SELECT 'cls_x', '2024-06', reason, 'PROPOSED', proposed_by, proposed_at FROM period_closes LIMIT 1", "close_proposed cls_x"),
    ("INSERT INTO withdrawn_proposals SELECT 'evt_x', 'evt_y', break_id, reason, withdrawn_by, heard_at FROM withdrawn_proposals", "withdrawn_proposal evt_x"),
    ("INSERT INTO told_journals SELECT rule, 'another', 'jrn_x', payment_id, currency, amount_minor, told_effective_at, effective_at FROM told_journals", "told_journal jrn_x"),
    ("INSERT INTO told_closes SELECT 'cls_x', '2024-05', ends_at - interval '1 month' FROM told_closes", "told_close cls_x"),
    ("INSERT INTO former_seal_keys VALUES ('aaaa')", "former_seal_key aaaa"),
]  # fmt: skip
#: What is done to the chain of notes; found at which place, with the kept heads.
ON_THE_CHAIN = [
    ("DELETE FROM note_seals WHERE position = 2", "note_seal_missing", 2),
    ("DELETE FROM note_seals WHERE position = {end}", "notes_cut", "{end}"),
    ("DELETE FROM note_seals WHERE position = {end}; DELETE FROM line_matches WHERE cause_event_id = '{last}'", "notes_cut", "{end}"),
    ("UPDATE note_seals SET position = 60 WHERE position = 2", "note_seal_missing", 2),
    ("UPDATE note_seals SET position = 60 WHERE position = 2; UPDATE note_seals SET position = 2 WHERE position = 4; UPDATE note_seals SET position = 4 WHERE position = 60", "note_seal_changed", 2),
    ("UPDATE note_seals SET shard = 1 WHERE position = 2", "note_seal_missing", 2),
    (f"{INSERTS[0][0]}; INSERT INTO note_seals SELECT 1, position, 'line_match', 'evt_x', behind, sealed_at, digest, hash FROM note_seals WHERE position = 2", "note_seal_inserted", 2),
    (f"{INSERTS[0][0]}; INSERT INTO note_seals SELECT 0, 0, 'line_match', 'evt_x', behind, sealed_at, digest, hash FROM note_seals WHERE position = 2", "note_seal_inserted", 0),
    ("INSERT INTO note_seals SELECT 0, {end} + 1, 'line_match', 'evt_x', behind, sealed_at, digest, hash FROM note_seals WHERE position = 2", "note_missing", "{end} + 1"),
    ("UPDATE note_seals SET digest = sha256('x') WHERE position = 3", "note_changed", 3),
    ("UPDATE note_seals SET hash = sha256('x') WHERE position = 3", "note_seal_changed", 3),
    ("UPDATE note_seals SET behind = behind + 1 WHERE position = 3", "note_seal_changed", 3),
    ("UPDATE note_seals SET sealed_at = sealed_at - interval '1 microsecond' WHERE position = 3", "note_seal_changed", 3),
    ("UPDATE note_seals SET key = 'another' WHERE position = 3", "note_missing", 3),
    ("UPDATE note_seals SET kind = 'another' WHERE position = 3", "note_missing", 3),
    ("UPDATE note_seals SET kind = 'late_journal', key = 'x' WHERE position = 3", "note_missing", 3),
    ("UPDATE seal_heads SET notes = notes + 10", "head_changed", None),
    ("UPDATE seal_heads SET notes_hash = repeat('0', 64)", "head_changed", None),
]  # fmt: skip


@pytest.fixture
def noted(ledger, ledger_urls, tmp_path):
    return Noted(ledger, ledger_urls, tmp_path / "old.jsonl")


@pytest.fixture
def superuser(noted, ledger_urls, postgres_admin_url):
    """Somebody who owns the server, has taken every guard down, and puts back what was there when asked."""
    with superuser_of(ledger_urls, postgres_admin_url) as connection:
        for table in (*NOTED, *CHAIN, "closed_periods"):
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        for table in ("closed_periods", *NOTED, *CHAIN):
            drop_constraints(connection, table, "cf")
        for table in (*NOTED, *CHAIN):
            connection.execute(f"CREATE TABLE copy_of_{table} AS TABLE {table}")
        connection.execute("ALTER TABLE adjustments DROP CONSTRAINT adjustments_journal_id_key")
        yield connection


def restore(connection):
    for table in (*NOTED, *CHAIN):
        connection.execute(f"DELETE FROM {table}")
        connection.execute(f"INSERT INTO {table} TABLE copy_of_{table}")


def do(connection, statements):
    with connection.transaction():
        for statement in statements.split("; "):
            assert connection.execute(statement).rowcount, statement


def test_notes_that_nobody_touched_are_whole(noted):
    found = noted.found()
    assert (found.finding, found.notes, found.heads) == (None, noted.kept[-1].notes, len(noted.kept))
    assert noted.ledger.rows("SELECT kind, count(*) FROM note_seals GROUP BY 1 ORDER BY 1") == [
        ("adjustment_decided", 2), ("adjustment_proposed", 3), ("close_decided", 1), ("close_proposed", 1),
        ("exchange_rate", 1), ("former_seal_key", 1),
        ("import_begun", 1), ("import_decided", 1), ("import_finished", 1), ("import_proposed", 1), ("late_journal", 1),
        ("line_match", 2), ("notes_begin", 1), ("told_close", 1), ("told_journal", 1), ("withdrawn_proposal", 1),
    ]  # fmt: skip
    assert noted.ledger.rows("SELECT count(*) FROM notes_unsealed") == [(0,)]
    first, *_, last = noted.kept
    assert (first.position, first.notes + 1) == (last.position, last.notes), (
        "the last head is for a note alone"
    )
    assert noted.found(kept=False).finding is None
    assert noted.found(after=last.position).finding is None


def test_every_column_of_a_noted_row_is_tried_below(noted):
    for table in NOTED:
        tried = {
            column
            for kind, source in SOURCES.items()
            if source.table == table
            for column in (source.key, *COLUMNS[kind])
        }
        columns = f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}'"
        assert {name for (name,) in noted.ledger.rows(columns)} == tried, table


def test_every_column_of_the_chain_of_notes_is_tried_below(noted):
    changed = changed_columns(statements for statements, *_ in ON_THE_CHAIN)
    heads = {("seal_heads", "notes"), ("seal_heads", "notes_hash")}
    assert changed == columns_of(noted.ledger, "note_seals") | heads


def test_every_value_that_a_superuser_changes_is_found_by_name(noted, superuser):
    missed = []
    for kind, columns in COLUMNS.items():
        source = SOURCES[kind]
        chosen = ONE.format(key=source.key, table=source.table, there=source.there)
        ((key,),) = noted.ledger.rows(f"SELECT {chosen}")
        for column, value in columns.items():
            do(
                superuser,
                f"UPDATE {source.table} SET {column} = {value.format(column)} WHERE {source.key} = {chosen}",
            )
            finding = noted.found().finding
            if finding is None or (finding.what, finding.note) != ("note_changed", f"{kind} {key}"):
                missed.append((kind, column, finding))
            restore(superuser)
    assert not missed, "\n".join(map(str, missed))
    assert noted.found().finding is None


def test_every_row_that_a_superuser_takes_out_or_puts_in_is_found_by_name(noted, superuser):
    missed = []
    for kind, source in SOURCES.items():
        chosen = ONE.format(key=source.key, table=source.table, there=source.there)
        ((key,),) = noted.ledger.rows(f"SELECT {chosen}")
        do(superuser, f"DELETE FROM {source.table} WHERE {source.key} = {chosen}")
        finding = noted.found().finding
        if finding is None or finding.what != "note_missing" or finding.note.split()[1] != str(key):
            missed.append((kind, "deleted", finding))
        restore(superuser)
        if source.key_type == "text":  # of a late journal, another is no late one: that has a name of its own
            do(superuser, f"UPDATE {source.table} SET {source.key} = 'another' WHERE {source.key} = {chosen}")
            finding = noted.found().finding
            if finding is None or finding.what != "note_missing" or finding.note.split()[1] != str(key):
                missed.append((kind, "renamed", finding))
            restore(superuser)
    for statement, note in INSERTS:
        do(superuser, statement.format(**noted.words))
        finding = noted.found().finding
        if finding is None or (finding.what, finding.note) != ("note_inserted", note):
            missed.append((statement, finding))
        restore(superuser)
    assert not missed, "\n".join(map(str, missed))


def test_a_row_that_a_superuser_doubles_is_found_by_name(noted, superuser):
    """No constraint is left, and one of the two is what was sealed: whichever is read last, they are not one."""
    missed = []
    for table in NOTED:
        drop_constraints(superuser, table, "pu")
    for kind, source in SOURCES.items():
        chosen = ONE.format(key=source.key, table=source.table, there=source.there)
        ((key,),) = noted.ledger.rows(f"SELECT {chosen}")
        do(
            superuser,
            f"INSERT INTO {source.table} SELECT * FROM {source.table} WHERE {source.key} = {chosen}",
        )
        finding = noted.found().finding
        if finding is None or finding.what != "note_changed" or finding.note.split()[1] != str(key):
            missed.append((kind, finding))
        restore(superuser)
    assert not missed, "\n".join(map(str, missed))


def test_whatever_a_superuser_does_to_the_chain_of_notes_is_found(noted, superuser):
    missed = []
    for statements, what, position in ON_THE_CHAIN:
        do(superuser, statements.format(**noted.words))
        finding = noted.found().finding
        end = noted.words["end"]
        at = {"{end}": end, "{end} + 1": end + 1}.get(position, position)
        if finding is None or finding.what != what or (at is not None and finding.position != at):
            missed.append((statements, finding))
        restore(superuser)
    assert not missed, "\n".join(map(str, missed))


def test_a_note_put_beside_a_journal_that_is_sealed_is_found_though_the_sealer_sealed_it(noted, superuser):
    """The superuser queues it as the ledger would: its seal says how far the journals were."""
    for (statement, note), *queued in (
        (INSERTS[1], "late_journal 3"),
        (INSERTS[2], "exchange_rate 3"),
        (INSERTS[4], "adjustment_decided adj_x", "adjustment_proposed adj_x"),
    ):
        do(superuser, statement.format(**noted.words))
        for name in queued:
            superuser.execute("INSERT INTO notes_unsealed (kind, key) VALUES (%s, %s)", name.split())
        seal(noted.ledger)
        finding = noted.found().finding
        assert finding is not None, note
        assert (finding.what, finding.note, finding.position) == (
            "note_inserted",
            note,
            noted.words["end"] + 1,
        )
        restore(superuser)


def test_a_chain_of_notes_that_is_rewritten_as_a_whole_contradicts_the_kept_heads_only(noted, superuser):
    superuser.execute("UPDATE line_matches SET clearing_key = 'another' WHERE revision = 1")
    with sealed_books(noted.ledger.engine) as books:
        seals = books.note_seals_after(0, 0, 100)
        notes = books.notes_at([seal.name for seal in seals])
    before = GENESIS
    for seal_ in seals:
        statement = "UPDATE note_seals SET digest = %s WHERE position = %s"
        superuser.execute(statement, [notes[seal_.name].digest(), seal_.position])
        with sealed_books(noted.ledger.engine) as books:
            (digested,) = books.note_seals_after(0, seal_.position - 1, 1)
        before = digested.follows(before)
        superuser.execute("UPDATE note_seals SET hash = %s WHERE position = %s", [before, seal_.position])
    assert noted.found(kept=False).finding is None
    finding = noted.found().finding
    assert finding is not None
    assert (finding.what, finding.position) == ("notes_rewritten", noted.kept[0].notes)


def test_a_note_that_is_taken_from_the_queue_before_it_is_sealed_is_found(noted, superuser):
    superuser.execute("ALTER TABLE line_matches ENABLE TRIGGER line_match_queued")
    (told,) = noted.ledger.tell(report.matched("3", Payment(1), "cap", 10_000))
    assert unsealed_age_s(noted.ledger.engine) > 0
    assert noted.found().finding is None, "it waits for the sealer"
    assert superuser.execute("DELETE FROM notes_unsealed").rowcount == 1
    finding = noted.found().finding
    assert finding is not None
    assert (finding.what, finding.note) == ("note_inserted", f"line_match {told.event_id}")
