"""Warnings before a trial ends, 7, 3 and 1 days before; the end itself is one of the renewals' triggers (PLN-2)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

from django.db.models import F, Q

from accounts.trail import Actor, record
from billing.models import Plan, PlanState
from billing.payments.settling import open_books
from billing.plans.telling import tell_trial_ending

TASK: Final = "trial-warnings"
WARNINGS: Final = (7, 3, 1)
"""So many days before the end of a trial a warning goes out."""
_ANYWHERE: Final = timedelta(days=1)
"""No place is further than this from the date in UTC."""


def warn_of_trials(at: datetime) -> int:
    """Warn whose trial ends in 7, 3 or 1 days; returns how many were warned.

    Each warning goes out once. Of those that were missed only the nearest does, with the days that are left in
    truth, and none on the day itself. Who has unsubscribed knows.
    """
    today = at.date()
    ending = Plan.objects.filter(
        Q(warned_days=None) | Q(warned_days__gt=min(WARNINGS)),
        state=PlanState.TRY,
        trial_ends_on__gte=today - _ANYWHERE,
        trial_ends_on__lte=today + timedelta(days=max(WARNINGS)) + _ANYWHERE,
        unsubscribed_on=None,
        account__is_simulation=False,
    ).select_related("account__brand", "product")
    due = [plan for plan in ending.order_by("trial_ends_on", F("account_id").asc()) if warning_of(plan, at)]
    return sum(_warn(plan, at) for plan in due)


def warning_of(plan: Plan, at: datetime) -> int | None:
    """The warning that is due at the instant `at`, as one of WARNINGS, or None.

    A short trial has no warnings for days before it began.
    """
    if plan.trial_ends_on is None or plan.state != PlanState.TRY or plan.unsubscribed_on is not None:
        return None
    left = days_left(plan.trial_ends_on, plan.account.local_date(at))
    term = plan.account.brand.trial_days or left
    reached = [days for days in WARNINGS if left <= days < term]
    if left < 1 or not reached:
        return None
    nearest = min(reached)
    return nearest if plan.warned_days is None or nearest < plan.warned_days else None


def days_left(ends_on: date, today: date) -> int:
    """How many days a trial lasts still, today among them."""
    return (ends_on - today).days


def _warn(plan: Plan, at: datetime) -> bool:
    """Write one warning, its mail and its trail; looked at again under the lock, since others may be at it."""
    account = plan.account
    with open_books(account):
        found = Plan.objects.select_related("product").get(account=account)
        found.account = account
        warning = warning_of(found, at)
        if warning is None or found.trial_ends_on is None:
            return False
        found.warned_days = warning
        found.save(update_fields=["warned_days"])
        left = days_left(found.trial_ends_on, account.local_date(at))
        tell_trial_ending(found, left, at)
        record(
            account,
            "warn-of-trial",
            found,
            f"Warned that the trial ends on {found.trial_ends_on:%B %-d, %Y}, "
            f"in {left} day{'' if left == 1 else 's'} (PLN-2)",
            actor=Actor.for_task(TASK),
            at=at,
            after={"ends_on": found.trial_ends_on, "days_left": left},
        )
    return True
