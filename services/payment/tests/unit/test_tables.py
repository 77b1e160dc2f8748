"""Every pair of every table is either listed or refused."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable

import pytest

from services.payment.domain import lifecycle, operations
from services.payment.domain.amounts import Amounts
from services.payment.domain.lifecycle import check_transition, status_of_captured
from services.payment.domain.operations import OperationState
from services.payment.domain.status import Status
from shared.kernel.errors import InvariantViolation


@pytest.mark.parametrize(("source", "target"), list(itertools.product(Status, Status)))
def test_every_pair_of_statuses_is_either_listed_or_refused(source: Status, target: Status) -> None:
    if (source, target) in lifecycle.pairs():
        check_transition(source, target)
    else:
        with pytest.raises(InvariantViolation):
            check_transition(source, target)


def test_the_roads_that_must_never_exist_do_not() -> None:
    assert (Status.FAILED, Status.CAPTURED) not in lifecycle.pairs()
    assert (Status.REFUNDED, Status.AUTHORIZED) not in lifecycle.pairs()
    assert {Status.FAILED, Status.CANCELED} == lifecycle.DEAD


@pytest.mark.parametrize(("source", "target"), list(itertools.product(OperationState, OperationState)))
def test_every_walk_of_an_operation_takes_listed_steps_only(
    source: OperationState, target: OperationState
) -> None:
    walk = operations.path(source, target)
    if walk is None:
        assert (source, target) not in operations.pairs()
        return
    assert walk[-1] is target
    assert all(pair in operations.pairs() for pair in itertools.pairwise((source, *walk)))
    assert all(step in operations.IMPLIABLE for step in walk[:-1])


def test_the_legal_table_of_captured_money_is_the_image_of_its_status() -> None:
    reached = set()
    for captured, refunded, disputed, reversed_, settled, capturable in itertools.product(
        (100,), (0, 40, 60, 100), (0, 60), (0, 40, 100), (0, 100), (0, 10)
    ):
        amounts = Amounts(
            captured_minor=captured,
            refunded_minor=refunded,
            disputed_open_minor=disputed,
            reversed_minor=reversed_,
            settled_minor=settled,
            capturable_minor=capturable,
        )
        reached.add(status_of_captured(amounts))
    after = {Status.CAPTURED, Status.SETTLED, Status.REFUNDED, Status.DISPUTED, Status.REVERSED}
    assert reached == after
    listed = {(source, target) for source, target in lifecycle.pairs() if source in after}
    assert listed == {(source, target) for source in after for target in after if source is not target}


#: The rule in the words of the design, each with the status that it gives; the first that holds counts.
RULES: tuple[tuple[Status, Callable[[Amounts], bool]], ...] = (
    (Status.DISPUTED, lambda a: a.disputed_open_minor > 0),
    (
        Status.REVERSED,
        lambda a: a.reversed_minor > 0 and a.reversed_minor + a.refunded_minor >= a.captured_minor,
    ),
    (Status.REFUNDED, lambda a: a.refunded_minor >= a.captured_minor),
    (Status.SETTLED, lambda a: a.settled_minor >= a.captured_minor and a.capturable_minor == 0),
    (Status.CAPTURED, lambda _: True),
)


def test_the_derived_status_of_all_small_combinations_of_amounts() -> None:
    small = range(4)
    seen = Counter[Status]()
    for captured, refunded, disputed, reversed_, settled, capturable in itertools.product(
        range(1, 4), small, small, small, small, range(2)
    ):
        amounts = Amounts(
            captured_minor=captured,
            refunded_minor=refunded,
            disputed_open_minor=disputed,
            reversed_minor=reversed_,
            settled_minor=settled,
            capturable_minor=capturable,
        )
        expected = next(status for status, holds in RULES if holds(amounts))
        assert status_of_captured(amounts) is expected, amounts
        seen[expected] += 1
    assert seen.total() == 3 * 4**4 * 2
    assert all(seen[status] >= 15 for status, _ in RULES), seen


def test_nothing_is_derived_without_captured_money() -> None:
    with pytest.raises(InvariantViolation):
        status_of_captured(Amounts())
