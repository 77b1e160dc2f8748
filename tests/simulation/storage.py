"""A PostgreSQL of the simulation's own: one database per service, emptied between seeds, on the virtual clock.

Process crashes are simulated and the machine's are not, so nothing is synced to disk. The databases' own time is the
simulation's: a schema before ``pg_catalog`` shadows ``now()`` and ``clock_timestamp()`` by functions that read a file.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import sqlalchemy as sa

from services.payment.adapters.unit_of_work import PaymentUnitOfWork
from services.payment.domain.api_keys import ApiKey, Mode, make_api_key
from services.payment.domain.pricing import Price, RefundPolicy
from shared.kernel.ids import UlidIds
from shared.persistence.engine import make_engine
from shared.persistence.migrate import migrate
from shared.persistence.provision import ServiceUrls, provision
from shared.persistence.unit_of_work import Transactions
from shared.testing.virtual_clock import START, VirtualClock
from tests.simulation.sessions import Sessions, wait_for_the_end
from tools.local_stack.postgres import binaries, unprivileged_prefix, wait_until_ready

SERVICES = ("payment", "processor", "webhook_ingest", "ledger", "risk", "reconciliation", "sandbox")
KAFKA_SERVICES = tuple(service for service in SERVICES if service != "sandbox")
PEPPER = "simulated-pepper"
MERCHANTS = 2
STOP_DEADLINE_S = 120
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "jit": "off",
    "dynamic_shared_memory_type": "mmap",  # in the folder, which goes with the server
    "shared_buffers": "48MB",
    "max_connections": "80",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "1h",
    "log_min_messages": "fatal",
    "track_activities": "off",
    "track_counts": "off",
    "update_process_title": "off",
    "bgwriter_lru_maxpages": "0",
    "wal_writer_delay": "10s",
}
# Ours is the only end of the pipe that it reads: however we die, it ends the server at once and removes its files.
_GUARD = '"$@" & read -r _; kill -QUIT $!; wait $!; rm -rf "$0"'
_TIME = """
CREATE SCHEMA sim;
CREATE SCHEMA sim_kept;
-- Plain enough to be put into the statement that calls it; a path in the data folder needs no more than this right.
GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) TO PUBLIC;
CREATE FUNCTION sim.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS $$ SELECT pg_catalog.pg_read_file('clock')::timestamptz $$;
CREATE FUNCTION sim.now() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$ SELECT sim.clock_timestamp() $$;
GRANT USAGE ON SCHEMA sim TO PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA sim TO PUBLIC;
DO $$ DECLARE c record; BEGIN
  FOR c IN SELECT a.attrelid::regclass AS t, a.attname AS n FROM pg_attrdef d
             JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
             JOIN pg_class r ON r.oid = d.adrelid
            WHERE pg_get_expr(d.adbin, d.adrelid) = 'now()' AND r.relnamespace = 'public'::regnamespace
  LOOP EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT sim.now()', c.t, c.n); END LOOP;
END $$;
DO $$ DECLARE f record; BEGIN
  -- A function that names where it looks is told to look here first, or it has another clock than the rows.
  FOR f IN SELECT oid::regprocedure AS name FROM pg_proc
            WHERE pronamespace = 'public'::regnamespace AND 'search_path=public, pg_temp' = ANY (proconfig)
  LOOP EXECUTE format('ALTER ROUTINE %s SET search_path = sim, pg_catalog, public, pg_temp', f.name); END LOOP;
END $$;
DO $$ DECLARE t record; BEGIN
  FOR t IN SELECT oid::regclass AS name FROM pg_class WHERE relkind = 'r' AND relname ~ '^outbox_p[0-9]{8}$'
  LOOP EXECUTE format('DROP TABLE %s', t.name); END LOOP;
END $$;
DO $$ DECLARE t record; BEGIN
  -- Append-only tables refuse TRUNCATE, which only the emptying between two seeds does.
  FOR t IN SELECT tgrelid::regclass AS name, tgname FROM pg_trigger WHERE tgtype & 32 > 0 AND NOT tgisinternal
  LOOP EXECUTE format('ALTER TABLE %s DISABLE TRIGGER %I', t.name, t.tgname); END LOOP;
END $$;
CREATE TABLE sim.kept (name text PRIMARY KEY, rows bigint NOT NULL);
CREATE PROCEDURE sim.keep() LANGUAGE plpgsql AS $$
DECLARE t record; number bigint;
BEGIN
  FOR t IN SELECT relname FROM pg_class WHERE oid IN (SELECT sim.filled()) ORDER BY 1 LOOP
    EXECUTE format('CREATE TABLE sim_kept.%1$I AS TABLE public.%1$I', t.relname);
    EXECUTE format('SELECT count(*) FROM sim_kept.%I', t.relname) INTO number;
    INSERT INTO sim.kept VALUES (t.relname, number);
  END LOOP;
