"""Routes own which handler gets which event, and refuse to start where they and the topic files disagree."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from schemas import catalogue
from shared.messaging.envelope import Event, split_type
from shared.persistence.unit_of_work import UnitOfWork

U = TypeVar("U", bound=UnitOfWork)
Handler = Callable[[Event, U], None]
Prepare = Callable[[Sequence[Event], U], None]
Decode = Callable[[str, str, bytes], Any]
RouteKey = tuple[str, str, int]

DEFAULT_BATCH_RECORDS: Final = 500
DEFAULT_BATCH_TARGET_MS: Final = 1_000


class RoutesIncomplete(RuntimeError):  # noqa: N818 - a state of the routes
    """A consumer's routes and its topic files do not say the same; the process must not start."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How much one transaction takes. Where batches run over ``target_ms``, the next ones are smaller."""

    max_records: int = DEFAULT_BATCH_RECORDS
    target_ms: int = DEFAULT_BATCH_TARGET_MS


@dataclass(frozen=True, slots=True)
class Routes(Generic[U]):
    """One consumer's handlers. ``prepare`` locks and prefetches a batch's aggregates, in id order."""

    consumer: str
    handlers: Mapping[RouteKey, Handler[U]]
    prepare: Prepare[U] | None = None
    limits: BatchLimits = field(default_factory=BatchLimits)


@dataclass(frozen=True, slots=True)
class Subscription:
    """What one consumer reads: its topics, their ordering, and what it does with each type."""

    consumer: str
    versioned: Mapping[str, bool]
    handled: frozenset[RouteKey]
    ignored: frozenset[RouteKey]
    dead_letter_topics: Mapping[str, str]

    @property
    def topics(self) -> tuple[str, ...]:
        return tuple(sorted(self.versioned))


def declared_subscription(
    consumer: str, topics: Mapping[str, catalogue.Topic] = catalogue.TOPICS
) -> Subscription:
    """Return what the topic files say that a consumer reads."""
    mine = {name: topic for name, topic in topics.items() if consumer in topic.consumers}
    if not mine:
        raise RoutesIncomplete(f"no topic file names the consumer {consumer}")
    return Subscription(
        consumer=consumer,
        versioned={name: topic.versioned for name, topic in mine.items()},
        handled=frozenset(
            (name, *split_type(event_type))
            for name, topic in mine.items()
            for event_type in topic.consumers[consumer].handled
        ),
        ignored=frozenset(
            (name, *split_type(event_type))
            for name, topic in mine.items()
            for event_type in topic.consumers[consumer].ignored
        ),
        dead_letter_topics={
            name: topic.consumers[consumer].dead_letter_topic for name, topic in mine.items()
        },
    )


def check_routes(routes: Routes[U], subscription: Subscription) -> None:
    """Refuse routes that miss a handled type or handle what the topic files do not say."""
    missing = sorted(subscription.handled - routes.handlers.keys())
    surplus = sorted(routes.handlers.keys() - subscription.handled)
    if missing or surplus:
        raise RoutesIncomplete(
            f"{routes.consumer}: handled in schemas/topics but without a handler: {missing or 'none'}; "
            f"with a handler but not declared: {surplus or 'none'}"
        )
