"""The arithmetic of billing: dates, proration, drafts. Pure: no framework, no queries, no clock.

Amounts are `Decimal` in one currency, whose number of decimals is passed in. Dates are the
account's own. Every function gives the same answer for the same arguments, which is what makes the
preview, the quote and the invoice one and the same (BIL-10).
"""

from billing.engine.calendar import (
    Period,
    bdom_of,
    cut,
    next_bdom,
    period_containing,
    previous_bdom,
)
from billing.engine.drafting import draft
from billing.engine.facts import (
    AccountTerms,
    BillingFault,
    ChargeFacts,
    Draft,
    Line,
    MissingPrice,
    ProductTerms,
    Section,
)
from billing.engine.plans import PlanTerms, change_line, cycle_after, cycle_line, plan_draft
from billing.engine.proration import minor_unit, prorate, round_half_up, split
from billing.engine.usage import (
    Aggregation,
    Commitment,
    MeterTerms,
    MissingRate,
    PackageFacts,
    Pooling,
    SubscriptionFacts,
    Usage,
    UsageFacts,
)

__all__ = [
    "AccountTerms",
    "Aggregation",
    "BillingFault",
    "ChargeFacts",
    "Commitment",
    "Draft",
    "Line",
    "MeterTerms",
    "MissingPrice",
    "MissingRate",
    "PackageFacts",
    "Period",
    "PlanTerms",
    "Pooling",
    "ProductTerms",
    "Section",
    "SubscriptionFacts",
    "Usage",
    "UsageFacts",
    "bdom_of",
    "change_line",
    "cut",
    "cycle_after",
    "cycle_line",
    "draft",
    "minor_unit",
    "next_bdom",
    "period_containing",
    "plan_draft",
    "previous_bdom",
    "prorate",
    "round_half_up",
    "split",
]
