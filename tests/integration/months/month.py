"""A month from beginning to end: made by seed, told day by day, and held to its answer key after each of them."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from services.reconciliation.app.run_matching import RunKind
from tests.integration.months.answers import Answer
from tests.integration.months.desk import MonthDesk
from tests.integration.months.key import Key, end_of
from tests.integration.months.people import decide
from tests.integration.months.trade import DECIDED, START, Story, Told, Wrong, story
from tests.integration.months.world import LAST_DAY, World

TWIN_EVERY = 50
STOPS_UNTIL = 45
"""Days: by then the last line of the month is lost, or has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a month is made from; the same plan always makes the same month."""

    seed: str
    payments: int
    each: int
    """Errors of each kind: at each processor those of reports, in all those of our side."""
    stops: tuple[date, ...]
    """The days after which a run is held to the key; the last one is when everything is over."""

    @property
    def wrong(self) -> dict[int, Wrong]:
        """Which payments are wrong on our side, spread over the month's numbers."""
        # Whoever looks only once decides nothing on the way.
        left_out = {Wrong.NOTHING} if len(self.stops) > 1 else {Wrong.NOTHING, *DECIDED}
        kinds = [wrong for wrong in Wrong if wrong not in left_out for _ in range(self.each)]
        step = self.payments // len(kinds)
        return {(at + 1) * step - 1: kind for at, kind in enumerate(kinds)}


def stops(every: int) -> tuple[date, ...]:
    """After every so many days, and when all is over."""
    found = []
    day = START.date() + timedelta(days=every - 1)
    while day < START.date() + timedelta(days=STOPS_UNTIL):
        found.append(day)
        day += timedelta(days=every)
    return (*found, LAST_DAY)


@dataclass(slots=True)
class Score:
    """Breaks by type, over all stops: what had to be found, what was, and what was found that is not there."""

    expected: dict[str, set[Answer]] = field(default_factory=lambda: defaultdict(set))
    found: dict[str, set[Answer]] = field(default_factory=lambda: defaultdict(set))
    missed: dict[str, set[Answer]] = field(default_factory=lambda: defaultdict(set))
    invented: dict[str, set[Answer]] = field(default_factory=lambda: defaultdict(set))

    def hold(self, wanted: set[Answer], found: set[Answer]) -> None:
        """Compare what stands with what must stand."""
        for sets, answers in (
            (self.expected, wanted), (self.found, wanted & found), (self.missed, wanted - found),
            (self.invented, found - wanted),
        ):  # fmt: skip
            for answer in answers:
                sets[answer.type].add(answer)

    def types(self) -> list[str]:
        """Every type that had to be found or was."""
        return sorted({*self.expected, *self.invented})

    def precision(self, kind: str) -> float:
        """Of what was found, the share that is there."""
        found = len(self.found[kind]) + len(self.invented[kind])
        return len(self.found[kind]) / found if found else 1.0

    def recall(self, kind: str) -> float:
        """Of what is there, the share that was found wherever it had to be."""
        wanted = len(self.expected[kind])
        return (wanted - len(self.missed[kind])) / wanted if wanted else 1.0


class Month:
    """Made whole before anything is told."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        wrong, rows = plan.wrong, []
        self.stories: list[Story] = []
        before: Story | None = None
        for number in range(plan.payments):
            twin = before if number % TWIN_EVERY == 1 and before and before.rows else None
            kind = wrong.get(number, Wrong.NOTHING)
            made = story(number + 1, plan.seed, kind, like=twin if kind is Wrong.NOTHING else None)
            self.stories.append(made)
            rows += [(made.processor, row) for row in made.rows]
            before = made
        self.world = World(plan.seed, rows)
        self.late = [late for number in wrong for late in self.stories[number].late]
        not_plantable = {item.object_id for number in wrong for item in self.stories[number].expected}
        self.planted = self.world.plant(plan.each, not_plantable | {late.returned_as for late in self.late})
        self.key = Key(self.world, self.planted, plan.stops, self.late)
        for made in self.stories:
            self.key.know(made)

    def told(self) -> Iterator[Told]:
        """Every event of ours, payment by payment."""
        return (told for made in self.stories for told in made.told)

    def tell(self, desk: MonthDesk) -> None:
        """Put all events straight on the topics, and let the consumer take them in."""
        desk.publish(self.told(), but=self.key.unposted)
        for at, journal_id, amount_minor in self.key.unexplained:
            desk.post_unexplained(at, journal_id, amount_minor)
        desk.consume()

    def live(self, desk: MonthDesk, report: Callable[[str], None] = lambda _: None) -> Score:
        """Through the month, stop by stop, and once over everything at the end."""
        score, first, started = Score(), START.date(), time.monotonic()
        self.tell(desk)
        report(f"events told and heard after {time.monotonic() - started:.1f} s")
        for day in self.plan.stops:
            desk.clock.at = end_of(day)
            desk.take_in(self.world.files(first, day))
            desk.announce()
            desk.match()
            score.hold(self.key.answers(day), desk.breaks())
            decide(desk, [late for late in self.late if self.key.found_on[late.object_id] == day])
            first = day + timedelta(days=1)
            report(f"{day}: matched and held to the key after {time.monotonic() - started:.1f} s")
        desk.match(RunKind.FULL)
        score.hold(self.key.answers(self.plan.stops[-1]), desk.breaks())
        report(f"matched in full after {time.monotonic() - started:.1f} s")
        return score
