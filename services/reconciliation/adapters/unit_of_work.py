"""One transaction of this service."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from services.reconciliation.adapters.allocating import Allocator
from services.reconciliation.adapters.announcing import SqlAnnouncing
from services.reconciliation.adapters.break_adjustments import StoredBreakAdjustments
from services.reconciliation.adapters.daily_runs import StoredDays
from services.reconciliation.adapters.files import StoredFiles
from services.reconciliation.adapters.finding_breaks import BreakFinder
from services.reconciliation.adapters.hand_matches import StoredHandMatches
from services.reconciliation.adapters.many_breaks import StoredManyBreaks
from services.reconciliation.adapters.matching import Matcher
from services.reconciliation.adapters.our_items import StoredOurSide
from services.reconciliation.adapters.periods import StoredPeriods
from services.reconciliation.adapters.preferences import StoredPreferences
from services.reconciliation.adapters.publishing import TOPIC, line_told
from services.reconciliation.adapters.resolution_answers import StoredAnswers
from services.reconciliation.adapters.returning import StoredReturns
from services.reconciliation.adapters.runs import StoredDue, StoredRuns
from services.reconciliation.adapters.sources import StoredSources
from services.reconciliation.adapters.staging import SqlStaging
from services.reconciliation.adapters.telling_matches import MatchTeller
from services.reconciliation.adapters.telling_objects import ObjectTeller
from services.reconciliation.adapters.terms import StoredTerms
from services.reconciliation.domain.announcing import UntoldLine
from shared.kernel.ids import Ids
from shared.kernel.operators import OperatorAct
from shared.messaging.operator_acts import announce
from shared.persistence.outbox import Outbox
from shared.persistence.unit_of_work import UnitOfWork


class ReconciliationUnitOfWork(UnitOfWork):
    """The base unit of work with this service's repositories."""

    def __init__(self, connection: sa.Connection, outbox: Outbox, now: datetime, ids: Ids) -> None:
        super().__init__(connection, outbox, now, ids)
        self.sources = StoredSources(connection, now)
        self.our_side = StoredOurSide(connection)
        self.answers = StoredAnswers(connection)
        self.matching = Matcher(connection)
        self.allocating = Allocator(connection, outbox, now)
        self.finding = BreakFinder(connection, now)
        self.breaks = StoredManyBreaks(connection, now)
        self.runs = StoredRuns(connection)
        self.due = StoredDue(connection, now)
        self.periods = StoredPeriods(connection, now)
        self.days = StoredDays(connection, now)
        self.telling = MatchTeller(connection, outbox, now)
        self.terms = StoredTerms(connection, now)
        self.hand_matches = StoredHandMatches(connection, now)
        self.reporting = ObjectTeller(connection, outbox, now)
        self.returns = StoredReturns(connection, outbox, now)
        self.break_adjustments = StoredBreakAdjustments(connection, outbox, now)
        self.files = StoredFiles(connection, now)
        self.staging = SqlStaging(connection, now)
        self.preferences = StoredPreferences(connection, now)
        self.announcing = SqlAnnouncing(connection, now)

    def announce(self, act: OperatorAct) -> None:
        """Say what an operator did, on the stream of what it was done to."""
        announce(self.outbox, TOPIC, act, self.now)

    def tell(self, line: UntoldLine) -> str:
        """Tell of a line on its own stream, caused by the file that says so; returns the event's id."""
        return self.outbox.append(TOPIC, line_told(line), key=line.event_key, cause_id=line.file_id)

    def flush(self) -> None:
        self.our_side.flush()
        self.answers.flush()
