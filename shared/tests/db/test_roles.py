"""Each role can do its own work and nothing else; no service's role gets into another service's database."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from shared.kernel.errors import InvariantViolation
from shared.persistence.provision import ROLE_KINDS, provision
from shared.testing.passwords import TEST_PASSWORD

REFUSED = [
    ("app", "UPDATE outbox SET sent_at = now(), sent_epoch = 1"),
    ("app", "DELETE FROM outbox"),
    ("app", "DELETE FROM outbox_streams"),
    ("app", "DELETE FROM inbox_versions"),
    ("app", "UPDATE relay_leases SET epoch = 2"),
    ("app", "DELETE FROM outbox_archives"),
    ("app", "UPDATE quarantined_records SET payload = NULL"),
    ("app", "UPDATE alembic_version SET version_num = '0000'"),
    ("app", "SELECT outbox_drop_partition('outbox_p20260101')"),
    ("app", "SELECT outbox_create_partition(current_date)"),
    ("app", "CREATE TABLE more (id int)"),
    ("relay", "INSERT INTO outbox_streams VALUES ('t', 'k', 1)"),
    ("relay", "UPDATE outbox SET payload = 'x'"),
    ("relay", "DELETE FROM outbox"),
    ("relay", "SELECT * FROM things"),
    ("relay", "SELECT outbox_drop_partition('outbox_p20260101')"),
    ("reader", "INSERT INTO things VALUES ('a')"),
    ("reader", "UPDATE outbox SET sent_at = now(), sent_epoch = 1"),
    ("reader", "CREATE TABLE more (id int)"),
]
ALLOWED = [
    ("app", "SELECT count(*) FROM outbox"),
    ("relay", "UPDATE outbox SET sent_at = now(), sent_epoch = 1"),
    ("relay", "INSERT INTO relay_leases VALUES (0, 'me', 1, now())"),
    ("relay", "SELECT outbox_create_partitions(current_date, 9)"),
    ("reader", "SELECT count(*) FROM outbox"),
    ("reader", "SELECT count(*) FROM things"),
    ("reader", "SELECT count(*) FROM alembic_version"),
]


@pytest.mark.parametrize(("role", "statement"), REFUSED)
def test_a_role_is_refused_what_is_not_its_work(probe, role, statement):
    with (
        psycopg.connect(getattr(probe.urls, role)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)


@pytest.mark.parametrize(("role", "statement"), ALLOWED)
def test_a_role_can_do_its_work(probe, role, statement):
    with psycopg.connect(getattr(probe.urls, role)) as connection:
        connection.execute(statement)


def test_provisioning_twice_and_at_once_is_the_same_as_once(postgres_admin_url, empty_database):
    with ThreadPoolExecutor() as pool:
        made = list(
            pool.map(
                lambda _: provision(postgres_admin_url, "probe", empty_database, password=TEST_PASSWORD),
                range(3),
            )
        )
    assert len(set(made)) == 1
    for kind in ROLE_KINDS:
        with psycopg.connect(getattr(made[0], kind)) as connection:
            assert connection.execute("SELECT current_user").fetchone() == (f"probe_{kind}",)


def test_no_service_gets_into_the_database_of_another(probe, postgres_admin_url, empty_database):
    stranger = provision(postgres_admin_url, "strangers", empty_database, password=TEST_PASSWORD)
    own = probe.urls.owner.rpartition("/")[2]
    for kind in ROLE_KINDS:
        role = getattr(stranger, kind)
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            psycopg.connect(role, dbname=own)
    with psycopg.connect(postgres_admin_url) as admin:
        members = admin.execute(
            "SELECT count(*) FROM pg_auth_members AS m JOIN pg_roles AS r ON r.oid IN (m.roleid, m.member)"
            " WHERE r.rolname LIKE 'strangers%' OR r.rolname LIKE 'probe%'"
        ).fetchone()
    assert members == (0,)


def test_roles_have_no_powers_over_the_cluster(probe, postgres_admin_url):
    with psycopg.connect(postgres_admin_url) as admin:
        powers = admin.execute(
            "SELECT bool_or(rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls)"
            " FROM pg_roles WHERE rolname LIKE 'probe%'"
        ).fetchone()
    assert powers == (False,)


def test_a_name_that_is_no_plain_name_is_refused(postgres_admin_url):
    with pytest.raises(InvariantViolation):
        provision(postgres_admin_url, 'probe"; DROP')
