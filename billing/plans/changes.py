"""What of a plan changes without a payment: from its renewal on, tried, unsubscribed, kept (PLN-2, PLN-4)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

from accounts.models import Account
from accounts.refusals import Refused
from accounts.trail import Actor, record
from billing.catalogue import sale_price
from billing.charges import open_ledger
from billing.licences import check_quantity
from billing.models import Family, Plan, PlanOrderKind, PlanState, Product
from billing.plans.deals import DealKind, deal_of, discounts_on, open_order, plan_of
from billing.plans.orders import cancel_order, set_next_terms
from billing.plans.telling import Ending, tell_ended

RULE: Final = "PLN-4"

_ENDINGS: Final = {Ending.TRIAL_OVER: "the trial is over", Ending.UNSUBSCRIBED: "unsubscribed"}


def schedule_change(
    account: Account, product: Product, quantity: int, months: int | None, *, actor: Actor, at: datetime
) -> Plan:
    """Have a plan become what was chosen with its renewal; its price is locked now (BIL-6).

    What is there already changes nothing. Raises Refused where the choice has to be paid for now.
    """
    with open_ledger(account, actor=actor, at=at) as ledger:
        plan = _locked(account)
        deal = deal_of(account, product, quantity, months, plan=plan, on=ledger.on)
        if deal.kind is DealKind.NOTHING:
            return plan
        if deal.kind is not DealKind.AT_RENEWAL:
            raise Refused("This is more than the plan has, so it is paid for first.", rule=RULE)
        before = plan.next_terms
        set_next_terms(plan, None if deal.next_terms == plan.terms else deal.next_terms)
        plan.save()
        record(
            account,
            "schedule-plan-change",
            plan,
            f"From {deal.renews_on:%b %-d, %Y} the plan is {deal.next_terms.quantity} × {product.name}",
            actor=actor,
            at=at,
            before=before._asdict(),
            after=deal.next_terms._asdict(),
        )
    return plan


def start_trial(account: Account, product: Product, quantity: int, *, actor: Actor, at: datetime) -> Plan:
    """Try a package for the days that the brand gives; it costs nothing, and becomes inactive without a payment.

    Raises Refused where there are no trials, or the account has or had a plan.
    """
    check_quantity(quantity)
    days = account.brand.trial_days
    if days is None:
        raise Refused("Plans cannot be tried here. Register one.", rule="PLN-2")
    if product.family != Family.PLAN or not product.is_on_sale:
        raise Refused(f"{product.name} is not a package that can be tried.", rule="PLN-1", field="package")
    with open_ledger(account, actor=actor, at=at) as ledger:
        today = ledger.on
        if plan_of(account) is not None:
            raise Refused("A plan can be tried once, before the first is registered.", rule="PLN-2")
        plan = Plan(
            account=account,
            product=product,
            quantity=quantity,
            unit_price=sale_price(product, account, today),
            months=1,
            discount=discounts_on(account, today)[1],
        )
        plan.try_out(today + timedelta(days=days))
        plan.save()
        record(
            account,
            "try-plan",
            plan,
            f"{product.name} for {quantity} accounts tried up to {plan.trial_ends_on:%b %-d, %Y}",
            actor=actor,
            at=at,
            after={"state": plan.state, "trial_ends_on": plan.trial_ends_on},
        )
    return plan


def unsubscribe(account: Account, *, actor: Actor, at: datetime) -> Plan:
    """Let the plan end with what is paid for (PLN-4); what was to change with its renewal is dropped.

    A renewal that waits for its payment is not paid any more: the plan ends now. Asked again it changes
    nothing. Raises Refused where there is no plan, or its payment is on its way.
    """
    with open_ledger(account, actor=actor, at=at) as ledger:
        today = ledger.on
        plan = _locked(account)
        if plan.unsubscribed_on is not None:
            return plan
        waiting = open_order(account)
        if waiting is not None and waiting.kind == PlanOrderKind.RENEWAL:
            cancel_order(waiting, actor=actor, at=at)
        plan.unsubscribed_on = today
        set_next_terms(plan, None)
        if plan.ends_on is not None and plan.ends_on <= today:
            end_plan(plan, plan.ends_on, Ending.UNSUBSCRIBED, actor=actor, at=at)
        plan.save()
        record(
            account,
            "unsubscribe-plan",
            plan,
            f"Plan unsubscribed; it ends on {plan.ends_on:%b %-d, %Y}",
            actor=actor,
            at=at,
            after={"unsubscribed_on": today, "ends_on": plan.ends_on},
        )
    return plan


def keep(account: Account, *, actor: Actor, at: datetime) -> Plan:
    """Take an unsubscription back while the plan lasts: it renews again. Raises Refused where it is over."""
    with open_ledger(account, actor=actor, at=at):
        plan = _locked(account)
        if plan.unsubscribed_on is None:
            return plan
        plan.unsubscribed_on = None
        plan.save()
        record(account, "keep-plan", plan, "Plan kept; it renews again", actor=actor, at=at)
    return plan


def check_none(account: Account) -> None:
    """Raise Refused where there is an active plan: it is changed, not registered again."""
    plan = plan_of(account)
    if plan is not None and plan.state == PlanState.ACTIVE:
        raise Refused(
            f"There is a plan already, {plan.quantity} × {plan.product.name}. Change it instead.",
            rule="PLN-3",
        )


def check_active(account: Account) -> Plan:
    """The active plan. Raises Refused where there is none that could be changed."""
    plan = plan_of(account)
    if plan is None or plan.state != PlanState.ACTIVE:
        raise Refused("There is no active plan. Register one first.", rule="PLN-4")
    return plan


def end_plan(plan: Plan, on: date, why: Ending, *, actor: Actor, at: datetime) -> None:
    """The plan cannot be used from the day `on`. Call it under `open_books`."""
    plan.end(on)
    set_next_terms(plan, None)
    plan.save()
    record(
        plan.account,
        "end-plan",
        plan,
        f"Plan inactive from {on:%b %-d, %Y}: {_ENDINGS[why]}",
        actor=actor,
        at=at,
        after={"state": plan.state, "ended_on": on},
    )
    tell_ended(plan, why, at)


def _locked(account: Account) -> Plan:
    """The plan that is tried or active. Raises Refused where there is none."""
    plan = Plan.objects.select_for_update(of=("self",)).filter(account=account).first()
    if plan is None or not plan.is_current:
        raise Refused("There is no plan. Register one first.", rule=RULE)
    plan.account = account
    return plan
