"""Books that grow: what a journal costs and how long a balance takes at 0, a tenth of, and all of so many entries.

The entries come from set-based SQL, through every constraint and trigger of the books, in the shape of captures, each
with all that comes with it: the inbox has its event, the outbox its announcement, sent, and both have its stream. They
are sealed and folded by the ledger's own workers, because a balance is read from snapshots, and vacuumed, as autovacuum
would have done in the months that so many take. The rates are those of the real consumer, through Kafka.
"""

import random
from collections.abc import Callable
from typing import Any, Final

import psutil
import psycopg

from shared.runtime.operator_tokens import OperatorRole, TokenIssuer
from tools.bench import books
from tools.bench.figures import Base, Figure, percentile
from tools.bench.http_load import drive
from tools.bench.site import Site, wait_until
from tools.local_stack.layout import StackError

SECTION: Final = "growth"
ENTRIES_EACH: Final = 3
CHUNK_JOURNALS: Final = 50_000
SEALED_WITHIN_S: Final = 7_200.0
RATE_AIM: Final = 0.9
READ_AIM_MS: Final = 10.0
OK: Final = 200
TOKEN_LIFE_S: Final = 3_600
FOLDED_EVERY_SEALS: Final = 1_000
"""As the ledger has it by default: a read looks at no more than these one by one."""
NEVER_S: Final = "86400"
"""Of the workers' other turns: nothing that is measured rests on them."""

# In the same order as the consumer: journals, then their entries. Ids sort before those that consumers draw now.
_DRAW: Final = """
CREATE TEMPORARY TABLE filling ON COMMIT DROP AS
SELECT nextval('journal_positions') AS position, n, lpad(n::text, 26, '0') AS id, owner, account_id
  FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
  JOIN (SELECT account_id, owner, row_number() OVER (ORDER BY account_id) - 1 AS nth, count(*) OVER () AS number
          FROM accounts WHERE family = 'merchant_pending' AND currency = 'EUR') AS m ON m.nth = n * 7919 %% m.number
"""
_JOURNALS: Final = """
INSERT INTO journals (position, journal_id, rule, cause_event_id, cause_event_type, fact_key, subject, payment_id,
       merchant_id, currency, amount_minor, from_party, to_party, entry_count, effective_at)
SELECT position, 'jrn_' || id, 'capture', 'evt_' || id, 'PaymentCaptured.v1',
       'alpha:acct_alpha:cap_' || id || ':succeeded:1', 'op_' || id, 'pay_' || id, owner, 'EUR', 1000, 'customer',
       'merchant', 3, now() FROM filling ORDER BY position
"""
_ENTRIES: Final = """
INSERT INTO entries (journal_position, line, account_id, side, amount_minor, currency, clearing_key)
SELECT f.position, e.line, e.account_id, e.side::entry_side, e.amount_minor, 'EUR', e.clearing_key FROM filling AS f
  JOIN accounts AS r ON r.family = 'processor_receivable' AND r.currency = 'EUR'
  JOIN accounts AS p ON p.family = 'fee_revenue' AND p.currency = 'EUR'
 CROSS JOIN LATERAL (VALUES
   (1, r.account_id, 'debit', 1000, 'alpha:acct_alpha:cap_' || f.id),
   (2, f.account_id, 'credit', 941, NULL),
   (3, p.account_id, 'credit', 59, NULL)
 ) AS e (line, account_id, side, amount_minor, clearing_key) ORDER BY f.position, e.line
"""
# The payload is what the ledger said of a capture that it booked, so that the rows are as large as they will be.
_HEARD: Final = """
INSERT INTO inbox (consumer, event_id, payload_sha256, topic, key, stream_version, event_time, outcome)
SELECT 'ledger', 'evt_' || id, sha256(id::bytea), 'payment.events', 'pay_' || id, 1, now(), 'applied' FROM filling
 ORDER BY position
"""
_HEARD_UP_TO: Final = """
INSERT INTO inbox_versions (consumer, topic, key, last_version)
SELECT 'ledger', 'payment.events', 'pay_' || id, 1 FROM filling ORDER BY position
"""
_TOLD_UP_TO: Final = """
INSERT INTO outbox_streams (topic, key, last_version)
SELECT 'ledger.events', 'pay_' || id, 1 FROM filling ORDER BY position
"""
_TOLD: Final = """
INSERT INTO outbox (shard, topic, key, stream_version, event_id, event_type, data_schema, source, subject, event_time,
                    cause_id, payload, payload_sha256, sent_at, sent_epoch)
SELECT 0, 'ledger.events', 'pay_' || id, 1, 'evt_00A' || right(id, 23), 'JournalPosted.v1', said.data_schema,
       '/tieout/ledger', 'pay_' || id, now(), 'evt_' || id, said.payload, sha256(said.payload), now(), 1
  FROM filling, (
    SELECT data_schema, payload FROM outbox WHERE event_type = 'JournalPosted.v1'
     UNION ALL SELECT '/', '{}' LIMIT 1) AS said
 ORDER BY position
"""
_MERCHANTS: Final = (
    "SELECT owner FROM accounts WHERE family = 'merchant_pending' AND currency = 'EUR' ORDER BY owner"
)
_UNSEALED: Final = """
SELECT coalesce((SELECT max(position) FROM journals), 0) - coalesce((SELECT max(journal_position) FROM seals), 0)
"""
_UNFOLDED: Final = """
SELECT coalesce((SELECT max(position) FROM seals), 0) - coalesce((SELECT min(position) FROM snapshot_shards), 0)
"""


