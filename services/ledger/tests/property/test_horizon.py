"""However writers come, draw, linger and go: the horizon never passes a position whose writer is still at work."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain.horizon import Horizon, Observation

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("draw"), st.integers(0, 4)),
        st.tuples(st.just("end"), st.integers(0, 4)),
        st.tuples(st.just("look"), st.integers(0, 3)),
    ),
    max_size=60,
)


@given(STEPS)
def test_nothing_appears_at_or_below_the_horizon(steps):
    horizon, drawn, held, generation = Horizon(), 0, {}, [0] * 5
    for step, number in steps:
        name = f"{number}/{generation[number]}"
        if step == "draw":
            drawn += 1
            held.setdefault(name, []).append(drawn)
        elif step == "end":
            held.pop(name, None)
            generation[number] += 1
        else:
            # Positions are drawn between reading the last one and looking who is at work.
            before = drawn
            for late in range(number):
                drawn += 1
                held.setdefault(f"late/{drawn}", []).append(drawn)
                if late:
                    held.pop(f"late/{drawn}")
            settled = horizon.observe(Observation("one", before, frozenset(held)))
            assert settled <= before
            assert all(settled < position for positions in held.values() for position in positions)


def test_it_moves_on_although_somebody_is_always_at_work():
    horizon = Horizon()
    reached = [horizon.observe(Observation("one", n * 10, frozenset({f"w{n}"}))) for n in range(1, 6)]
    assert reached == [0, 10, 20, 30, 40]


def test_one_slow_writer_holds_it_and_only_while_it_works():
    horizon = Horizon()
    slow = frozenset({"slow"})
    assert [horizon.observe(Observation("one", n, slow | {f"w{n}"})) for n in (1, 2, 3)] == [0, 0, 0]
    assert horizon.observe(Observation("one", 4, frozenset({"w4"}))) == 1
    assert horizon.observe(Observation("one", 5, frozenset())) == 5


def test_what_was_known_of_another_server_is_forgotten():
    horizon = Horizon()
    assert horizon.observe(Observation("one", 100, frozenset())) == 100
    assert horizon.observe(Observation("two", 90, frozenset({"w"}))) == 0
    restored = Horizon()
    assert restored.observe(Observation("one", 100, frozenset())) == 100
    assert restored.observe(Observation("one", 90, frozenset({"w"}))) == 0
