"""The simulation itself: seeds hold, a seed is a history to the letter, and what is planted is found."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from shared.kernel.crash_points import KNOWN_CRASH_POINTS
from shared.testing.waiting import eventually
from tests.simulation.__main__ import HASH_SEED
from tests.simulation.activity import ELSEWHERE, OUTCOMES, missing
from tests.simulation.auditor import Auditor
from tests.simulation.faults import LIKELIHOODS
from tests.simulation.planted import hunt, planted
from tests.simulation.run import run_seed
from tests.simulation.storage import SERVICES, storage
from tools.sabotage.scratch import REPOSITORY, scratch_copy

SEEDS = range(8)
FOUND_IN_CI = "key-lease"

pytestmark = pytest.mark.xdist_group("simulation")


@pytest.fixture(scope="module")
def stored():
    with storage() as made:
        yield made


@pytest.fixture(scope="module")
def at_rest(stored):
    """The auditor of a seed that has come to rest, in which a month was closed."""
    assert run_seed(6, stored).counts["month closed"] == 1
    world = SimpleNamespace(
        storage=stored,
        circumstances=SimpleNamespace(stray_policy="review"),
        outside=SimpleNamespace(under_way=set()),
        mishaps=SimpleNamespace(not_met=lambda _rows: []),
        constellation=SimpleNamespace(is_awaited=False),
    )
    return Auditor(world, None)


def replayed_elsewhere(seed):
    """The same seed in a process of its own, which has another order of every set of texts."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--seed", str(seed), "--json"],
        cwd=REPOSITORY, env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return json.loads(done.stdout)


def test_seeds_hold_and_are_played_twice_to_the_letter(stored):
    first = {seed: run_seed(seed, stored) for seed in SEEDS}
    for seed, verdict in first.items():
        assert not verdict.violations, f"make sim SEED={seed}"
        assert verdict.counts["booked"] + verdict.counts["asks"] > 0
    for seed in (6, 5, 3):  # in the first of them a month is closed
        again = run_seed(seed, stored)
        assert again.lines == first[seed].lines
        assert again.digest == first[seed].digest
    faults = sum(
        n for verdict in first.values() for name, n in verdict.counts.items() if name.startswith("fault:")
    )
    assert faults > 100


def test_a_seed_is_the_same_in_every_process():
    one, other = replayed_elsewhere(6), replayed_elsewhere(6)
    assert one["history"] == other["history"]
    assert one["digest"] == other["digest"]


def test_databases_follow_the_virtual_clock(stored):
    verdict = run_seed(1, stored)
    for service in ("payment", "ledger"):
        ((latest,),) = stored.admin[service].execute("SELECT max(received_at) FROM inbox").fetchall()
        assert (latest - stored.started_at).total_seconds() <= verdict.virtual_s


def test_what_a_seed_leaves_in_a_queue_is_not_the_next_ones(stored):
    admin = stored.admin["ledger"]
    stored.clear()
    kept = admin.execute("SELECT kind, key FROM notes_unsealed").fetchall()
    with admin.transaction():
        admin.execute("SET LOCAL session_replication_role = replica")
        admin.execute("DELETE FROM notes_unsealed")
        admin.execute("INSERT INTO notes_unsealed (kind, key) VALUES ('late_journal', '12')")
    stored.clear()
    assert len(kept) == 1
    assert admin.execute("SELECT kind, key FROM notes_unsealed").fetchall() == kept


@pytest.mark.parametrize(
    ("service", "undone", "told"),
    [
        ("ledger", "TRUNCATE close_signatures", "ledger: closed month not signed: 20"),
        ("payment", "UPDATE processor_objects SET status = 'unheard of'", "payment: does not know that "),
        ("payment", "TRUNCATE processor_objects", "payment: does not know that "),
    ],
)
def test_a_world_is_not_at_rest_while_something_is_on_its_way(stored, at_rest, service, undone, told):
    assert at_rest.stuck() == []
    with stored.admin[service].transaction(force_rollback=True):
        stored.admin[service].execute("SET LOCAL session_replication_role = replica")
        stored.admin[service].execute(undone)
        assert at_rest.stuck()[0].startswith(told)


def test_a_world_is_not_at_rest_while_a_processor_has_to_do_with_a_request(at_rest):
    at_rest._world.outside.under_way.add("held back")
    assert at_rest.stuck() == ["1 requests are on their way to a processor, or with it"]
    at_rest._world.outside.under_way.clear()
    assert at_rest.stuck() == []


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_that_is_ended_takes_its_server_along(how):
    words = [sys.executable, "-m", "tests.simulation", "--part", "0/1", "--seeds", "1000"]
    surroundings = os.environ | {"PYTHONHASHSEED": HASH_SEED}
    with subprocess.Popen(words, cwd=REPOSITORY, env=surroundings, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()  # it is at its second seed
        server = psutil.Process(worker.pid).children(recursive=True)
        folders = {
            Path(word).parent for process in server for word in process.cmdline() if word.endswith("/data")
        }
        assert len(server) > len(SERVICES)
        assert all(folder.exists() for folder in folders)
        worker.send_signal(how)
        worker.wait()
        _, alive = psutil.wait_procs(server, timeout=20)
        assert not alive
    eventually(lambda: not any(folder.exists() for folder in folders), timeout_s=20)


def test_a_run_in_which_something_never_happened_says_so():
    everything = {*OUTCOMES, *(f"fault:{name}" for name in LIKELIHOODS)}
    everything |= {f"crash:{name}" for name in KNOWN_CRASH_POINTS if not name.startswith(ELSEWHERE)}
    counts = Counter(everything)
    assert missing(counts) == []
    del counts["fault:crash"]
    assert missing(counts) == ["fault:crash"]


def test_a_planted_bug_is_found():
    (case,) = (case for case in planted() if case.name == FOUND_IN_CI)
    with scratch_copy() as scratch:
        found = hunt(scratch, case, seeds=40)
    assert found.seed is not None
    assert "I22.liveness" in found.violation


def test_every_patch_of_a_planted_bug_fits():
    for case in planted():
        assert case.patched(REPOSITORY)
