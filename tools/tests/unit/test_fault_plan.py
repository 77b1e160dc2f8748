"""The plan of a storm: as many faults as were asked for, the same for the same seed, and who must be in review."""

from collections import Counter
from zlib import crc32

import pytest

from services.sandbox.domain.faults import NO_FAULT, Operation
from services.sandbox.domain.payment_methods import payment_method
from services.sandbox.domain.random_faults import LOTS
from tools.faults.plan import LOST_MIN, Fate, Kind, plan
from tools.faults.plan import OPERATIONS as ASKED
from tools.faults.verdict import Queue, differences

OPERATIONS = ("authorization", "capture", "void", "refund")


def cards(names):
    """A sandbox whose lots are the checksums of names."""
    return {
        name: frozenset(operation for operation in OPERATIONS if crc32(f"{name} {operation}".encode()) % 2)
        | ({name.rpartition("_")[2]} if name.startswith(("pm_no_evidence", "pm_fault_outlives")) else set())
        for name in names
    }


@pytest.mark.parametrize("count", [1, 50, 1_000])
def test_it_plans_as_many_faults_as_were_asked_for(count):
    planned = plan(count, 3, cards)
    faults = sum(item.faults for item in planned)
    assert count <= faults <= count + 1
    assert planned == plan(count, 3, cards)
    assert count == 1 or planned != plan(count, 4, cards)


def test_both_processors_lose_evidence_of_every_kind_and_everything_is_asked_for():
    planned = plan(1_000, 1, cards)
    lost = [item for item in planned if item.fate is Fate.LOST]
    assert len(lost) >= LOST_MIN - 1
    assert {item.processor for item in lost} == {"alpha", "beta"}
    assert {item.kind for item in lost} == {Kind.SALE, Kind.CAPTURE, Kind.REFUND}
    assert set(Counter(item.kind for item in planned)) == set(Kind)


def test_a_thousand_faults_strike_every_operation_in_every_way_at_both_processors():
    """What `make test` drives on real parts: no lot of the sandbox, no operation and no processor is left out."""

    def struck(names):
        return {
            name: frozenset(o.value for o, fault in payment_method(name).drawn.items() if fault != NO_FAULT)
            for name in names
        }

    by_place = {
        (item.processor, operation, fault)
        for item in plan(1_000, 1, struck)
        for operation, fault in payment_method(item.method).drawn.items()
        if operation.value in ASKED[item.kind] and fault != NO_FAULT
    }
    both = ("alpha", "beta")
    assert {(p, lot) for p in both for lot in LOTS} <= {(p, fault) for p, _, fault in by_place}
    assert {(p, operation) for p in both for operation in Operation} == {(p, o) for p, o, _ in by_place}


def test_both_processors_lie_in_every_way_dispute_and_reverse_and_only_keys_are_outlived():
    planned = plan(2_000, 1, cards)
    lies = {(item.processor, item.method) for item in planned if item.fate in (Fate.LIED, Fate.MISNAMED)}
    assert len(lies) == 6
    outlived = [item for item in planned if item.fate is Fate.OUTLIVES_KEY]
    assert {item.processor for item in outlived} == {"alpha"}
    assert {item.kind for item in outlived} == {Kind.SALE, Kind.CAPTURE, Kind.REFUND}
    claims = {
        (item.processor, item.method.rpartition("_")[2])
        for item in planned
        if item.kind in (Kind.CLAIM, Kind.ANSWER)
    }
    assert len(claims) == 18
    assert all(item.faults for item in planned if item.fate is not Fate.BY_LOT)


@pytest.mark.parametrize(
    ("reviewed", "cases", "problems"),
    [
        ({"pay_1"}, {"pay_1": "ladder_exhausted"}, 0),
        ({"pay_1", "pay_2"}, {"pay_1": "ladder_exhausted", "pay_2": "ladder_exhausted"}, 2),
        (set(), {}, 2),
        ({"pay_1"}, {"pay_1": "ladder_exhausted", "pay_3": "stray_found"}, 1),
    ],
)
def test_the_queue_must_be_exactly_what_lost_its_evidence(reviewed, cases, problems):
    found = differences(Queue(reviewed=frozenset(reviewed), cases=cases), frozenset({"pay_1"}))
    assert len(found) == problems


def test_what_is_misnamed_may_be_in_the_queue_and_need_not():
    for reviewed in (frozenset(), frozenset({"pay_2"})):
        queue = Queue(reviewed=reviewed, cases=dict.fromkeys(reviewed, "echo_mismatch"))
        assert differences(queue, frozenset(), may_be=frozenset({"pay_2"})) == []
        assert len(differences(queue, frozenset())) == 2 * len(reviewed)
