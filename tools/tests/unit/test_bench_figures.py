"""A figure says honestly which bound it reached."""

import pytest

from tools.bench.figures import Base, Figure, cells, percentile


def figure(*samples, **given):
    return Figure(section="s", name="n", unit="u", samples=samples, **given)


@pytest.mark.parametrize(
    ("made", "verdict"),
    [
        (figure(1.0), ""),
        (figure(80.0, 90.0, 100.0, base=Base(name="b", value=100.0), floor=0.7, aim=1.7), "floor"),
        (figure(170.0, base=Base(name="b", value=100.0), floor=0.7, aim=1.7), "aim"),
        (figure(69.0, base=Base(name="b", value=100.0), floor=0.7, aim=1.7), "missed"),
        (figure(41.0, floor=40, aim=20, smaller_is_better=True), "missed"),
        (figure(30.0, floor=40, aim=20, smaller_is_better=True), "floor"),
        (figure(20.0, floor=40, aim=20, smaller_is_better=True), "aim"),
    ],
)
def test_a_figure_reaches_the_aim_the_floor_or_neither(made, verdict):
    assert made.verdict == verdict


def test_the_spread_is_shown_beside_the_median():
    assert cells(figure(3.0, 1.0, 2.0))[2:5] == ("1", "2", "3")


def test_a_ratio_is_shown_with_the_value_that_it_was_held_against():
    assert cells(figure(50.0, base=Base(name="b", value=1_000.0)))[5:7] == ("0.05", "b (1,000)")


def test_a_percentile_is_a_value_that_was_measured():
    assert percentile([float(n) for n in range(100)], 0.99) == 99.0
    assert percentile([5.0], 0.99) == 5.0
