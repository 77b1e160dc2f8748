"""More of a dispute came back than was taken: the same case of the same money, in whatever order it was told."""

from __future__ import annotations

from itertools import permutations

import pytest

from services.payment.app.apply_fact import apply_fact
from services.payment.app.create_payment import create_payment
from services.payment.domain.cases import Case
from services.payment.domain.changes import Moment
from services.payment.domain.facts import Fact
from services.payment.domain.payment import Payment
from services.payment.domain.status import Source
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.world import authorized, captured, disputed, money_row, told, wish


class Court:
    """A captured payment and its dispute."""

    def __init__(self) -> None:
        self.unit = MemoryUnit()
        self.payment: Payment = create_payment(wish(), self.unit)
        self.unit.commit()
        self.tell(authorized(self.payment), captured(self.payment))

    def tell(self, *facts: Fact) -> None:
        for what in facts:
            apply_fact(told(what), self.unit)
            self.unit.commit()

    def said(self, status: str, version: int) -> Fact:
        return disputed(self.payment, status, version, amount_minor=4_500)

    def took(self, amount_minor: int, row_id: str) -> Fact:
        return money_row(self.payment, "dispute", "opened", amount_minor, row_id)

    def gave(self, amount_minor: int, row_id: str) -> Fact:
        return money_row(self.payment, "dispute", "reinstated", amount_minor, row_id)

    def gave_too_much(self) -> None:
        """It took 4,000 and, once the merchant had won, gave 6,000 back."""
        self.tell(self.said("opened", 1), self.took(4_000, "r1"), self.said("won", 2), self.gave(6_000, "r2"))

    def cases(self) -> list[Case]:
        return [case for case in self.payment.cases if case.reason == "reinstated_too_much"]

    def at_risk(self) -> list[int]:
        return [case.exposure_minor for case in self.cases() if case.open]

    def close(self) -> Case:
        (case,) = self.cases()
        moment = Moment(now=self.unit.now, cause_id="case_1", ids=self.unit.ids, source=Source.OPERATOR)
        self.payment.answer_cases([case], moment, why="they know", by="ann")
        return case


@pytest.mark.parametrize("closing", ["won", "lost", "accepted"])
@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_too_much_back_is_one_case_in_every_order(order: tuple[int, ...], closing: str) -> None:
    court = Court()
    facts = [
        court.said("opened", 1),
        court.took(4_000, "r1"),
        court.gave(6_000, "r2"),
        court.said(closing, 2),
    ]
    court.tell(*(facts[number] for number in order))
    assert court.at_risk() == [2_000]


@pytest.mark.parametrize("order", list(permutations(range(5))))
def test_so_it_is_of_a_dispute_that_was_opened_again(order: tuple[int, ...]) -> None:
    court = Court()
    facts = [
        court.took(4_000, "r1"), court.gave(6_000, "r2"), court.said("opened", 3), court.took(500, "r3"),
        court.said("won", 4),
    ]  # fmt: skip
    court.tell(*(facts[number] for number in order))
    assert court.at_risk() == [1_500]


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_nothing_is_over_in_the_end_where_as_much_was_taken(order: tuple[int, ...]) -> None:
    court = Court()
    facts = [court.said("opened", 1), court.took(4_000, "r1"), court.gave(4_000, "r2"), court.said("won", 2)]
    court.tell(*(facts[number] for number in order))
    assert court.cases() == []


def test_opened_again_it_still_has_over_what_it_had_and_what_is_taken_then_lessens_it() -> None:
    court = Court()
    court.gave_too_much()
    court.tell(court.said("opened", 3))
    assert court.at_risk() == [2_000]
    court.tell(court.took(500, "r3"))
    assert court.at_risk() == [2_000], "until it is closed more may be taken"
    court.tell(court.said("won", 4))
    assert court.at_risk() == [1_500]


def test_what_is_taken_in_full_after_all_leaves_nothing_at_risk() -> None:
    court = Court()
    court.gave_too_much()
    court.tell(court.said("opened", 3), court.took(2_000, "r3"))
    assert court.at_risk() == [0]


def test_of_a_case_that_somebody_closed_only_more_is_news_and_not_the_same_once_more() -> None:
    court = Court()
    court.gave_too_much()
    old = court.close()
    court.tell(court.said("opened", 3), court.took(500, "r3"))
    assert old.looked_at_minor == 2_000, "nothing of it has gone yet"
    court.tell(court.said("won", 4))
    assert (court.at_risk(), old.looked_at_minor) == ([], 1_500)
    court.tell(court.gave(500, "r4"))
    (new,) = [case for case in court.cases() if case.open]
    assert (new.exposure_minor, new.follows_case_id) == (2_000, old.case_id)
