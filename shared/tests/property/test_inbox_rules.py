"""Whatever order, repetition and batching a broker comes up with: per key 1..n, each once, in order."""

import itertools
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.broker import Record
from shared.messaging.inbox import Arrival, InboxState, Planner, Stream, Verdict

TOPIC = "t"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
VERSIONED = {TOPIC: True}


def arrival(key, version, *, poison=False, event_id=None, digest=None):
    event_id = event_id or f"{key}:{version}"
    return Arrival(
        record=Record(TOPIC, 0, version, key.encode(), b"", ()),
        event_id=event_id,
        stream=Stream(TOPIC, key),
        stream_version=version,
        time=NOW,
        payload_sha256=digest or event_id.encode(),
        event=None,
        problem="poison" if poison else None,
    )


class Model:
    """Keeps between batches what the database would."""

    def __init__(self):
        self.versions, self.hashes, self.parked, self.queue = {}, {}, {}, {}
        self.applied, self.dead = [], []
        self.quarantined = 0

    def state(self):
        queues = {}
        for held in self.queue.values():
            queues.setdefault(held.stream, []).append(held)
        return InboxState(
            versions=dict(self.versions),
            hashes=dict(self.hashes),
            queued_hashes={key: held.payload_sha256 for key, held in self.queue.items()},
            parked=dict(self.parked),
            queues=queues,
        )

    def keep(self, plan):
        for step in plan.with_verdict(Verdict.APPLY):
            self.hashes[step.arrival.event_id] = step.arrival.payload_sha256
            self.applied.append((step.arrival.stream.key, step.arrival.stream_version))
        self.versions.update(plan.versions)
        self.parked.update(plan.parked)
        for stream in plan.unparked:
            del self.parked[stream]
        for held in plan.enqueued:
            assert held.event_id not in self.queue
            self.queue[held.event_id] = _queued(held)
        for event_id in plan.dequeued:
            del self.queue[event_id]
        self.dead += [step.arrival.event_id for step in plan.dead_letters]
        self.quarantined += len(plan.with_verdict(Verdict.PAYLOAD_MISMATCH))
        self.quarantined += len(plan.with_verdict(Verdict.VERSION_CONFLICT))
        for stream in {held.stream for held in self.queue.values()}:
            assert stream in self.parked, "a record waits behind a key that is not parked"

    def batch(self, arrivals):
        self.keep(Planner(self.state(), versioned=VERSIONED).take_all(arrivals).plan())

    def redrive(self, key):
        planner = Planner(self.state(), versioned=VERSIONED)
        planner.redrive(Stream(TOPIC, key))
        self.keep(planner.plan())

    def of(self, key):
        return [version for found, version in self.applied if found == key]


def _queued(held):
    return Arrival(
        held.record, held.event_id, held.stream, held.stream_version, held.time, held.payload_sha256,
        held.event, held.problem, queued=True,
    )  # fmt: skip


@st.composite
def deliveries(draw):
    """Every version of three keys at least once, in any order, with repetitions, cut into batches."""
    lengths = draw(st.fixed_dictionaries({key: st.integers(0, 6) for key in "abc"}))
    everything = [(key, version) for key, last in lengths.items() for version in range(1, last + 1)]
    repeated = draw(st.lists(st.sampled_from(everything), max_size=12)) if everything else []
    order = draw(st.permutations(everything + repeated))
    cuts = sorted(draw(st.sets(st.integers(0, len(order)), max_size=6)) | {0, len(order)})
    return lengths, [order[a:b] for a, b in itertools.pairwise(cuts)]


@given(deliveries())
def test_every_version_is_applied_once_and_in_order_whatever_the_broker_does(case):
    lengths, batches = case
    model = Model()
    for batch in batches:
        model.batch([arrival(key, version) for key, version in batch])
    for key, last in lengths.items():
        assert model.of(key) == list(range(1, last + 1))
    assert not model.queue
    assert not model.parked
    assert not model.quarantined


@given(deliveries())
def test_how_records_are_cut_into_batches_changes_nothing(case):
    _lengths, batches = case
    cut, whole = Model(), Model()
    for batch in batches:
        cut.batch([arrival(key, version) for key, version in batch])
    whole.batch([arrival(key, version) for batch in batches for key, version in batch])
    assert cut.applied == whole.applied
    assert (cut.versions, cut.parked) == (whole.versions, whole.parked)


@given(deliveries(), st.sets(st.tuples(st.sampled_from("abc"), st.integers(1, 6)), max_size=3))
def test_poison_stops_its_key_only_and_redrive_finishes_it_once_cured(case, poisoned):
    lengths, batches = case
    model = Model()
    for batch in batches:
        model.batch([arrival(k, v, poison=(k, v) in poisoned) for k, v in batch])
    for key, last in lengths.items():
        bad = min((v for k, v in poisoned if k == key and v <= last), default=last + 1)
        assert model.of(key) == list(range(1, bad))
        assert (Stream(TOPIC, key) in model.parked) is (bad <= last)
    model.redrive("a")
    assert len(model.dead) == len(set(model.dead))  # trying again is no second dead letter
    for held in list(model.queue.values()):
        model.queue[held.event_id] = _cured(held)
    for key in lengths:
        model.redrive(key)
        model.redrive(key)
    for key, last in lengths.items():
        assert model.of(key) == list(range(1, last + 1))
    assert not model.queue
    assert not model.parked


def _cured(held):
    return Arrival(
        held.record, held.event_id, held.stream, held.stream_version, held.time, held.payload_sha256,
        held.event, None, queued=True,
    )  # fmt: skip


@given(deliveries(), st.integers(1, 6))
def test_a_restored_producers_other_event_under_a_used_version_is_never_applied(case, version):
    lengths, batches = case
    model = Model()
    for batch in batches:
        model.batch([arrival(key, v) for key, v in batch])
    before = list(model.applied)
    model.batch([arrival("a", version, event_id="other")])
    if version <= lengths["a"]:
        assert model.applied == before
        assert model.quarantined == 1


@given(deliveries(), st.sampled_from("abc"), st.integers(1, 6))
def test_the_same_id_with_other_bytes_is_always_quarantined(case, key, version):
    lengths, batches = case
    model = Model()
    for batch in batches:
        model.batch([arrival(k, v) for k, v in batch])
    known = version <= lengths[key]
    model.batch([arrival(key, version, digest=b"other")])
    assert model.quarantined == int(known)
