"""What is written to an account about its plan: paid, renewed, not paid, ended, a trial that ends (PLN-2, PLN-4).

Each message is written in the transaction of what it tells of, so it goes out once, and only if that happened.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

from django.urls import reverse

from accounts.mail import billing_contacts_of, panel_url, queue_mail
from accounts.models import Account
from billing.models import Plan, PlanOrder, PlanOrderKind

NO_CARD: Final = "No card is saved."
"""Why a renewal is not paid where there is nothing to ask."""


class Ending(StrEnum):
    """Why a plan ends."""

    UNPAID = "unpaid"
    TRIAL_OVER = "trial"
    UNSUBSCRIBED = "unsubscribed"


def plan_url(account: Account) -> str:
    """The page on which an account sees and pays its plan, as a link for a mail."""
    return panel_url(reverse("billing:plans", kwargs={"account": account.slug}))


def tell_paid(order: PlanOrder, plan: Plan, at: datetime) -> None:
    """The receipt of what was paid for a plan, with its invoice, and the day of the next payment."""
    account = order.account
    number = "" if order.invoice is None else order.invoice.number
    page = {"account": account.slug, "number": number}
    facts = {
        **_of_order(order),
        "is_change": order.kind == PlanOrderKind.CHANGE,
        "months": order.months,
        "paid_to": plan.cycle_ends_on,
        "renews_on": None if plan.unsubscribed_on else plan.cycle_ends_on,
        "number": number,
        "url": panel_url(reverse("billing:invoice", kwargs=page)) if number else plan_url(account),
    }
    kind = "plan-renewed" if order.kind == PlanOrderKind.RENEWAL else "plan-registered"
    queue_mail(account, kind, billing_contacts_of(account), facts, at=at)


def tell_unpaid(order: PlanOrder, reason: str, last_try_on: date, at: datetime) -> None:
    """A renewal could not be collected: why, when it is tried next, and when the plan ends without it."""
    account = order.account
    last = order.collections.order_by("-pk").first() if reason != NO_CARD else None
    facts = {
        **_of_order(order),
        "code": "no_card" if reason == NO_CARD else "" if last is None else last.failure_code,
        "reason": reason,
        "due_on": order.starts_on,
        "next_try_on": order.next_try_on,
        "last_try_on": last_try_on,
        "url": panel_url(reverse("billing:plan-order", kwargs={"account": account.slug, "key": order.key})),
    }
    queue_mail(account, "plan-payment-failed", billing_contacts_of(account), facts, at=at)


def tell_ended(plan: Plan, why: Ending, at: datetime) -> None:
    """The plan cannot be used any more: why, since when, and that nothing is lost."""
    facts = {
        "package": plan.product.name,
        "quantity": plan.quantity,
        "why": why.value,
        "ended_on": plan.ended_on,
        "url": plan_url(plan.account),
    }
    queue_mail(plan.account, "plan-ended", billing_contacts_of(plan.account), facts, at=at)


def tell_trial_ending(plan: Plan, days_left: int, at: datetime) -> None:
    """A trial ends in some days, and what it costs to go on."""
    facts = {
        "package": plan.product.name,
        "quantity": plan.quantity,
        "ends_on": plan.trial_ends_on,
        "days_left": days_left,
        "amount": plan.terms.total,
        "currency": plan.account.currency,
        "url": plan_url(plan.account),
    }
    queue_mail(plan.account, "trial-ending", billing_contacts_of(plan.account), facts, at=at)


def _of_order(order: PlanOrder) -> dict[str, Any]:
    return {
        "package": order.product.name,
        "quantity": order.quantity,
        "amount": order.amount,
        "currency": order.account.currency,
    }
