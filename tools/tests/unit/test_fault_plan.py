"""The plan of a storm: as many faults as were asked for, the same for the same seed, and who must be in review."""

from collections import Counter
from dataclasses import replace
from zlib import crc32

import pytest

from services.sandbox.domain.faults import NO_FAULT, Operation
from services.sandbox.domain.payment_methods import payment_method
from services.sandbox.domain.random_faults import LOTS
from tools.auditor.model import Invariant
from tools.faults.plan import LOST_MIN, OFTEN_EVERY, SPECIAL, Fate, Kind, plan
from tools.faults.plan import OPERATIONS as ASKED
from tools.faults.storm import BUSY_S, DEADLINE_S, deadlines_s, expected_queue
from tools.faults.verdict import Expected, Queue, differences, unexplained

OPERATIONS = ("authorization", "capture", "void", "refund")


def cards(names):
    """A sandbox whose lots are the checksums of names."""
    return {
        name: frozenset(operation for operation in OPERATIONS if crc32(f"{name} {operation}".encode()) % 2)
        | ({name.rpartition("_")[2]} if name.startswith(("pm_no_evidence", "pm_fault_")) else set())
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


@pytest.mark.parametrize("fate", [Fate.TWICE, Fate.DENIED, Fate.PUT_OFF])
def test_what_is_done_twice_denied_or_put_off_is_so_at_every_step_at_both_processors(fate):
    special = [item for item in plan(4_000, 1, cards) if item.fate is fate]
    assert {(item.processor, item.kind) for item in special} == {
        (processor, kind)
        for processor in ("alpha", "beta")
        for kind in (Kind.SALE, Kind.CAPTURE, Kind.REFUND, Kind.CANCEL)
    }
    assert all(payment_method(item.method).drawn for item in special)
    assert {item.refunded is None for item in special} == {fate is not Fate.TWICE}


@pytest.mark.parametrize("often", [None, Fate.FORGOTTEN])
def test_keys_are_forgotten_at_every_step_where_there_are_keys_and_leave_room_for_more_or_none(often):
    planned = plan(8_000 if often is None else 500, 1, cards, often)
    forgotten = [item for item in planned if item.fate is Fate.FORGOTTEN]
    assert {item.processor for item in forgotten} == {"alpha"}
    assert {(item.kind, item.method.rpartition("_")[2]) for item in forgotten} == {
        (Kind.SALE, "authorization"),
        (Kind.CAPTURE, "capture"),
        (Kind.REFUND, "refund"),
        (Kind.CANCEL, "authorization"),
        (Kind.CANCEL, "void"),
    }
    assert {item.refunded is None for item in forgotten} == {True, False}
    assert (len(forgotten) * OFTEN_EVERY >= len(planned)) == (often is not None)


@pytest.mark.parametrize("often", SPECIAL.values())
def test_whatever_is_asked_for_often_one_payment_in_four_has_and_no_fate_is_left_out(often):
    fates = Counter(item.fate for item in plan(1_000, 1, cards, often))
    assert set(fates) == set(Fate)
    had = fates[often] + (fates[Fate.MISNAMED] if often is Fate.LIED else 0)
    assert had * OFTEN_EVERY >= fates.total() - OFTEN_EVERY


def test_only_a_key_that_came_to_a_second_send_explains_what_is_astray():
    fates = dict.fromkeys(Fate, frozenset()) | {Fate.FORGOTTEN: frozenset({"pay_1", "pay_2"})}
    queue = Queue(reviewed=frozenset(), cases={}, strays=frozenset({"pay_1"}))
    sent_again = expected_queue(fates, frozenset(), frozenset({"pay_1"}), frozenset(), frozenset())
    assert differences(queue, sent_again) == []
    neither = expected_queue(fates, frozenset(), frozenset(), frozenset(), frozenset())
    assert len(differences(queue, neither)) == 1, "found in time, so nothing may be astray"
    both = expected_queue(fates, frozenset(), frozenset({"pay_1", "pay_2"}), frozenset(), frozenset())
    assert len(differences(queue, both)) == 1, "done twice, and nobody has found it"


def test_what_was_put_off_without_a_key_must_be_found_where_it_was_done_twice_or_refused():
    fates = dict.fromkeys(Fate, frozenset()) | {Fate.PUT_OFF: frozenset({"pay_1", "pay_2", "pay_3"})}
    quiet = Queue(reviewed=frozenset(), cases={}, declined=frozenset({"pay_2"}))
    asked = expected_queue(fates, fates[Fate.PUT_OFF], frozenset(), frozenset(), frozenset({"pay_1"}))
    assert len(differences(quiet, asked)) == 2, "pay_3 was done once, as its second send came to nothing"
    found = replace(quiet, strays=frozenset({"pay_1"}), cases={"pay_2": "contradicting_evidence"})
    assert differences(found, asked) == []


ONE = Expected(reviewed=frozenset({"pay_1"}))


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
    assert len(differences(Queue(reviewed=frozenset(reviewed), cases=cases), ONE)) == problems


def test_what_is_misnamed_may_be_in_the_queue_and_need_not():
    for reviewed in (frozenset(), frozenset({"pay_2"})):
        queue = Queue(reviewed=reviewed, cases=dict.fromkeys(reviewed, "echo_mismatch"))
        assert differences(queue, Expected(frozenset(), may_be=frozenset({"pay_2"}))) == []
        assert len(differences(queue, Expected(frozenset()))) == 2 * len(reviewed)


def test_what_was_done_twice_must_be_found_and_what_was_denied_only_where_it_was_believed():
    expected = Expected(frozenset(), found=frozenset({"pay_1"}), denied=frozenset({"pay_2"}))
    nothing = Queue(reviewed=frozenset(), cases={})
    assert differences(nothing, expected) == ["pay_1 was done twice, and nothing of it is astray or a case"]
    astray = replace(nothing, strays=frozenset({"pay_1"}))
    assert differences(astray, expected) == []
    assert differences(replace(nothing, cases={"pay_1": "refund_adopted"}), expected) == []
    believed = replace(astray, declined=frozenset({"pay_2", "pay_3"}))
    assert len(differences(believed, expected)) == 1
    assert differences(replace(believed, cases={"pay_2": "capture_adopted"}), expected) == []
    assert len(differences(replace(astray, strays=frozenset({"pay_1", "pay_4"})), expected)) == 1


def found_by(name, *rows):
    return Invariant(name, "", 1, not rows, list(rows))


def test_only_what_a_processor_did_twice_explains_that_an_invariant_is_broken():
    holds = found_by("I1.zero")
    twice = found_by("I5.one_effect_per_reference", {"reference": "op_1"}, {"reference": "op_2"})
    other = found_by("I3.amounts_equal_events", {"payment_id": "pay_1"})
    assert unexplained([holds, twice], frozenset({"op_1", "op_2"})) == []
    assert unexplained([holds, twice], frozenset({"op_1"})) == [twice.name]
    assert unexplained([other], frozenset({"op_1"})) == [other.name]
    many = found_by(twice.name, *[{"reference": "op_1"}] * 1_000)
    assert unexplained([many], frozenset({"op_1"})) == []
    more = replace(many, more=True)
    assert unexplained([more], frozenset({"op_1"})) == [more.name], "what is not shown is not explained"


def test_each_processors_deadline_is_its_whole_ladder_and_a_busy_machines_delay():
    deadlines = deadlines_s()
    assert deadlines["beta"] < deadlines["alpha"] < DEADLINE_S
    assert deadlines["beta"] == 2 + 26 + BUSY_S
