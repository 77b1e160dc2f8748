"""Append-only tables refuse everybody: by grant, and by trigger whoever has the grant."""

import psycopg
import pytest

CHANGES = [
    "UPDATE facts SET note = 'b'",
    "UPDATE facts SET note = note, erased_at = now()",
    "DELETE FROM facts",
    "TRUNCATE facts",
]


def insert(probe):
    with psycopg.connect(probe.urls.app) as app:
        app.execute("INSERT INTO facts (id, note) VALUES ('1', 'a')")


@pytest.mark.parametrize("change", CHANGES)
def test_the_application_has_no_grant_to_change_a_row(probe, change):
    insert(probe)
    with psycopg.connect(probe.urls.app) as app, pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute(change)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("role", ["origin", "replica"])
def test_even_the_owner_and_a_replication_role_are_refused_by_the_trigger(
    probe, postgres_admin_url, change, role
):
    insert(probe)
    database = probe.urls.owner.rpartition("/")[2]
    with psycopg.connect(postgres_admin_url, dbname=database) as admin:
        admin.execute(f"SET session_replication_role = {role}")
        with pytest.raises(psycopg.errors.RestrictViolation, match="never changed or removed"):
            admin.execute(change)
    with psycopg.connect(probe.urls.owner) as owner, pytest.raises(psycopg.errors.RestrictViolation):
        owner.execute(change)
    assert probe.rows("SELECT id, note FROM facts") == [("1", "a")]


def test_a_column_named_mutable_may_be_updated(probe):
    insert(probe)
    with psycopg.connect(probe.urls.app) as app:
        app.execute("UPDATE facts SET erased_at = now()")
    assert probe.rows("SELECT note, erased_at IS NOT NULL FROM facts") == [("a", True)]
