"""What happens to plans by themselves: they renew, end, and are tried to be paid (PLN-2, PLN-4).

What is due is told by rows. The trigger writes down what is to be paid and ends what is over, each with its
own date however late it fires (BIL-8); `collect_renewals` asks the saved cards, outside of any transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

from django.db.models import Q

from accounts.models import Account
from accounts.refusals import Refused
from accounts.trail import Actor, record
from billing.engine import cycle_after, cycle_line
from billing.gather import decimals_of
from billing.models import (
    Collection,
    Payment,
    Plan,
    PlanOrder,
    PlanOrderKind,
    PlanOrderState,
    PlanState,
)
from billing.models.payments import LIVE
from billing.payments.collecting import begin_collection, drive
from billing.payments.methods import default_method
from billing.payments.settling import Received, amount_words, open_books
from billing.plans.changes import end_plan
from billing.plans.deals import open_order
from billing.plans.orders import cancel_order, due_now, note_decline, pay_order, pay_with_credit
from billing.plans.telling import NO_CARD, Ending

TASK: Final = "plan-renewals"


def renew_due(at: datetime, *, until: Mapping[int, date] | None = None) -> int:
    """Renew or end what is due by the accounts' own dates of `at`, or up to a day of some; a trigger of billing."""
    latest = (at.astimezone(UTC) + timedelta(hours=14)).date()
    due = Plan.objects.filter(
        Q(state=PlanState.ACTIVE, cycle_ends_on__lte=latest)
        | Q(state=PlanState.TRY, trial_ends_on__lte=latest)
    )
    if until is not None:
        due = due.filter(account__any_of=list(until))
    # Seldom true: without the joined columns the question costs a third.
    if not due.exists():
        return 0
    moved = 0
    for plan in due.select_related("account__brand").order_by("account_id"):
        today = plan.account.local_date(at) if until is None else until[plan.account_id]
        with open_books(plan.account):
            while _step(plan.account, today, at):
                moved += 1
    return moved


def _step(account: Account, today: date, at: datetime) -> bool:
    """Do one thing that is due on a plan; False where nothing more is."""
    plan = Plan.objects.select_for_update().get(account=account)
    plan.account = account
    actor = Actor.for_task(TASK)
    if plan.state == PlanState.TRY and plan.trial_ends_on is not None and plan.trial_ends_on <= today:
        end_plan(plan, plan.trial_ends_on, Ending.TRIAL_OVER, actor=actor, at=at)
        return True
    if plan.state != PlanState.ACTIVE or plan.cycle_ends_on is None or plan.cycle_ends_on > today:
        return False
    if plan.unsubscribed_on is not None:
        end_plan(plan, plan.cycle_ends_on, Ending.UNSUBSCRIBED, actor=actor, at=at)
        return True
    waiting = open_order(account)
    if waiting is not None and waiting.kind != PlanOrderKind.RENEWAL:
        if Collection.objects.filter(plan_order=waiting, state__in=LIVE).exists():
            return False  # its payment comes first
        cancel_order(waiting, actor=actor, at=at)
        waiting = None
    if waiting is not None:
        return False
    order = _renewal(plan, today, actor, at)
    if account.is_simulation:
        received = Received(Payment.Kind.SIMULATED, order.amount, order.on)
        pay_order(order, received, actor=actor, at=at)
        return True
    return pay_with_credit(order, actor=actor, at=at)


def _renewal(plan: Plan, today: date, actor: Actor, at: datetime) -> PlanOrder:
    """What is to be paid for the cycle that follows."""
    if plan.anchor_on is None or plan.cycle_ends_on is None:
        raise ValueError("an active plan has a cycle")
    account, terms = plan.account, plan.next_terms
    cycle = cycle_after(plan.anchor_on, plan.months_done + plan.months, terms.months)
    line = cycle_line(terms, cycle, decimals_of(account.currency))
    order = PlanOrder.objects.create(
        account=account,
        kind=PlanOrderKind.RENEWAL,
        product_id=terms.product,
        quantity=terms.quantity,
        unit_price=terms.unit_price,
        months=terms.months,
        discount=terms.discount,
        on=cycle.start,
        starts_on=cycle.start,
        ends_on=cycle.end,
        of_days=cycle.days,
        amount=line.amount,
        rule=line.rule,
        why=line.why,
        placed_by=actor.label,
        placed_at=at,
        next_try_on=today,
    )
    record(
        account,
        "place-plan-order",
        order,
        f"Renewal of the plan due on {cycle.start:%b %-d, %Y}: {amount_words(order.amount, account.currency)}",
        actor=actor,
        at=at,
        after={"package": order.product_id, "quantity": order.quantity, "months": order.months},
    )
    return order


def collect_renewals(clock: Callable[[], datetime]) -> int:
    """Ask the saved cards for the renewals whose day it is; returns how many were asked for.

    Call it outside of a transaction. One that is declined is tried again on its days.
    """
    asked: set[int] = set()
    while waiting := [order for order in _to_be_tried(clock()) if order.pk not in asked]:
        for order in waiting:
            asked.add(order.pk)
            _collect(order, clock)
            # What was missed comes one cycle after the other (BIL-8).
            at = clock()
            renew_due(at, until={order.account_id: order.account.local_date(at)})
    return len(asked)


def _to_be_tried(at: datetime) -> list[PlanOrder]:
    """The renewals that are to be tried by now, in each account's own time zone."""
    latest = (at.astimezone(UTC) + timedelta(hours=14)).date()
    waiting = PlanOrder.objects.filter(
        state=PlanOrderState.OPEN, kind=PlanOrderKind.RENEWAL, next_try_on__lte=latest
    ).select_related("account__brand", "product")
    return [
        order
        for order in waiting.order_by("id")
        if order.next_try_on is not None and order.next_try_on <= order.account.local_date(at)
    ]


def _collect(order: PlanOrder, clock: Callable[[], datetime]) -> None:
    at, actor = clock(), Actor.for_task(TASK)
    if pay_with_credit(order, actor=actor, at=at):
        return
    method = default_method(order.account)
    if method is None:
        note_decline(order, NO_CARD, actor=actor, at=at)
        return
    try:
        collection = begin_collection(
            order.account,
            due_now(order, at),
            method,
            plan_order=order,
            off_session=True,
            actor=actor,
            at=at,
        )
    except Refused:
        return  # it has been paid, or the card removed, since it was looked up: the next time says how it stands
    drive(collection, actor=actor, clock=clock)
