"""One transaction of this service: attempts counted, decisions written together and announced at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa

from services.risk.adapters.attempts import StoredAttempts
from services.risk.adapters.decisions import StoredDecisions
from services.risk.adapters.publishing import TOPIC, risk_decided
from services.risk.adapters.rule_sets import RulesInMemory, StoredRuleSets
from services.risk.app.ports import Batch
from shared.kernel.ids import Ids
from shared.kernel.operators import OperatorAct
from shared.messaging.operator_acts import announce
from shared.persistence.outbox import Outbox
from shared.persistence.unit_of_work import UnitOfWork
from shared.runtime.metric_names import RISK_DECISIONS
from shared.runtime.metrics import counter


class RiskUnitOfWork(UnitOfWork):
    """The base unit of work with this service's repositories."""

    def __init__(
        self, connection: sa.Connection, outbox: Outbox, now: datetime, ids: Ids, memory: RulesInMemory
    ) -> None:
        super().__init__(connection, outbox, now, ids)
        self.rule_sets = StoredRuleSets(connection, now, memory)
        self.attempts = StoredAttempts(connection)
        self.decisions = StoredDecisions(connection)
        self.batch: Batch | None = None
        self._decided: Counter[str] = Counter()

    def announce(self, act: OperatorAct) -> None:
        """Say what an operator did, on the rule set's own stream."""
        announce(self.outbox, TOPIC, act, self.now)

    def flush(self) -> None:
        for decision in self.decisions.flush():
            payment_id = decision.attempt.payment_id
            self._decided[decision.judgement.verdict.value] += 1
            self.outbox.append(
                TOPIC,
                risk_decided(decision),
                key=payment_id,
                cause_id=decision.cause_event_id,
                subject=payment_id,
            )

    def committed(self) -> None:
        for verdict, decisions in self._decided.items():
            counter(RISK_DECISIONS, verdict, amount=decisions)


def unit_of_work_builder(
    memory: RulesInMemory,
) -> Callable[[sa.Connection, Outbox, datetime, Ids], RiskUnitOfWork]:
    """The maker of units of work that share the parsed rules."""

    def build(connection: sa.Connection, outbox: Outbox, now: datetime, ids: Ids) -> RiskUnitOfWork:
        return RiskUnitOfWork(connection, outbox, now, ids, memory)

    return build
