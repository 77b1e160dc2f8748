"""Heads read back from a real topic, among other events: all of them, once, as they were signed, and then the end."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from services.ledger.adapters.head_keys import HeadSigner, HeadVerifier
from services.ledger.adapters.published_heads import TOPIC, published_heads
from services.ledger.domain.closes import SignedClose
from services.ledger.domain.heads import Head
from services.ledger.entrypoints.cli import cli
from shared.messaging.envelope import CE_TYPE
from shared.messaging.kafka import KafkaBroker
from shared.runtime.operator_tokens import new_key_pair

PRIVATE, PUBLIC = new_key_pair()


def signed(position: int) -> Head:
    head = Head(
        shard=0, position=position, journal_id=f"jrn_{position}", hash="ab" * 32, settled_position=position,
        signed_at="2026-11-24T10:00:00Z", key_id="", signature="",
    )  # fmt: skip
    return HeadSigner(PRIVATE).sign(head)


@pytest.fixture
def broker(kafka_bootstrap, topic_prefix, monkeypatch):
    monkeypatch.setenv("LEDGER_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("LEDGER_KAFKA_BOOTSTRAP_SERVERS", kafka_bootstrap)
    monkeypatch.setenv("LEDGER_KAFKA_TOPIC_PREFIX", topic_prefix)
    monkeypatch.setenv("LEDGER_SEAL_PRIVATE_KEY", PRIVATE)
    made = KafkaBroker(kafka_bootstrap, topic_prefix=topic_prefix)
    made.ensure_topic(TOPIC, partitions=3, settings={})
    return made


def publish(broker, rows):
    producer, failed = broker.make_producer(), []
    for key, event_type, value in rows:
        producer.produce(
            TOPIC, key=key, value=value, headers=[(CE_TYPE, event_type)], on_delivery=failed.append
        )
    assert producer.flush(30) == 0
    assert set(failed) == {None}
    producer.close()


def test_every_published_close_is_read_and_nothing_else(broker):
    unsigned = SignedClose(
        period="2026-10", close_id="cls_1", ends_at="2026-11-01T00:00:00Z", shard=0, position=3, hash="ab" * 32,
        closed_at="2026-11-03T09:00:00Z", signed_at="2026-11-03T09:00:01Z", key_id="", signature="",
    )  # fmt: skip
    close = HeadSigner(PRIVATE).sign_close(unsigned)
    rows = [
        (b"seals:0", b"LedgerHeadSigned.v1", json.dumps(signed(3).fields()).encode()),
        (b"periods", b"LedgerPeriodClosed.v1", json.dumps(close.fields()).encode()),
    ]
    publish(broker, rows)
    shown = CliRunner().invoke(cli, ["periods", "published"])
    assert shown.exit_code == 0, shown.output
    assert [SignedClose.read(json.loads(line)) for line in shown.stdout.splitlines()] == [close]


def test_every_published_head_is_read_and_nothing_else(broker):
    assert list(published_heads(broker)) == []
    heads = [signed(position) for position in (3, 6, 9)]
    rows = [(f"pay_{n}".encode(), b"JournalPosted.v1", b'{"journal":"x"}') for n in range(20)]
    rows += [(b"seals:0", b"LedgerHeadSigned.v1", json.dumps(head.fields()).encode()) for head in heads]
    publish(broker, rows)
    read = list(published_heads(broker))
    assert read == heads
    assert all(HeadVerifier([PUBLIC]).is_genuine(head) for head in read)
    shown = CliRunner().invoke(cli, ["heads"])
    assert shown.exit_code == 0, shown.output
    assert [Head.read(json.loads(line)) for line in shown.stdout.splitlines()] == heads
    key = CliRunner().invoke(cli, ["seal-key"])
    assert (key.exit_code, key.stdout) == (0, PUBLIC)
