"""Migrations: forward, once, one runner at a time, checked; and no process runs on an older schema."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from shared.persistence.migrate import CheckFailed, migrate
from shared.persistence.provision import provision
from shared.persistence.schema_version import SchemaBehind, current_revision, require_head
from shared.testing.passwords import TEST_PASSWORD

PROBE_MIGRATIONS = Path(__file__).parent / "probe_migrations"
SECOND = '''"""Add a table."""
from alembic import op
revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

def upgrade() -> None:
    op.execute("CREATE TABLE later (id int)")
    op.execute("INSERT INTO things VALUES ('added')")
'''


@pytest.fixture
def folder(tmp_path):
    """The probe's migrations and a second step, with room for checks."""
    copy = tmp_path / "migrations"
    shutil.copytree(PROBE_MIGRATIONS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "versions" / "0002_add_a_table.py").write_text(SECOND)
    (copy / "checks").mkdir()
    return copy


def revision(probe):
    with probe.engine().connect() as connection:
        return current_revision(connection)


def test_migrating_again_changes_nothing(probe):
    before = probe.rows("SELECT oid, relname FROM pg_class ORDER BY oid")
    assert migrate(probe.urls.owner, "probe", folder=PROBE_MIGRATIONS) == "0001"
    assert probe.rows("SELECT oid, relname FROM pg_class ORDER BY oid") == before


def test_runners_started_at_once_migrate_once(postgres_admin_url, empty_database):
    urls = provision(postgres_admin_url, "probe", empty_database, password=TEST_PASSWORD)
    with ThreadPoolExecutor() as pool:
        made = list(pool.map(lambda _: migrate(urls.owner, "probe", folder=PROBE_MIGRATIONS), range(3)))
    assert made == ["0001"] * 3


def test_an_older_schema_is_refused_in_one_line_that_says_what_to_do(probe, folder):
    with pytest.raises(SchemaBehind) as refused:
        require_head(probe.engine(), "probe", folder=folder)
    assert str(refused.value) == (
        "database of probe is at 0001, this code needs 0002: run `probe migrate` first"
    )
    migrate(probe.urls.owner, "probe", folder=folder)
    require_head(probe.engine(), "probe", folder=folder)


def test_an_empty_database_is_refused(probe, postgres_admin_url, empty_database):
    urls = provision(postgres_admin_url, "probe", empty_database, password=TEST_PASSWORD)
    with pytest.raises(SchemaBehind, match="is at nothing"):
        require_head(probe.engine_at(urls.app), "probe", folder=PROBE_MIGRATIONS)


def test_older_code_runs_on_a_newer_schema(probe, folder):
    migrate(probe.urls.owner, "probe", folder=folder)
    require_head(probe.engine(), "probe", folder=PROBE_MIGRATIONS)


def test_a_failing_check_takes_its_step_back(probe, folder):
    (folder / "checks" / "0002.sql").write_text(
        "-- nothing may be called so\nSELECT 1 WHERE false;\nSELECT id FROM things WHERE id = 'added';\n"
    )
    with pytest.raises(CheckFailed, match=r"0002\.sql found \('added',\)"):
        migrate(probe.urls.owner, "probe", folder=folder)
    assert revision(probe) == "0001"
    assert probe.rows("SELECT to_regclass('later')") == [(None,)]


def test_a_step_that_cannot_get_its_lock_gives_way(probe, folder, monkeypatch):
    monkeypatch.setattr("shared.persistence.migrate.LOCK_TIMEOUT_MS", 50)
    (folder / "versions" / "0002_add_a_table.py").write_text(
        SECOND.replace("CREATE TABLE later (id int)", "ALTER TABLE things ADD COLUMN more int")
    )
    with psycopg.connect(probe.urls.app) as busy:
        busy.execute("SELECT * FROM things")
        with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
            migrate(probe.urls.owner, "probe", folder=folder)
    assert revision(probe) == "0001"
    assert migrate(probe.urls.owner, "probe", folder=folder) == "0002"