END $$;
CREATE FUNCTION sim.filled() RETURNS SETOF oid LANGUAGE plpgsql AS $$
DECLARE t record; filled boolean;
BEGIN
  -- A file that nothing was ever written to is empty; no table has to be read for that.
  FOR t IN SELECT c.oid, c.oid::regclass AS name, c.relname, k.rows
             FROM pg_class c LEFT JOIN sim.kept k ON k.name = c.relname
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND pg_relation_size(c.oid) > 0
  LOOP
    filled := t.rows IS NULL;
    IF NOT filled THEN
      -- Row by row: of a queue that has as many as then, what was kept may be gone and something else have come.
      EXECUTE format('SELECT count(*) <> $1 OR EXISTS (TABLE %1$s EXCEPT TABLE sim_kept.%2$I) FROM %1$s',
                     t.name, t.relname) INTO filled USING t.rows;
    END IF;
    IF filled THEN RETURN NEXT t.oid; END IF;
  END LOOP;
END $$;
CREATE PROCEDURE sim.clear() LANGUAGE plpgsql AS $$
DECLARE names text; t record; there boolean;
BEGIN
  WITH RECURSIVE gone (id) AS (
    SELECT f FROM sim.filled() f UNION SELECT conrelid FROM pg_constraint JOIN gone ON confrelid = id
     WHERE contype = 'f')
  SELECT string_agg(id::regclass::text, ', ') INTO names FROM gone;
  IF names IS NOT NULL THEN
    EXECUTE 'TRUNCATE ' || names;
    PERFORM set_config('session_replication_role', 'replica', true);
    FOR t IN SELECT name FROM sim.kept LOOP
      EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', t.name) INTO there;
      IF NOT there THEN EXECUTE format('INSERT INTO public.%1$I TABLE sim_kept.%1$I', t.name); END IF;
    END LOOP;
    PERFORM set_config('session_replication_role', 'origin', true);
  END IF;
  -- A number that was drawn and rolled back leaves no row: every sequence starts anew.
  FOR t IN SELECT c.oid::regclass AS name FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
              AND CASE WHEN c.relkind = 'S' THEN pg_sequence_last_value(c.oid) IS NOT NULL END
  LOOP PERFORM setval(t.name, 1, false); END LOOP;
END $$;
"""


@dataclass(frozen=True, slots=True)
class Merchant:
    """One of the merchants of every seed; what is shown as the key's id is no secret."""

    merchant_id: str
    key_id: str
    key: ApiKey

    @property
    def api_key(self) -> str:
        return self.key.secret


def _merchant(number: int) -> Merchant:
    key = make_api_key(Mode.TEST, bytes([number] * 20), PEPPER)
    return Merchant(f"mer_{number:026}", f"key_{number:026}", key)


