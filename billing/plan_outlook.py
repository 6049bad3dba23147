"""What a plan brings next, for pages that show it beside other things: one question, asked with the schedule's row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db.models import OuterRef, Subquery

from billing.engine import round_half_up
from billing.gather import decimals_of
from billing.models import BillingSchedule, Plan, PlanOrder, PlanOrderKind, PlanOrderState, PlanState

WITH_PLAN: Final = "account__plan__product"
"""What to fetch with a schedule, so that its plan is there."""
_RENEWAL: Final = ("key", "amount", "starts_on", "next_try_on")


@dataclass(frozen=True, slots=True)
class Outlook:
    """A plan as it stands and what comes next. `amount` is that of the payment `on`, None where there will be none.

    `unpaid` is the key of a renewal that waits for its payment. `trial_ends_on` while it is tried, `ends_on`
    where it is paid for and does not renew.
    """

    name: str
    quantity: int
    on: date | None
    amount: Decimal | None
    unpaid: UUID | None
    next_try_on: date | None
    trial_ends_on: date | None
    ends_on: date | None


def with_renewal() -> dict[str, Any]:
    """Annotations of a schedule: the renewal that waits for its payment."""
    waiting = PlanOrder.objects.filter(
        account=OuterRef("account"), state=PlanOrderState.OPEN, kind=PlanOrderKind.RENEWAL
    )
    return {f"renewal_{name}": Subquery(waiting.values(name)[:1]) for name in _RENEWAL}


def outlook_of(schedule: BillingSchedule) -> Outlook | None:
    """What comes next of the plan of a schedule, fetched WITH_PLAN and `with_renewal`; None without a current one."""
    plan: Plan | None = getattr(schedule.account, "plan", None)
    if plan is None or not plan.is_current:
        return None
    asked: Mapping[str, Any] = vars(schedule)
    is_tried = plan.state == PlanState.TRY
    on, amount = asked["renewal_starts_on"], asked["renewal_amount"]
    if on is None and not is_tried and plan.unsubscribed_on is None:
        on = plan.cycle_ends_on
        amount = round_half_up(plan.next_terms.total, decimals_of(schedule.account.currency))
    return Outlook(
        plan.product.name,
        plan.quantity,
        on,
        amount,
        asked["renewal_key"],
        asked["renewal_next_try_on"],
        plan.trial_ends_on if is_tried else None,
        None if is_tried else plan.ends_on,
    )
