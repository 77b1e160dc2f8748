"""Returns that reconciliation asked for, by one proposal each, and that it may want no more: both words, in any order.

What arrived at a processor cannot be called back: it runs on, and whoever withdrew it is told so. What is in doubt is
sent no more, and told by how it ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from services.payment.domain.operations import OperationState


class AskedState(StrEnum):
    """What a proposal came to here."""

    #: An operation of ours gives the money back, or tried to.
    ASKED = "ASKED"
    REFUSED = "REFUSED"
    #: It is wanted no more, and began nothing: nothing is asked for by it from now on.
    WITHDRAWN = "WITHDRAWN"
    #: It is wanted no more, and had begun an operation by then.
    STOPPED = "STOPPED"


class Word(StrEnum):
    """What reconciliation says of one proposal."""

    PROPOSED = "proposed"
    WITHDRAWN = "withdrawn"


class Step(StrEnum):
    """What a word leads to."""

    #: Ask for the return by the rules for every return.
    ASK = "ask"
    #: Have the operation dropped, if it still can be.
    STOP = "stop"
    #: Answer that nothing is given back by it.
    REFUSE = "refuse"
    #: It was said before.
    NOTHING = "nothing"


_A, _W, _S = AskedState, Word, Step
#: By what is known of the proposal, None where nothing is: every pair is here, as both words may come in any order.
STEPS: Final[Mapping[tuple[AskedState | None, Word], Step]] = {
    (None, _W.PROPOSED): _S.ASK,
    (_A.ASKED, _W.PROPOSED): _S.NOTHING,
    (_A.REFUSED, _W.PROPOSED): _S.NOTHING,
    (_A.WITHDRAWN, _W.PROPOSED): _S.REFUSE,
    (_A.STOPPED, _W.PROPOSED): _S.NOTHING,
    (None, _W.WITHDRAWN): _S.REFUSE,
    (_A.ASKED, _W.WITHDRAWN): _S.STOP,
    (_A.REFUSED, _W.WITHDRAWN): _S.REFUSE,
    (_A.WITHDRAWN, _W.WITHDRAWN): _S.NOTHING,
    (_A.STOPPED, _W.WITHDRAWN): _S.NOTHING,
}
#: What a withdrawal makes of a proposal; the database holds the same pairs in ``refuse_asked_return_step``.
WHEN_WITHDRAWN: Final[Mapping[AskedState | None, AskedState]] = {
    None: _A.WITHDRAWN,
    _A.ASKED: _A.STOPPED,
    _A.REFUSED: _A.WITHDRAWN,
}


class Stop(StrEnum):
    """What can be done about an operation that is wanted no more."""

    #: Nothing is known to have arrived: the processor's service drops it, or tells how it ended as of every return.
    DROP = "drop"
    #: It arrived, is done, or nobody sends it again; what becomes of it is told as of every return.
    TOO_LATE = "too_late"
    #: It came to nothing by itself.
    OVER = "over"


_O = OperationState
STOPS: Final[Mapping[OperationState, Stop]] = {
    _O.REQUESTED: Stop.DROP,
    _O.SENT: Stop.DROP,
    _O.PENDING: Stop.TOO_LATE,
    _O.UNCERTAIN: Stop.DROP,
    _O.IN_REVIEW: Stop.TOO_LATE,
    _O.SUCCEEDED: Stop.TOO_LATE,
    _O.DECLINED: Stop.OVER,
    _O.ABANDONED: Stop.OVER,
    _O.FAILED_LATER: Stop.OVER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedReturn:
    """What one proposal came to."""

    proposal_event_id: str
    payment_id: str
    state: AskedState
    operation_id: str | None
    """The operation that it began; kept also once it is withdrawn."""
