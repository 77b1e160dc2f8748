"""Two books and the archive between them: what was told, what people did by hand, and all that must be the same."""

from __future__ import annotations

import itertools

from services.ledger.adapters.accounts import AccountDirectory
from services.ledger.adapters.clearing import SqlClearing
from services.ledger.adapters.publishing import TOPIC
from services.ledger.adapters.rebuilding import RebuildParts
from services.ledger.adapters.restoring import CONSUMER, restore_decisions
from services.ledger.adapters.restoring_closes import restore_closes
from services.ledger.adapters.taking_over import take_over_told
from services.ledger.adapters.told_journals import differences
from services.ledger.adapters.unit_of_work import unit_of_work_builder
from services.ledger.app.adjust_books import propose_reversal, reject_adjustment
from services.ledger.app.clearing import ClearingWanted
from services.ledger.entrypoints.consumer import ROUTES, RULES_OF_TOPICS
from services.ledger.tests import report
from services.ledger.tests.db import adjusting
from services.ledger.tests.db.adjusting import ADA, AVAILABLE, BOB, MERCHANT, approve, propose
from services.ledger.tests.db.conftest import HANDLERS, Ledger
from services.ledger.tests.db.test_asked_adjustments import asked
from shared.kernel.clock import SystemClock
from shared.kernel.errors import Rejected
from shared.kernel.ids import UlidIds
from shared.kernel.jitter import Jitter
from shared.kernel.operators import Actor
from shared.messaging.consumer import ConsumerLoop
from shared.messaging.envelope import LIVE_TOPIC, REFILL_MARKER, write_headers
from shared.messaging.memory import MemoryBroker
from shared.messaging.refill import RefillWriter
from shared.messaging.topics import create_refill_topic, refill_topic
from shared.persistence.engine import make_engine
from shared.persistence.unit_of_work import Transactions

CAROL = Actor(name="carol", role="approver")
PARTITIONS = 3
_ASKS = itertools.count(1)
"""Books are not emptied between examples, so no name comes again."""

#: Everything that a journal says, but positions.
JOURNALS = """
SELECT j.journal_id, j.rule, j.fact_key, j.cause_event_id, j.cause_event_type, CASE j.rule WHEN 'imported' THEN '' ELSE j.subject END,
       j.payment_id, j.merchant_id, j.currency, j.amount_minor, j.from_party, j.to_party, r.journal_id,
       j.effective_at, l.told_effective_at,
       (SELECT array_agg(ROW(e.line, a.family, a.owner, e.side, e.amount_minor, e.currency, e.clearing_key)::text
               ORDER BY e.line)
          FROM entries e JOIN accounts a USING (account_id) WHERE e.journal_position = j.position)
  FROM journals j LEFT JOIN journals r ON r.position = j.reverses_position
  LEFT JOIN late_journals l ON l.journal_position = j.position
 ORDER BY j.journal_id
"""
DECIDED = """
SELECT adjustment_id, template, parameters::text, amount_minor, currency, reason, attachment, reverses_adjustment_id, state,
       asked_event_id, proposed_by, proposed_at, decided_by, decided_at, decision_reason, journal_id
  FROM adjustments WHERE state <> 'PROPOSED' ORDER BY adjustment_id
"""
#: By whom, when and why, of what was decided; the new chain has other seals.
CLOSES = """
SELECT c.period, c.starts_at, c.ends_at, c.closed_at, p.* FROM period_closes p LEFT JOIN closed_periods c USING (close_id)
 WHERE p.state <> 'PROPOSED' ORDER BY p.close_id
"""
MATCHES = "SELECT line_key, revision, number, clearing_key, payment_id FROM line_matches ORDER BY 1, 2, 3"
#: All that others can have heard: the same events in the same places, but acts of rebuilding.
TOLD = """
SELECT key, stream_version, event_id, event_type, event_time, source, cause_id, convert_from(payload, 'UTF8') FROM outbox
 WHERE topic = 'ledger.events' AND key <> 'books' AND key NOT LIKE 'imp\\_%' ORDER BY key, stream_version
"""
ANSWERS = """
SELECT event_id, key, stream_version, cause_id, convert_from(payload, 'UTF8') FROM outbox
 WHERE event_type = 'AdjustmentAnswered.v1' ORDER BY key, stream_version
"""
GUARDS = """
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'adjustments'::regclass AND NOT tgisinternal ORDER BY tgname
"""
SAME = {"journals": JOURNALS, "decided": DECIDED, "matches": MATCHES, "closes": CLOSES, "told": TOLD}


