"""Checks of the way of events: outbox = topic = inbox, order within streams, bytes, parked keys, offsets."""

from __future__ import annotations

from typing import Final

from tools.auditor.model import Check, Moment

#: Rows older than a consumer's horizon may have been pruned from its inbox; the stream's version stands for them.
_PRUNED: Final = (
    "EXISTS (SELECT 1 FROM inbox_horizons h WHERE h.consumer = {consumer} AND h.horizon_us > {time})"
)
_ARCHIVED: Final = """EXISTS (SELECT 1 FROM dropped_days d WHERE d.service = p.producer
    AND d.day BETWEEN date(t.time_us / 1000000, 'unixepoch', '-1 day')
                  AND date(t.time_us / 1000000, 'unixepoch', '+1 day'))"""

CHECKS: Final = (
    Check(
        "I7.outbox_in_topic",
        "every event that was committed to an outbox was sent and is in its topic",
        Moment.QUIESCENT,
        "SELECT count(*) FROM outbox",
        """
        SELECT o.service, o.topic, o.key, o.version, o.event_id, o.event_type, o.sent
        FROM outbox o LEFT JOIN records t ON t.event_id = o.event_id AND t.topic = o.topic
        WHERE o.sent = 0 OR (t.event_id IS NULL AND NOT EXISTS (
            SELECT 1 FROM topic_starts s WHERE s.topic = o.topic AND s.low_offset > 0))
        """,
    ),
    Check(
        "I7.topic_in_inbox",
        "every event of a topic was taken in by each consumer of it: applied, ignored, skipped, parked or put aside",
        Moment.QUIESCENT,
        "SELECT count(*) FROM records t JOIN (SELECT DISTINCT topic, consumer FROM subscriptions) s USING (topic)",
        f"""
        SELECT DISTINCT s.consumer, t.topic, t.key, t.version, t.event_id, t.event_type
        FROM records t JOIN (SELECT DISTINCT topic, consumer FROM subscriptions) s ON s.topic = t.topic
        WHERE NOT EXISTS (SELECT 1 FROM kept k WHERE k.consumer = s.consumer AND k.event_id = t.event_id)
          AND NOT {_PRUNED.format(consumer="s.consumer", time="t.time_us")}
        """,
    ),
    Check(
        "I7.inbox_in_outbox",
        "nothing was applied that nobody told: every inbox row has its outbox row, with the same bytes",
        Moment.LIVE,
        "SELECT count(*) FROM inbox",
        """
        SELECT i.consumer, i.topic, i.key, i.version, i.event_id, i.outcome,
               CASE WHEN o.event_id IS NULL THEN 'no outbox row' ELSE 'differs' END AS why
        FROM inbox i LEFT JOIN outbox o ON o.event_id = i.event_id
        WHERE (o.event_id IS NULL AND NOT EXISTS (
                 SELECT 1 FROM topics p JOIN dropped_days d ON d.service = p.producer WHERE p.topic = i.topic))
           OR o.sha <> i.sha OR o.topic <> i.topic OR o.key <> i.key
        """,
    ),
    Check(
        "I7.outcome_as_declared",
        "a type that the consumer declares as handled was not ignored, and the other way round",
        Moment.LIVE,
        "SELECT count(*) FROM inbox WHERE outcome <> 'skipped'",
        """
        SELECT i.consumer, i.topic, o.event_type, i.event_id, i.outcome, s.handling AS declared
        FROM inbox i JOIN outbox o ON o.event_id = i.event_id
        JOIN subscriptions s ON s.topic = i.topic AND s.consumer = i.consumer AND s.event_type = o.event_type
        WHERE i.outcome <> 'skipped'
          AND i.outcome <> CASE s.handling WHEN 'handled' THEN 'applied' ELSE 'ignored' END
        """,
    ),
    Check(
        "I8.topic_in_outbox",
        "no topic has an event that is in no committed outbox",
        Moment.LIVE,
        "SELECT count(*) FROM records",
        f"""
        SELECT t.topic, t.partition, t.offset, t.key, t.version, t.event_id, t.event_type
        FROM records t JOIN topics p ON p.topic = t.topic LEFT JOIN outbox o ON o.event_id = t.event_id
        WHERE o.event_id IS NULL AND NOT coalesce({_ARCHIVED}, 0)
        """,
    ),
    Check(
        "I9.one_partition_per_stream",
        "all events of a stream are in one partition",
        Moment.LIVE,
        "SELECT count(*) FROM streams",
        """
        SELECT t.topic, t.key, count(DISTINCT t.partition) AS partitions, min(t.partition) AS one,
               max(t.partition) AS another
        FROM records t JOIN topics p ON p.topic = t.topic AND p.versioned
        GROUP BY t.topic, t.key HAVING count(DISTINCT t.partition) > 1
        """,
    ),
    Check(
        "I9.first_appearances_in_order",
        "at their first appearance the events of a stream are versions 1..n, without a gap or an inversion",
        Moment.LIVE,
        "SELECT count(*) FROM streams",
        """
        WITH firsts AS (
            SELECT t.topic, t.key, t.version, t.event_id, min(t.offset) AS first_offset, min(s.low_offset) AS low
            FROM records t JOIN topics p ON p.topic = t.topic AND p.versioned
            JOIN topic_starts s ON s.topic = t.topic AND s.partition = t.partition
            GROUP BY t.topic, t.key, t.event_id
        ), placed AS (
            SELECT *, row_number() OVER stream
                   + CASE WHEN low > 0 THEN min(version) OVER (PARTITION BY topic, key) - 1 ELSE 0 END AS expected
            FROM firsts WINDOW stream AS (PARTITION BY topic, key ORDER BY first_offset)
        )
        SELECT topic, key, event_id, first_offset, version, expected FROM placed WHERE version IS NOT expected
        """,
    ),
    Check(
        "I9.bytes_equal_outbox",
        "every record in a topic is, byte for byte, what its outbox row holds, under the same key, type and version",
        Moment.LIVE,
        "SELECT count(*) FROM records",
        """
        SELECT t.topic, t.partition, t.offset, t.event_id, t.key, o.key AS outbox_key, t.version,
               o.version AS outbox_version, t.sha, o.sha AS outbox_sha, o.topic AS outbox_topic
        FROM records t JOIN outbox o ON o.event_id = t.event_id
        WHERE t.sha <> o.sha OR t.key IS NOT o.key OR t.topic <> o.topic OR t.event_type IS NOT o.event_type
           OR t.version IS NOT o.version
        """,
    ),
    Check(
        "I9.outbox_gap_free",
        "every stream of an outbox has the versions 1..n, each once, and n is the stream's last version",
        Moment.LIVE,
        "SELECT count(*) FROM streams",
        """
        WITH told AS MATERIALIZED (
            SELECT service, topic, key, count(*) AS rows, min(version) AS first, max(version) AS last
            FROM outbox GROUP BY service, topic, key
        )
        SELECT a.service, a.topic, a.key, s.last_version, o.rows, o.first, o.last
        FROM (SELECT service, topic, key FROM streams UNION SELECT service, topic, key FROM told) a
        LEFT JOIN streams s ON s.service = a.service AND s.topic = a.topic AND s.key = a.key
        LEFT JOIN told o ON o.service = a.service AND o.topic = a.topic AND o.key = a.key
        LEFT JOIN (SELECT DISTINCT service FROM dropped_days) d ON d.service = a.service
        WHERE s.key IS NULL OR (o.key IS NULL AND d.service IS NULL)
           OR o.last <> s.last_version OR o.rows <> o.last - o.first + 1 OR (o.first <> 1 AND d.service IS NULL)
        """,
    ),
    Check(
        "I10.applied_versions_consecutive",
        "per consumer and stream the applied versions are 1..n, and n is the version that it says it has reached",
        Moment.LIVE,
        "SELECT count(*) FROM inbox_versions",
        """
        WITH counted AS (
            SELECT consumer, topic, key, version FROM inbox
            UNION SELECT consumer, topic, key, version FROM skipped
        ), streams_in AS MATERIALIZED (
            SELECT c.consumer, c.topic, c.key, count(*) AS rows, count(DISTINCT c.version) AS versions,
                   min(c.version) AS first, max(c.version) AS last
            FROM counted c JOIN topics p ON p.topic = c.topic AND p.versioned GROUP BY 1, 2, 3
        )
        SELECT a.consumer, a.topic, a.key, v.last_version, i.rows, i.first, i.last
        FROM (SELECT v.consumer, v.topic, v.key FROM inbox_versions v JOIN topics p ON p.topic = v.topic AND p.versioned
              UNION SELECT consumer, topic, key FROM streams_in) a
        LEFT JOIN inbox_versions v ON v.consumer = a.consumer AND v.topic = a.topic AND v.key = a.key
        LEFT JOIN streams_in i ON i.consumer = a.consumer AND i.topic = a.topic AND i.key = a.key
        LEFT JOIN inbox_horizons h ON h.consumer = a.consumer
        WHERE v.key IS NULL OR (i.key IS NULL AND h.consumer IS NULL AND v.last_version > 0)
           OR i.last <> v.last_version OR i.rows <> i.versions OR i.versions <> i.last - i.first + 1
           OR (i.first <> 1 AND h.consumer IS NULL)
        """,
    ),
    Check(
        "I15.parked_has_a_key",
        "every record that is held back belongs to a parked key, so that redrive finds it",
        Moment.LIVE,
        "SELECT count(*) FROM parked_records",
        """
        SELECT r.consumer, r.topic, r.key, r.event_id, r.version FROM parked_records r
        LEFT JOIN parked_keys k ON k.consumer = r.consumer AND k.topic = r.topic AND k.key = r.key
        WHERE k.key IS NULL AND r.event_id NOT LIKE 'raw:%'
        """,
    ),
    Check(
        "I15.poison_has_dead_letter",
        "every key that is parked as poison has a dead letter in its consumer's outbox",
        Moment.LIVE,
        "SELECT count(*) FROM parked_keys WHERE reason = 'poison'",
        """
        SELECT k.consumer, k.topic, k.key, k.detail FROM parked_keys k
        WHERE k.reason = 'poison' AND NOT EXISTS (
            SELECT 1 FROM dead_letters d
            WHERE d.service = k.consumer AND d.topic = k.topic
              AND (d.key = k.key OR k.key LIKE 'raw:%' OR d.event_id IN (
                SELECT r.event_id FROM parked_records r WHERE r.consumer = k.consumer AND r.key = k.key)))
        """,
    ),
    Check(
        "I15.nothing_parked",
        "no key is parked and no record is held back",
        Moment.QUIESCENT,
        "SELECT count(*) FROM inbox_versions",
        """
        SELECT consumer, topic, key, reason, detail FROM parked_keys
        UNION ALL
        SELECT consumer, topic, key, 'record held back', event_id FROM parked_records
        """,
    ),
    Check(
        "I15.nothing_quarantined",
        "no record came with another payload or another event's version",
        Moment.QUIESCENT,
        "SELECT count(*) FROM inbox",
        "SELECT consumer, topic, key, event_id, reason FROM quarantined",
    ),
    Check(
        "I16.committed_offsets",
        "no consumer has committed an offset past a record that it has not taken in",
        Moment.LIVE,
        "SELECT count(*) FROM committed",
        f"""
        SELECT c.consumer, c.topic, c.partition, c.next_offset AS committed, t.offset AS not_taken_in, t.key, t.event_id
        FROM committed c JOIN records t ON t.topic = c.topic AND t.partition = c.partition AND t.offset < c.next_offset
        WHERE NOT EXISTS (SELECT 1 FROM kept k WHERE k.consumer = c.consumer AND k.event_id = t.event_id)
          AND NOT {_PRUNED.format(consumer="c.consumer", time="t.time_us")}
        """,
    ),
)
