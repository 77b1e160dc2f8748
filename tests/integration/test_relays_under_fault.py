"""Two relay processes, slow writers, a broker that fails deliveries: nothing missing, every stream 1..n."""

import os
import signal
import subprocess
import sys
import threading
from functools import partial
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa

from shared.kernel.ids import UlidIds
from shared.messaging.kafka import KafkaBroker
from shared.testing.messaging_bench import FACTS, Moved, first_versions, messaging_bench
from shared.testing.waiting import eventually
from tests.integration.relay_process import LOST, REPORT_LOST

pytestmark = pytest.mark.timeout(
    600
)  # eight processes die and are started again, on a busy machine one after the other

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("relay_process.py")
KEYS = [f"key-{number}" for number in range(6)]
EACH = 60
DRAIN_S = 90
KILL = "kill"
COURSE = (LOST, REPORT_LOST, KILL, REPORT_LOST, LOST, KILL, LOST, KILL)
"""What becomes of the relay at work, one after the other; each goes on where the one before it died."""
KILLED, FAILED = -signal.SIGKILL, 1


@pytest.fixture
def bench(postgres_admin_url, kafka_bootstrap, topic_prefix):
    broker = KafkaBroker(kafka_bootstrap, topic_prefix=topic_prefix)
    with messaging_bench(postgres_admin_url, broker) as made:
        yield made


class Keeper:
    """Keeps two relay processes alive, as a supervisor does; fails deliveries of the one at work, and kills it."""

    def __init__(self, bench, bootstrap, prefix, folder, log):
        self._log = log
        self._bench = bench
        self._order = folder / "order"
        url = bench.relay_engine.url.render_as_string(hide_password=False)
        self._words = (url, bootstrap, prefix, str(self._order))
        self._seeds = count()
        self._stop = threading.Event()
        self._running = {}
        self.endings = {}
        self._threads = [threading.Thread(target=self._keep, args=(name,)) for name in ("one", "two")]

    def _keep(self, name):
        while not self._stop.is_set():
            owner = f"{name}-{UlidIds().new('own_')}"
            process = self._running[owner] = subprocess.Popen(
                [sys.executable, str(SCRIPT), *self._words, owner, str(next(self._seeds))],
                env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
                stderr=self._log,
            )
            while process.poll() is None:
                if self._stop.wait(0.02):
                    process.terminate()
                    process.wait(30)
                    return
            self.endings[owner] = process.returncode

    def ended_with(self, code):
        return [owner for owner, ending in list(self.endings.items()) if ending == code]

    def fail_a_delivery(self, fault):
        """Return once a relay died of it: only who holds the lease delivers."""
        before = len(self.ended_with(FAILED))
        draft = self._order.with_suffix(".draft")
        draft.write_text(fault)
        draft.rename(self._order)
        eventually(
            lambda: not self._order.exists() and len(self.ended_with(FAILED)) > before,
            timeout_s=60,
            describe=f"a delivery failed: {fault}",
        )

    def kill_the_holder(self):
        """Return once a relay was killed that held the lease: what follows happens after it."""
        owner = None
        while owner is None or self.endings[owner] != KILLED:  # it may have died by itself meanwhile
            owner = eventually(self._holder, timeout_s=60, describe="a relay holds the lease")
            self._running[owner].kill()
            eventually(partial(self.endings.__contains__, owner), timeout_s=60, describe=f"{owner} ended")

    def _holder(self):
        held = self._bench.rows("SELECT owner FROM relay_leases WHERE expires_at > clock_timestamp()")
        return next((row["owner"] for row in held if row["owner"] not in self.endings), None)

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
            uow.connection.execute(sa.text("SELECT pg_sleep(random() * 0.06)"))

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
    with log, Keeper(bench, kafka_bootstrap, topic_prefix, tmp_path, log) as keeper:
        for writer in writers:
            writer.start()
        try:
            for fault in COURSE:
                if fault is KILL:
                    keeper.kill_the_holder()
                else:
                    keeper.fail_a_delivery(fault)
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
    assert len(keeper.ended_with(KILLED)) == COURSE.count(KILL) == 3
    assert len(keeper.ended_with(FAILED)) >= len(COURSE) - 3
    held = {owner.partition("-")[0] for owner in keeper.endings}
    assert held == {"one", "two"}, "whoever was killed or failed a delivery held the lease"
    epochs = bench.rows("SELECT max(epoch) AS epoch FROM relay_leases")[0]["epoch"]
    assert epochs > len(keeper.endings), "each death of a holder began another epoch"
