"""Two relay processes, slow writers, a broker that fails deliveries: nothing missing, every stream 1..n."""

import os
import subprocess
import sys
import threading
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa

from shared.kernel.ids import UlidIds
from shared.messaging.kafka import KafkaBroker
from shared.testing.messaging_bench import FACTS, Moved, first_versions, messaging_bench
from shared.testing.waiting import eventually

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("relay_process.py")
KEYS = [f"key-{number}" for number in range(6)]
EACH = 60
DRAIN_S = 90


@pytest.fixture
def bench(postgres_admin_url, kafka_bootstrap, topic_prefix):
    broker = KafkaBroker(kafka_bootstrap, topic_prefix=topic_prefix)
    with messaging_bench(postgres_admin_url, broker) as made:
        yield made


class Keeper:
    """Keeps two relay processes alive, as a supervisor does, and kills one when told to."""

    def __init__(self, bench, bootstrap, prefix, log):
        self._log = log
        self._url = bench.relay_engine.url.render_as_string(hide_password=False)
        self._place = (bootstrap, prefix)
        self._seeds = count()
        self._stop = threading.Event()
        self._kill = threading.Event()
        self._kill_next = None
        self.endings = []
        self._threads = [threading.Thread(target=self._keep, args=(name,)) for name in ("one", "two")]

    def _start(self, name):
        owner = f"{name}-{UlidIds().new('own_')}"
        return subprocess.Popen(
            [sys.executable, str(SCRIPT), self._url, *self._place, owner, str(next(self._seeds))],
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
            stderr=self._log,
        )

    def _keep(self, name):
        process = self._start(name)
        while not self._stop.wait(0.02):
            if self._kill.is_set() and self._kill_next == name:
                process.kill()
                if process.wait(30) == -9:
                    self._kill.clear()
            if process.poll() is not None:
                self.endings.append(process.returncode)
                process = self._start(name)
        process.terminate()
        process.wait(30)

    def kill(self, name):
        """Return once a relay of that name was killed: what follows happens after it."""
        self._kill_next = name
        self._kill.set()
        eventually(lambda: -9 in self.endings, timeout_s=60, describe="a relay was killed")

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)


def write_slowly(bench, key, written, enough):
    """Transactions that stay open for a random time after their version was given out, until the faults are over."""
    for number in count(1):
        if number > EACH and enough.is_set():
            return

        def work(uow, number=number):
            uow.outbox.append(FACTS, Moved(number=number), key=key, cause_id="test")
            uow.outbox.flush()
            uow.connection.execute(sa.text("SELECT pg_sleep(random() * 0.03)"))

        bench.transactions.run(work, name="write")
        written[key] = number


def read_everything(bench):
    ends = bench.broker.offsets(FACTS)
    consumer = bench.broker.make_consumer("reader")
    consumer.assign(dict.fromkeys(ends, 0))
    records, total = [], sum(end for _start, end in ends.values())
    eventually(lambda: records.extend(consumer.poll_batch(500, 0.1)) or len(records) >= total, timeout_s=30)
    consumer.close()
    return records


def test_nothing_is_missing_and_every_stream_is_in_order(bench, kafka_bootstrap, topic_prefix, tmp_path):
    written, enough = {}, threading.Event()
    writers = [threading.Thread(target=write_slowly, args=(bench, key, written, enough)) for key in KEYS]
    log = (tmp_path / "relays.log").open("w")
    with log, Keeper(bench, kafka_bootstrap, topic_prefix, log) as keeper:
        for writer in writers:
            writer.start()
        try:
            eventually(
                lambda: bench.rows("SELECT 1 FROM outbox WHERE sent_at IS NOT NULL LIMIT 1"), timeout_s=60
            )
            owner = bench.rows("SELECT owner FROM relay_leases")[0]["owner"]
            keeper.kill(owner.partition("-")[0])
            eventually(lambda: 1 in keeper.endings, timeout_s=60, describe="a delivery failed")
        finally:
            enough.set()
            for writer in writers:
                writer.join()
        eventually(
            lambda: bench.rows("SELECT count(*) AS n FROM outbox WHERE sent_at IS NULL")[0]["n"] == 0,
            timeout_s=DRAIN_S,
            describe="everything was sent",
        )
    records = read_everything(bench)
    assert first_versions(records) == {key: list(range(1, last + 1)) for key, last in written.items()}
    assert min(written.values()) >= EACH
    assert bench.rows("SELECT max(epoch) AS epoch FROM relay_leases")[0]["epoch"] >= 2