class Books(Ledger):
    """Books with what their owner does to them."""

    def __init__(self, urls):
        self.owner = make_engine(urls.owner, application_name="owner-test", pool_size=2)
        self.relay = make_engine(urls.relay, application_name="relay-test", pool_size=2)
        super().__init__(make_engine(urls.app, application_name="ledger-test", pool_size=4))

    @property
    def owners(self):
        """Transactions of the tables' owner, in a process of their own."""
        return self._made(self.owner)

    def _made(self, engine):
        return Transactions(
            engine,
            unit_of_work_builder(AccountDirectory()),
            source="/tieout/ledger",
            clock=SystemClock(),
            ids=UlidIds(),
        )

    def dispose(self):
        self.relay.dispose()
        self.owner.dispose()
        self.engine.dispose()

    def archive(self, folder):
        """A broker that holds the refill of what these books told."""
        broker = MemoryBroker()
        broker.ensure_topic(TOPIC, partitions=PARTITIONS, settings={})
        RefillWriter(self.owner, broker, folder).write(TOPIC, "ledger")
        return broker

    def restore(self, archive):
        """What these books told, and what people decided by it; as `ledger rebuild` begins."""
        self.take_over(archive)
        return restore_decisions(archive, self.owners)

    def take_over(self, archive, transactions=None):
        """What these books told, and a new process, which has not asked yet whether anything was."""
        taken = take_over_told(archive, refill_topic(TOPIC, CONSUMER), transactions or self.owners)
        self.transactions = self._made(self.engine)
        return taken

    def close_again(self, archive):
        """The months that these books had closed; as `ledger rebuild` ends."""
        found = self.owners.read(lambda uow: differences(uow.connection), name="test")
        return restore_closes(archive, self.transactions, found.since)

    def hear(self, events):
        """The same events again, as the consumer hands them over."""

        def work(uow):
            ROUTES.prepare(events, uow)
            for event in events:
                HANDLERS[event.event_type](event, uow)

        self.transactions.run(work, name="test")

    def everything(self):
        """What must be the same in both."""
        found = {name: self.rows(query) for name, query in SAME.items()}
        found["balances"] = self.balances()
        found["open"] = sorted(
            (key.family, key.owner, key.currency, key.clearing_key, key.balance_minor)
            for key in SqlClearing(self.engine).open_keys(ClearingWanted(limit=10_000))
        )
        return found


class Told:
    """Events by their streams: order is kept within each, and nowhere else."""

    def __init__(self, books):
        self.books = books
        self.streams = {}

    def tell(self, stream, payload):
        self.together([(stream, payload)])

    def together(self, payloads, time=None):
        """In one batch."""
        events = self.books.tell(*(payload for _, payload in payloads), time=time)
        for (stream, _), event in zip(payloads, events, strict=True):
            self.streams.setdefault(stream, []).append(event)

    def shuffled(self, chance):
        """All of them in another order that the consumer allows, some of them again."""
        streams = [list(events) for events in self.streams.values()]
        heard = []
        while streams:
            stream = chance.choice(streams)
            heard.append(stream.pop(0))
            if chance.random() < 0.2:
                heard.append(chance.choice(heard))
            streams = [each for each in streams if each]
        while heard:
            size = chance.randint(1, 25)
            yield heard[:size]
            heard = heard[size:]


