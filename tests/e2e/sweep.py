"""Where in a whole stack some words lie: every table of every service, every record of every topic, every log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Final

import psycopg
from confluent_kafka import Consumer, Message, TopicPartition
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from schemas.catalogue import TOPICS
from tools.local_stack.stack import LocalStack

TIMEOUT_S: Final = 15.0
#: A partition's rows are found under its table's name.
_TABLES: Final = """
SELECT relname FROM pg_class
 WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace ORDER BY 1
"""

Found = set[tuple[str, str]]
"""The place, and the name of the word that lies there."""


def sweep(stack: LocalStack, words: Mapping[str, str]) -> Found:
    """Every place that has one of the words, as text or in the hexadecimal that stored bytes are shown as."""
    spellings = {
        spelling: name
        for name, word in words.items()
        for spelling in (word.encode(), word.encode().hex().encode())
    }
    return {
        (place, name)
        for place, content in chain(_tables(stack), _topics(stack), _logs(stack))
        for spelling, name in spellings.items()
        if spelling in content
    }


def _tables(stack: LocalStack) -> Iterator[tuple[str, bytes]]:
    for service, url in stack.reader_urls().items():
        # Not by the reader's role: hashes of keys are kept from it, and are swept like the rest.
        with psycopg.connect(stack.admin_url, dbname=conninfo_to_dict(url)["dbname"]) as database:
            for (table,) in database.execute(_TABLES).fetchall():
                query = sql.SQL("COPY (SELECT * FROM {}) TO STDOUT").format(sql.Identifier(table))
                with database.cursor().copy(query) as rows:
                    yield f"{service}.{table}", b"".join(map(bytes, rows))


def _topics(stack: LocalStack) -> Iterator[tuple[str, bytes]]:
    client = Consumer(
        {
            "bootstrap.servers": stack.bootstrap,
            "group.id": f"{stack.topic_prefix}sweep",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "log_level": 3,
        }
    )
    found: dict[str, list[bytes]] = {stack.topic_prefix + topic: [] for topic in TOPICS}
    try:
        known = client.list_topics(timeout=TIMEOUT_S).topics
        places = [TopicPartition(topic, number, 0) for topic in found for number in known[topic].partitions]
        client.assign(places)
        left = len(places)
        while left:
            message = client.poll(TIMEOUT_S)
            assert message is not None, f"{left} partitions: nothing for {TIMEOUT_S:g} s"
            problem = message.error()
            if problem is None:
                found[str(message.topic())] += _parts(message)
            else:
                assert problem.name() == "_PARTITION_EOF", problem
                left -= 1
    finally:
        client.close()
    for topic, parts in found.items():
        yield f"topic {topic.removeprefix(stack.topic_prefix)}", b"\n".join(parts)


def _parts(message: Message) -> list[bytes]:
    headers = [header[1] for header in message.headers() or []]
    return [part for part in (message.key(), message.value(), *headers) if isinstance(part, bytes)]


def _logs(stack: LocalStack) -> Iterator[tuple[str, bytes]]:
    for log in stack.place.logs.iterdir():
        yield f"log {log.name}", log.read_bytes()
