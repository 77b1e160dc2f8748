"""The table of sabotage: every protection that can be taken out, in the order of a payment's way."""

from typing import Final

from tools.sabotage.case import Case
from tools.sabotage.cases.adapters import ADAPTERS
from tools.sabotage.cases.adjusting import ADJUSTING
from tools.sabotage.cases.agreeing import AGREEING
from tools.sabotage.cases.answering import ANSWERING
from tools.sabotage.cases.asking import ASKING
from tools.sabotage.cases.auditing import AUDITING
from tools.sabotage.cases.bank import BANK
from tools.sabotage.cases.books import BOOKS
from tools.sabotage.cases.bounding import BOUNDING
from tools.sabotage.cases.by_hand import BY_HAND
from tools.sabotage.cases.calling import CALLING
from tools.sabotage.cases.closed_months import CLOSED_MONTHS
from tools.sabotage.cases.closing import CLOSING
from tools.sabotage.cases.consuming import CONSUMING
from tools.sabotage.cases.correcting import CORRECTING
from tools.sabotage.cases.deciding import DECIDING
from tools.sabotage.cases.edge import EDGE
from tools.sabotage.cases.evidence import EVIDENCE
from tools.sabotage.cases.exchanging import EXCHANGING
from tools.sabotage.cases.files_in_doubt import FILES_IN_DOUBT
from tools.sabotage.cases.growing import GROWING
from tools.sabotage.cases.guessing import GUESSING
from tools.sabotage.cases.importing import IMPORTING
from tools.sabotage.cases.looking import LOOKING
from tools.sabotage.cases.matching import MATCHING
from tools.sabotage.cases.months import MONTHS
from tools.sabotage.cases.noting import NOTING
from tools.sabotage.cases.payments import PAYMENTS
from tools.sabotage.cases.people import PEOPLE
from tools.sabotage.cases.policy import POLICY
from tools.sabotage.cases.preferring import PREFERRING
from tools.sabotage.cases.publishing import PUBLISHING
from tools.sabotage.cases.rates import RATES
from tools.sabotage.cases.reading import READING
from tools.sabotage.cases.rebuilding import REBUILDING
from tools.sabotage.cases.rebuilding_months import REBUILDING_MONTHS
from tools.sabotage.cases.reports import REPORTS
from tools.sabotage.cases.risk import RISK
from tools.sabotage.cases.scales import SCALES
from tools.sabotage.cases.settlement import SETTLEMENT
from tools.sabotage.cases.settling import SETTLING
from tools.sabotage.cases.strays import STRAYS
from tools.sabotage.cases.terminal import TERMINAL
from tools.sabotage.cases.verifying import VERIFYING
from tools.sabotage.cases.waiting_for_risk import WAITING_FOR_RISK
from tools.sabotage.cases.waking import WAKING
from tools.sabotage.cases.what_changed import WHAT_CHANGED
from tools.sabotage.cases.withdrawn_returns import WITHDRAWN_RETURNS

CASES: Final[tuple[Case, ...]] = (
    *EDGE,
    *PAYMENTS,
    *GUESSING,
    *STRAYS,
    *WAKING,
    *CALLING,
    *LOOKING,
    *ADAPTERS,
    *PEOPLE,
    *TERMINAL,
    *ASKING,
    *POLICY,
    *RISK,
    *WAITING_FOR_RISK,
    *PUBLISHING,
    *CONSUMING,
    *BOOKS,
    *ADJUSTING,
    *BOUNDING,
    *CLOSING,
    *NOTING,
    *VERIFYING,
    *SCALES,
    *RATES,
    *GROWING,
    *IMPORTING,
    *REBUILDING,
    *REBUILDING_MONTHS,
    *SETTLEMENT,
    *SETTLING,
    *REPORTS,
    *READING,
    *BANK,
    *MATCHING,
    *WHAT_CHANGED,
    *MONTHS,
    *EXCHANGING,
    *FILES_IN_DOUBT,
    *PREFERRING,
    *AGREEING,
    *BY_HAND,
    *CLOSED_MONTHS,
    *EVIDENCE,
    *DECIDING,
    *CORRECTING,
    *ANSWERING,
    *WITHDRAWN_RETURNS,
    *AUDITING,
)
