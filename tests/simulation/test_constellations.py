"""What is arranged can be arranged, leaves other worlds alone, and what it leads to is judged."""

import json
import random
from dataclasses import replace
from types import SimpleNamespace

import pytest

from services.sandbox.app.script_requests import read_rule
from services.sandbox.domain.payment_methods import payment_method
from tests.simulation.arranging import BY_HAND
from tests.simulation.circumstances import Circumstances
from tests.simulation.constellations import Constellation
from tests.simulation.deliveries import Deliveries
from tests.simulation.excuses import Excuses
from tests.simulation.faults import LIKELIHOODS
from tests.simulation.kinds import KINDS, WORLDS

DRAWN = Circumstances.drawn(random.Random(1), ["mer_1"])


class Always(random.Random):
    """A chance that chooses what it is told to, once."""

    def __init__(self, kind):
        super().__init__(1)
        self._kind = [kind]

    def choice(self, seq):
        return self._kind.pop() if self._kind else super().choice(seq)


def test_a_world_without_any_is_left_alone():
    chance = Always(None)
    before = chance.getstate()
    none = Constellation(SimpleNamespace(), chance)
    assert none.of(DRAWN) is DRAWN
    assert none.wish() is None
    assert none.course is None
    assert not none.keeps_back
    assert not none.refuses(bytes(32))
    likelihoods = {"crash": 0.5}
    none.worsen(likelihoods)
    assert likelihoods == {"crash": 0.5}
    none.end()
    assert chance.getstate() == before


def test_each_comes_about_in_some_of_two_hundred_worlds():
    drawn = [random.Random(f"constellation {seed}").choice(WORLDS) for seed in range(200)]
    assert all(kind in drawn for kind in KINDS)
    assert 0.25 < drawn.count(None) / len(drawn) < 0.9


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_is_arranged_can_be(kind):
    there = Constellation(SimpleNamespace(), Always(kind))
    assert there.of(DRAWN) == replace(DRAWN, **kind.terms)
    likelihoods = dict(LIKELIHOODS)
    there.worsen(likelihoods)
    assert set(likelihoods) == set(LIKELIHOODS)
    assert likelihoods == LIKELIHOODS | kind.likelihoods
    wish = there.wish()
    assert (wish is None) == (not kind.cards)
    for card in kind.cards:
        assert payment_method(card).name == card
    for rule in kind.rules:
        processor, read = read_rule(json.loads(json.dumps(rule)))
        assert processor == DRAWN.default_processor or processor == kind.terms["default_processor"]
        assert read.calls == rule["calls"]


def test_a_webhook_that_is_counted_more_often_than_it_came_is_told():
    deliveries = Deliveries()
    digest = deliveries.begins(b"one")
    deliveries.begins(b"one")

    def seen(times):
        return lambda _service, _query: [("alpha", "aevt_1", digest, times)]

    assert list(deliveries.seen_too_often(seen(2))) == []
    assert list(deliveries.seen_too_often(seen(3))) == ["aevt_1 of alpha came 2 times, and was seen 3 times"]
    deliveries.never_came(digest)
    assert list(deliveries.seen_too_often(seen(2))) == ["aevt_1 of alpha came 1 times, and was seen 2 times"]


def test_a_webhook_that_is_answered_500_is_told_unless_it_is_at_fault():
    deliveries = Deliveries()
    digest = deliveries.begins(b"one")
    deliveries.answered("alpha", digest, 200, at_fault=False)
    deliveries.answered("alpha", digest, 500, at_fault=True)
    assert deliveries.unforeseen == []
    deliveries.answered("alpha", digest, 500, at_fault=False)
    assert deliveries.unforeseen == [f"a webhook of alpha ({digest.hex()[:12]})"]


def test_what_a_world_does_to_itself_is_excused_and_nothing_else():
    found = {"LIKE ANY": [("op_twice",)], "refused_after": [("op_denied",)], "waiting_facts": [("evd_1",)]}
    asked = lambda _service, query: next(rows for part, rows in found.items() if part in query)  # noqa: E731
    excuses = Excuses(asked, {"op_typed"})
    assert (excuses.done_twice, excuses.denied) == ({"op_twice", "op_typed"}, {"op_denied", "op_typed"})
    rows = [
        ("I5.one_effect_per_reference", {"reference": "op_twice"}, True),
        ("I5.one_effect_per_reference", {"reference": "op_1"}, False),
        ("I6.operations_decided", {"operation_id": "evd_1"}, True),
        ("I6.operations_decided", {"operation_id": "op_1"}, False),
        ("I5.references_are_ours", {"reference": f"{BY_HAND}1"}, True),
        ("I5.references_are_ours", {"reference": "op_1"}, False),
        ("I5.one_key_per_call", {"reference": "op_typed"}, True),
        ("I5.one_effect_per_reference", {"reference": "op_typed"}, True),
        ("I5.one_key_per_call", {"reference": "op_twice"}, False),
    ]
    assert [excuses.cover(invariant, row) for invariant, row, _ in rows] == [excused for *_, excused in rows]