class Storage:
    """The databases, and what the simulation itself does to them as an administrator."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._clock_file = -1
        self._server: subprocess.Popen[bytes] | None = None
        self._told = ""
        self.urls: dict[str, ServiceUrls] = {}
        self.sandbox: psycopg.Connection
        self.admin: dict[str, psycopg.Connection] = {}
        self.merchants = tuple(_merchant(number) for number in range(MERCHANTS))
        self.started_at = START
        self.in_use: psycopg.Connection | None = None
        self._engines: dict[tuple[str, str, bool], sa.Engine] = {}
        self._sessions = Sessions()

    @property
    def _admin_url(self) -> str:
        return f"postgresql://postgres@/postgres?host={self._folder}"

    def start(self) -> None:
        """Make the cluster and every service's database."""
        data = self._folder / "data"
        words = [*unprivileged_prefix(), str(binaries() / "initdb"), "-D", str(data), "-U", "postgres"]
        words += ["-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        subprocess.run(words, check=True, capture_output=True)
        self._clock_file = os.open(data / "clock", os.O_CREAT | os.O_RDWR, 0o644)
        words = [*unprivileged_prefix(), str(binaries() / "postgres"), "-D", str(data)]
        for name, value in (_SETTINGS | {"unix_socket_directories": str(self._folder)}).items():
            words += ["-c", f"{name}={value}"]
        self._server = subprocess.Popen(
            ["sh", "-c", _GUARD, str(self._folder), *words],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        wait_until_ready(self._admin_url)
        self.tell_time(VirtualClock())
        for service in SERVICES:
            self.urls[service] = provision(self._admin_url, service)
            migrate(self.urls[service].owner, service)
            url = f"postgresql://postgres@/{service}?host={self._folder}"
            admin = self.admin[service] = psycopg.connect(url, autocommit=True)
            admin.execute(_TIME.encode())
            admin.execute(f"ALTER DATABASE {service} SET search_path = sim, pg_catalog, public".encode())
            admin.execute(f"ALTER DATABASE {service} SET plan_cache_mode = force_generic_plan".encode())
            admin.execute("SET search_path = sim, pg_catalog, public")
        self.sandbox = psycopg.connect(self.urls["sandbox"].app, autocommit=True, prepare_threshold=0)
        self._add_merchants()
        for admin in self.admin.values():
            # What is there now is the same for every seed: the schema's own rows, and the merchants.
            admin.execute("CALL sim.keep()")

    def tell_time(self, clock: VirtualClock) -> None:
        """Let the databases know what time it is; called whenever the clock has moved."""
        text = clock.now().isoformat(timespec="microseconds")
        if text != self._told:
            os.pwrite(self._clock_file, text.encode(), 0)
            self._told = text

    def engine(
        self,
        url: str,
        *,
        application_name: str,
        pool_size: int = 10,
        lock_timeout_ms: int = 5_000,
        autocommit: bool = False,
        by_index: bool = False,
    ) -> sa.Engine:
        """As ``make_engine``; sessions outlive a simulated process: they carry nothing from one to the next.

        Without its limits in real time: a busy machine, which stops us in the middle of anything, breaks no seed.
        """
        name = (url, application_name, autocommit)
        if name not in self._engines:
            made = make_engine(
                url,
                application_name=application_name,
                pool_size=pool_size,
                statement_timeout_ms=0,
                idle_in_transaction_timeout_ms=0,
                lock_timeout_ms=lock_timeout_ms,
                autocommit=autocommit,
                by_index=by_index,
            )
            self._sessions.keep_those_of(made, f"{url} {application_name} {autocommit}")
            if not autocommit and not application_name.endswith("-relay"):
                sa.event.listen(made, "checkout", self._taken)
            self._engines[name] = made
        return self._engines[name]

    def end_session(self, service: str, session: psycopg.Connection) -> None:
        """End a session at once, as a server that is told to by somebody else does."""
        self.admin[service].execute("SELECT pg_terminate_backend(%s)", [session.info.backend_pid])
        wait_for_the_end(session)

    def _taken(self, session: psycopg.Connection, _record: object, _proxy: object) -> None:
        # No two transactions overlap here, so the session taken last for one is that of the one under way.
        self.in_use = session

    def clear(self) -> None:
        """Empty every table, start every number anew, and let every pool begin without a session."""
        for engine in self._engines.values():
            engine.dispose()
        self.in_use = None
        for service in SERVICES:
            self.admin[service].execute("CALL sim.clear()")

    def stop(self) -> None:
        """End the server; nothing of it is kept."""
        for engine in self._engines.values():
            engine.dispose()
        self._sessions.close()
        self.sandbox.close()
        for connection in self.admin.values():
            connection.close()
        if self._server is not None and self._server.stdin is not None:
            self._server.stdin.close()
            self._server.wait(timeout=STOP_DEADLINE_S)
        os.close(self._clock_file)

    def _add_merchants(self) -> None:
        clock = VirtualClock(START)
        engine = make_engine(self.urls["payment"].app, application_name="simulation", pool_size=1)
        transactions = Transactions(
            engine, PaymentUnitOfWork, source="/tieout/simulation", clock=clock, ids=UlidIds(clock)
        )

        def take_in(uow: PaymentUnitOfWork) -> None:
            for merchant in self.merchants:
                uow.merchants.add(merchant.merchant_id, "Simulated Ltd")
                uow.merchants.add_key(merchant.merchant_id, merchant.key_id, Mode.TEST, merchant.key)
                price = Price(
                    percent_ppm=29_000,
                    fixed_minor=30,
                    refund_policy=RefundPolicy.PROPORTIONAL,
                    dispute_fee_minor=0,
                )
                uow.merchants.add_prices(merchant.merchant_id, ("EUR", "USD", "JPY"), price, uow.now)

        transactions.run(take_in, name="simulation")
        engine.dispose()


@contextmanager
def storage() -> Iterator[Storage]:
    """A storage for as long as the block runs; in memory where the machine has a folder for that."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - looked for, not relied on
    with tempfile.TemporaryDirectory(prefix="tieout-simulation-", dir=base) as folder:
        made = Storage(Path(folder))
        try:
            made.start()
            yield made
        finally:
            made.stop()