class People:
    """What people do to the books by hand, drawn from numbers."""

    def __init__(self, books, told):
        self.books, self.told = books, told
        self.approved = []

    def act(self, choice, amount):
        moves = [
            self._credit,
            self._credit,
            self._pay_out,
            self._debit,
            self._reject,
            self._asked,
            self._leave,
        ]
        moves += [self._reverse] if self.approved else []
        try:
            moves[choice % len(moves)](choice, amount)
        except Rejected as refused:
            if refused.code not in ("floor_reached", "clearing_key_not_open"):
                raise

    def _approve(self, adjustment_id, actor=BOB):
        approve(self.books, adjustment_id, actor)
        self.approved.append(adjustment_id)

    def _credit(self, _choice, amount):
        self._approve(propose(self.books, "merchant_credit", amount, merchant_id=MERCHANT))

    def _debit(self, _choice, amount):
        self._approve(propose(self.books, "merchant_debit", amount, merchant_id=MERCHANT))

    def _pay_out(self, _choice, amount):
        available = self.books.balances().get(AVAILABLE, 0)
        self._approve(adjusting.pay_out(self.books, available if 0 < available < amount else amount))

    def _reject(self, _choice, amount):
        made = propose(self.books, "merchant_credit", amount, merchant_id=MERCHANT)
        self.books.transactions.run(lambda uow: reject_adjustment(made, "no", ADA, uow), name="test")

    def _leave(self, _choice, amount):
        propose(self.books, "merchant_credit", amount, merchant_id=MERCHANT)

    def _asked(self, choice, amount):
        """By reconciliation; decided here, left open, or what no template takes."""
        name = f"asked-{next(_ASKS)}"
        if choice % 4 == 3:
            self.told.tell(name, asked(template="no_such"))
            return
        line_id = f"{name}-line"
        self.told.tell(line_id, report.accepted(line_id, "other", amount))
        self.told.tell(name, asked(amount_minor=amount, clearing_key=report.line_key(line_id)))
        made = "adj_" + self.told.streams[name][0].event_id.removeprefix("evt_")
        if choice % 3 == 0:
            self._approve(made, CAROL)
        elif choice % 3 == 1:
            self.books.transactions.run(lambda uow: reject_adjustment(made, "no", ADA, uow), name="test")

    def _reverse(self, choice, _amount):
        original = self.approved.pop(choice % len(self.approved))
        made = self.books.transactions.run(
            lambda uow: propose_reversal(original, "a mistake", "ticket 2", ADA, uow), name="test"
        )
        approve(self.books, made.adjustment_id)


def refill(stream, topic):
    """As the owner of the topic writes it: everything that was told, and a marker in each partition."""
    broker = stream.broker
    target = create_refill_topic(broker, topic, CONSUMER, len(broker.offsets(topic)))
    producer = broker.make_producer()
    sent = {"on_delivery": lambda _: None}
    for row in stream.sent:
        if row["topic"] == topic:
            headers = [*write_headers(row), (LIVE_TOPIC, topic.encode())]
            producer.produce(target, key=row["key"].encode(), value=row["payload"], headers=headers, **sent)
    for at in broker.offsets(target):
        marker = [(REFILL_MARKER, topic.encode())]
        producer.produce(target, key=b"marker", value=b"", headers=marker, partition=at.number, **sent)
    assert producer.flush(30) == 0
    producer.close()


def rebuild_parts(books, broker):
    """What `ledger rebuild` works with at these books."""
    loops = [
        ConsumerLoop(broker, books.transactions, ROUTES, clock=SystemClock(), jitter=Jitter(), topics=[topic])
        for topic in RULES_OF_TOPICS
    ]
    return RebuildParts(broker=broker, loops=loops, app=books.transactions, owner=books.owners)
