"""The relay's wake-up: after commits, coalesced, and never a reason for a commit to fail."""

import psycopg

from shared.persistence.notifier import OUTBOX_CHANNEL, OutboxNotifier
from shared.testing.waiting import eventually


def test_many_commits_become_few_wake_ups_and_the_last_one_is_told(probe):
    with psycopg.connect(probe.urls.relay, autocommit=True) as relay:
        relay.execute(f"LISTEN {OUTBOX_CHANNEL}")
        notifier = OutboxNotifier(probe.engine(), min_interval_s=0.05)
        try:
            for _ in range(1000):
                notifier()
            eventually(lambda: notifier.sent >= 1)
            notifier()
            heard = list(relay.notifies(timeout=5, stop_after=2))
        finally:
            notifier.close()
    assert [each.channel for each in heard] == [OUTBOX_CHANNEL] * 2
    assert notifier.sent < 20


def test_a_broken_connection_does_not_reach_the_caller_and_heals(probe, postgres_admin_url, monkeypatch):
    monkeypatch.setattr("shared.persistence.notifier.PAUSE_AFTER_FAILURE_S", 0.01)
    notifier = OutboxNotifier(probe.engine())
    try:
        notifier()
        eventually(lambda: notifier.sent == 1)
        with psycopg.connect(postgres_admin_url) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE query LIKE 'NOTIFY%%' AND datname = %s",
                [probe.urls.app.rpartition("/")[2]],
            )

        def told_again():
            notifier()
            return notifier.sent > 1

        eventually(told_again)
    finally:
        notifier.close()


def test_it_holds_no_place_of_the_pool(probe):
    engine = probe.engine(pool_size=1)
    notifier = OutboxNotifier(engine)
    try:
        notifier()
        eventually(lambda: notifier.sent == 1)
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1
    finally:
        notifier.close()
