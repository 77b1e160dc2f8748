"""What the processors refuse, deny, repeat or do twice, each by the card or act that a user of the sandbox would take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Final

import pytest

from tests.e2e import courses_by_card, courses_by_others, courses_of_lies, courses_of_strangers
from tests.e2e.books import Books
from tests.e2e.desk import Desk
from tests.e2e.everybody import World, everybody_at
from tests.e2e.oracle import Course
from tests.e2e.shop import Shop
from tests.e2e.side_by_side import side_by_side
from tools.demo.sandbox_script import SandboxScript
from tools.local_stack.stack import LocalStack

COURSES: Final[Mapping[str, Callable[[World], None]]] = {
    course.__name__: course
    for course in (
        courses_of_lies.sale_denied,
        courses_of_lies.sale_done_after_our_cancel,
        courses_of_lies.hold_denied,
        courses_of_lies.capture_denied,
        courses_of_lies.void_denied,
        courses_of_lies.refund_denied,
        courses_of_lies.sale_put_off,
        courses_of_lies.capture_put_off,
        courses_of_lies.void_put_off,
        courses_of_lies.refund_put_off,
        courses_by_card.sale_refused,
        courses_by_card.capture_refused,
        courses_by_card.void_refused,
        courses_by_card.refund_refused,
        courses_by_card.everything_told_ten_times,
        courses_by_card.void_told_ten_times,
        courses_by_card.sale_taken_twice,
        courses_by_card.stray_disputed,
        courses_by_card.hold_taken_twice,
        courses_by_card.capture_done_twice,
        courses_by_card.refund_done_twice,
        courses_by_others.hold_given_back_by_others,
        courses_by_others.refund_that_fails_later,
        courses_by_others.dispute_of_which_too_much_comes_back,
        courses_of_strangers.told_without_a_signature,
        courses_of_strangers.told_about_nobodys_objects,
        courses_of_strangers.told_what_nobody_can_read,
        courses_of_strangers.charged_again_under_a_forgotten_key,
        courses_of_strangers.hold_past_its_time,
    )
}
AT_ONCE: Final = 16


def test_every_course_by_card_ends_as_the_processors_have_it(
    request: pytest.FixtureRequest,
    stack: LocalStack,
    books: Books,
    desk: Desk,
    script: SandboxScript,
    course: Course,
) -> None:
    """At both processors at once; one that fails hides no other."""
    failed: list[Exception] = []

    def run(name: str, world: World) -> None:
        try:
            COURSES[name](world)
        except Exception as error:  # noqa: BLE001 - all failures are told together
            error.add_note(f"in the course {name} at {world.processor}")
            failed.append(error)

    with ExitStack() as worlds:
        scenarios: dict[str, Callable[[], None]] = {}
        for processor, fixture in (("alpha", "shop"), ("beta", "beta_shop")):
            shop: Shop = request.getfixturevalue(fixture)
            world = worlds.enter_context(everybody_at(processor, stack, shop, books, desk, script, course))
            scenarios |= {f"{name} at {processor}": partial(run, name, world) for name in COURSES}
        side_by_side(scenarios, at_once=AT_ONCE)
    if failed:
        raise ExceptionGroup("courses that ended otherwise", failed)
