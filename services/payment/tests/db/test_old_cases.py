"""Cases of releases before keep their place through the migrations: named once, and decided only by a decision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import sql

from shared.kernel.ids import UlidIds
from shared.persistence.migrate import migrate
from shared.persistence.provision import provision
from shared.testing.passwords import TEST_PASSWORD

#: Whatever a column must not lack: its value by the name of its type.
EMPTY: dict[str, Any] = {
    "text": "", "int4": 0, "int8": 0, "bool": False, "timestamptz": "2026-11-01T00:00:00Z",
}  # fmt: skip
PAYMENT = {
    "payment_id": "pay_1", "status": "CREATED", "mode": "test", "capture_method": "manual", "currency": "EUR",
    "amount_minor": 1, "max_attempts": 1, "version": 1,
}  # fmt: skip


@dataclass
class Old:
    """A database of an older release, under somebody to whom no foreign key and no trigger speaks."""

    owner_url: str
    connection: psycopg.Connection

    def put(self, table: str, **values: Any) -> None:
        query = """
        SELECT column_name, udt_name FROM information_schema.columns
         WHERE table_name = %s AND is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO'
        """
        needed = self.connection.execute(query, [table]).fetchall()
        row = {name: EMPTY.get(kind, "{}") for name, kind in needed} | values
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join([sql.Placeholder()] * len(row)),
        )
        self.connection.execute(statement, list(row.values()))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query.encode()).fetchall()


@pytest.fixture
def old(postgres_admin_url: str) -> Iterator[Any]:
    """At the revision that the test names."""
    name = "d_payment_" + UlidIds().new("")[-12:]
    urls = provision(postgres_admin_url, "payment", name, password=TEST_PASSWORD)
    inside = psycopg.conninfo.make_conninfo(postgres_admin_url, dbname=name)
    made = []

    def at(revision: str) -> Old:
        migrate(urls.owner, "payment", revision=revision)
        connection = psycopg.connect(inside, autocommit=True)
        made.append(connection)
        connection.execute("SET session_replication_role = replica")
        return Old(urls.owner, connection)

    yield at
    for connection in made:
        connection.close()
    with psycopg.connect(postgres_admin_url, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def test_open_cases_that_would_bear_one_name_stay_open_under_names_of_their_own(old: Any) -> None:
    before = old("0011")
    before.put("payments", **PAYMENT)
    of = {"payment_id": "pay_1", "reason": "contradicting_evidence", "currency": "EUR"}
    for case_id, more in (
        ("case_1", {}),
        ("case_2", {}),
        ("case_3", {"closed_at": "2026-11-02T00:00:00Z", "closed_by": "ann"}),
        ("case_4", {"operation_id": "op_1"}),
        ("case_5", {"operation_id": "op_1"}),
        ("case_6", {"operation_id": "op_2"}),
        ("case_7", {"subject": "op_2"}),
    ):
        before.put("cases", case_id=case_id, **of, **more)
    migrate(before.owner_url, "payment")
    assert before.rows("SELECT case_id, subject FROM cases ORDER BY 1") == [
        ("case_1", "pay_1"), ("case_2", "case_2"), ("case_3", "pay_1"), ("case_4", "op_1"), ("case_5", "case_5"),
        ("case_6", "case_6"), ("case_7", "op_2"),
    ]  # fmt: skip
    assert before.rows("SELECT count(*) FROM cases WHERE closed_at IS NULL") == [(6,)]


def test_who_decided_is_told_from_who_only_closed_by_the_step_that_closed(old: Any) -> None:
    before = old("0014")
    before.put("payments", **PAYMENT)
    decided = {
        "kind": "operation",
        "outcome": "declined",
        "state": "applied",
        "evidence": "ticket",
        "reason": "r",
    }
    decided |= {"decided_by": "ann", "decided_at": "2026-11-02T00:00:00Z", "decided_reason": "r"}
    before.put("operator_decisions", decision_id="dec_1", payment_id="pay_1", proposed_by="ann", **decided)
    for number, (by, cause) in enumerate(
        (("ann", "dec_1"), ("ann", "case_1"), ("evidence", "evt_1"), (None, ""))
    ):
        case_id, closed_at = f"case_{number}", None if by is None else "2026-11-02T00:00:00Z"
        of = {"payment_id": "pay_1", "currency": "EUR"}
        before.put("cases", case_id=case_id, subject=case_id, closed_by=by, closed_at=closed_at, **of)
        if by is not None:
            before.put("case_history", case_id=case_id, step="closed", done_by=by, cause_id=cause, **of)
    migrate(before.owner_url, "payment")
    assert before.rows("SELECT resolution, closed_decision_id FROM cases ORDER BY case_id") == [
        ("decision", "dec_1"), ("operator", None), ("evidence", None), (None, None),
    ]  # fmt: skip