def measure(site: Site, entries: int) -> list[Figure]:
    """Journals per second and PostgreSQL's CPU for each at three sizes, and balances at the largest."""
    count = 5_000 if site.quick else 20_000
    books.book(site, books.captures(count, hot=False))  # opens the accounts
    books.drain(site)
    figures: list[Figure] = []
    base: Base | None = None
    filled = 0
    for size in sorted({0, entries // 10, entries}):
        filled = _fill(site, filled, size // ENTRIES_EACH)
        rates, costs_ms = [], []
        for _ in range(site.repetitions):
            site.progress(f"ledger through Kafka at {size:,} entries")
            rate, spent = books.book(site, books.captures(count, hot=False))
            books.drain(site)
            rates.append(rate)
            costs_ms.append(spent[1])
        at = f"at {size:,} entries"
        aim = None if base is None else RATE_AIM
        made = Figure(
            section=SECTION, name=f"journals {at}", unit="1/s", samples=tuple(rates), base=base, aim=aim
        )
        base = base or made.as_base()
        figures.append(made)
        figures.append(
            Figure(
                section=SECTION,
                name=f"PostgreSQL CPU per journal {at}",
                unit="ms",
                samples=tuple(costs_ms),
                aim=books.CPU_AIM_MS,
                smaller_is_better=True,
            )
        )
    _catch_up(site)
    return figures + _reads(site, entries)


def fill(session: "psycopg.Connection[Any]", first: int, last: int) -> None:
    """Book captures number ``first`` to ``last`` in one transaction, under every check of the books."""
    with session.transaction():
        session.execute("SELECT entries_create_partitions()")
        for statement in (_DRAW, _JOURNALS, _ENTRIES, _HEARD, _HEARD_UP_TO, _TOLD_UP_TO, _TOLD):
            session.execute(statement.encode(), {"first": first, "last": last})


def _fill(site: Site, filled: int, journals: int) -> int:
    """Book up to so many journals by SQL, and have them sealed, folded and vacuumed."""
    if journals <= filled:
        return filled
    with site.admin("ledger") as session:
        for first in range(filled, journals, CHUNK_JOURNALS):
            last = min(first + CHUNK_JOURNALS, journals) - 1
            site.progress(f"filling: {last + 1:,} of {journals:,} journals")
            fill(session, first, last)
    _catch_up(site)
    return journals


def _catch_up(site: Site) -> None:
    """Have everything sealed and folded by the ledger's worker, and tables vacuumed: as while it runs always."""
    with site.admin("ledger") as session:
        site.progress("vacuum, as autovacuum would have done meanwhile")
        _vacuum(session, "journals", "entries", "accounts")
        _vacuum(session, "inbox", "inbox_versions", "outbox", "outbox_streams")
        site.progress("sealing and folding")
        with site.process(
            "ledger", "work", CLEARING_INTERVAL_S=NEVER_S, BALANCE_CHECK_INTERVAL_S=NEVER_S
        ) as pid:

            def caught_up() -> bool:
                if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                    raise StackError("ledger work ended by itself")
                session.execute("ANALYZE seals")
                left = books.number(session, _UNSEALED), books.number(session, _UNFOLDED)
                site.progress(f"{left[0]:,} journals to seal, {left[1]:,} to fold")
                return left[0] <= 0 and left[1] < FOLDED_EVERY_SEALS

            wait_until(caught_up, "all is sealed and folded", poll_s=5, within_s=SEALED_WITHIN_S)
        _vacuum(session, "seals", "account_snapshots")
        session.execute("CHECKPOINT")


def _vacuum(session: "psycopg.Connection[Any]", *tables: str) -> None:
    for table in tables:
        session.execute(f"VACUUM (ANALYZE) {table}".encode())


def _reads(site: Site, entries: int) -> list[Figure]:
    """Balances of one account after another, each request waiting for its answer, by HTTP."""
    chance = random.Random(entries)  # noqa: S311  # spreads load, protects nothing
    head = _head(site)
    with site.admin("ledger") as session:
        owners = [row[0] for row in session.execute(_MERCHANTS).fetchall()]

    def merchant() -> bytes:
        owner = chance.choice(owners)
        return f"GET /balance?family=merchant_pending&currency=EUR&owner={owner}{head}".encode()

    def fees() -> bytes:
        return f"GET /balance?family=fee_revenue&currency=EUR&owner=platform{head}".encode()

    figures = []
    with site.process("ledger", "serve"):
        site.wait_ready("ledger")
        for name, request in (("a merchant's balance", merchant), ("the account in every journal", fees)):
            site.progress(f"reading: {name}")
            figures += _read(site, f"{name} at {entries:,} entries", request)
    return figures


def _head(site: Site) -> str:
    key = (site.stack.place.secrets / "operator_tokens.pem").read_text()
    token = TokenIssuer(key).operator("bench", OperatorRole.VIEWER, TOKEN_LIFE_S)
    return f" HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n"


def _read(site: Site, name: str, request: Callable[[], bytes]) -> list[Figure]:
    url, requests = site.stack.url("ledger"), 300 if site.quick else 2_000
    drive(url, request, clients=1, count=requests // 4, expected=OK)
    loads = [drive(url, request, clients=1, count=requests, expected=OK) for _ in range(site.repetitions)]
    return [
        Figure(
            section=SECTION, name=f"{word} of {name}", unit="ms", aim=aim, smaller_is_better=True,
            samples=tuple(percentile(load.latencies_s, share) * 1000 for load in loads),
        )
        for word, share, aim in (("p50", 0.5, None), ("p99", 0.99, READ_AIM_MS))
    ]  # fmt: skip
