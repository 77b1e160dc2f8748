"""The bases: what PostgreSQL, Kafka and HTTP in Python do here without us, in the shape of our work."""

import time
from typing import Any, Final

from confluent_kafka import Consumer, Producer

from shared.messaging.kafka_settings import CONSUMER_SETTINGS, PRODUCER_SETTINGS
from tools.bench import bare_http, bare_relay
from tools.bench.figures import Figure, repeated
from tools.bench.pgbench import pgbench
from tools.bench.site import Site

SECTION: Final = "base"
DATABASE: Final = "bench_base"
ACCOUNTS: Final = 10_000
MESSAGE_BYTES: Final = 500
TOPIC: Final = "bench.raw"
PARTITIONS: Final = 6

_SCHEMA: Final = f"""
CREATE TABLE journals (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payment_id text NOT NULL,
  amount_minor bigint NOT NULL, booked_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE entries (journal_id bigint NOT NULL, line smallint NOT NULL, account_id bigint NOT NULL,
  amount_minor bigint NOT NULL, PRIMARY KEY (journal_id, line));
CREATE TABLE balances (account_id bigint PRIMARY KEY, balance_minor bigint NOT NULL) WITH (fillfactor = 70);
CREATE TABLE outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text NOT NULL, payload bytea NOT NULL,
  sent_at timestamptz);
CREATE INDEX outbox_unsent ON outbox (id) WHERE sent_at IS NULL;
CREATE TABLE keys (scope text PRIMARY KEY, fingerprint bytea NOT NULL, body bytea NOT NULL);
CREATE TABLE payments (payment_id text PRIMARY KEY, merchant_id text NOT NULL, amount_minor bigint NOT NULL,
  currency text NOT NULL, status text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX payments_of_merchant ON payments (merchant_id, payment_id);
CREATE SEQUENCE names;
INSERT INTO balances SELECT n, 0 FROM generate_series(1, {ACCOUNTS}) AS n;
VACUUM ANALYZE balances;
"""
# Accounts in one order, so that no two transactions deadlock.
_BOOKS: Final = rf"""
\set a random(1, {ACCOUNTS})
\set b random(1, {ACCOUNTS})
\set low least(:a, :b)
\set high greatest(:a, :b)
\set amount random(1, 100000)
BEGIN;
INSERT INTO journals (payment_id, amount_minor) VALUES ('pay_' || :a, :amount) RETURNING id \gset
INSERT INTO entries VALUES (:id, 1, :a, :amount), (:id, 2, :b, 0 - :amount);
UPDATE balances SET balance_minor = balance_minor + :amount WHERE account_id = :low;
UPDATE balances SET balance_minor = balance_minor - :amount WHERE account_id = :high;
INSERT INTO outbox (key, payload) VALUES ('pay_' || :a, decode(repeat('ab', {MESSAGE_BYTES}), 'hex'));
COMMIT;
"""
_PAYMENT: Final = rf"""
\set amount random(1, 100000)
\set n random(1, 1000000000000000)
BEGIN;
INSERT INTO keys VALUES ('key_' || :n, decode(repeat('ab', 32), 'hex'), decode(repeat('ab', {MESSAGE_BYTES}), 'hex'));
INSERT INTO payments (payment_id, merchant_id, amount_minor, currency, status)
  VALUES ('pay_' || :n, 'mer_1', :amount, 'EUR', 'PROCESSING');
INSERT INTO outbox (key, payload) VALUES ('pay_' || :n, decode(repeat('ab', {MESSAGE_BYTES}), 'hex'));
COMMIT;
"""


def measure(site: Site) -> list[Figure]:
    """PostgreSQL by pgbench, Kafka by its own client, HTTP by an application that does nothing."""
    with site.admin() as admin:
        admin.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0 LOCALE 'C'")
    with site.admin(DATABASE) as inside:
        for statement in filter(str.strip, _SCHEMA.split(";\n")):
            inside.execute(statement.encode())
    figures = [
        pgbench(site, "pgbench, journal in 7 statements", _BOOKS, section=SECTION, database=DATABASE),
        pgbench(site, "pgbench, payment in 5 statements", _PAYMENT, section=SECTION, database=DATABASE),
    ]
    site.progress("raw Kafka: produce and consume")
    site.broker.ensure_topic(TOPIC, partitions=PARTITIONS, settings={})
    count = 20_000 if site.quick else 100_000
    produced = repeated(site.repetitions, lambda: _produce(site, count))
    consumed = repeated(site.repetitions, lambda: consume_raw(site, TOPIC, count))
    figures += [
        Figure(section=SECTION, name="produce 500 bytes", unit="msg/s", samples=produced),
        Figure(section=SECTION, name="consume 500 bytes", unit="msg/s", samples=consumed),
        bare_relay.measure(
            site, section=SECTION, database=DATABASE, topic=TOPIC, batches=3 if site.quick else 15
        ),
        bare_http.measure(site, SECTION),
    ]
    return figures


def _produce(site: Site, count: int) -> float:
    settings: dict[str, Any] = {
        **PRODUCER_SETTINGS,
        "bootstrap.servers": site.stack.bootstrap,
        "log_level": 0,
    }
    producer = Producer(settings)
    topic, value = site.stack.topic_prefix + TOPIC, b"x" * MESSAGE_BYTES
    started = time.perf_counter()
    for number in range(count):
        while True:
            try:
                producer.produce(topic, value, key=b"%d" % number)
                break
            except BufferError:
                producer.poll(0.01)  # a broker that starts may take longer than one turn to make room
    producer.flush(60)
    return count / (time.perf_counter() - started)


def consume_raw(site: Site, topic: str, count: int) -> float:
    """Messages per second of a client that only counts what lies in a topic, from its beginning."""
    settings: dict[str, Any] = {
        **CONSUMER_SETTINGS, "bootstrap.servers": site.stack.bootstrap, "group.id": f"bench-raw-{time.time_ns()}",
    }  # fmt: skip
    consumer = Consumer(settings)
    consumer.subscribe([site.stack.topic_prefix + topic])
    try:
        while consumer.poll(0.1) is None:  # joining the group is not what is measured
            continue
        started, left = time.perf_counter(), count - 1
        while left > 0:
            left -= len(consumer.consume(1_000, 0.1))
        return count / (time.perf_counter() - started)
    finally:
        consumer.close()
