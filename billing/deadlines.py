"""Warnings before a subscription ends and those on it lose access (SUB-8)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.urls import reverse

from accounts.mail import admins_of, panel_url, queue_mail
from accounts.trail import Actor, record
from billing.access import people_on
from billing.models import Subscription

TASK: Final = "subscription-warnings"
WARNINGS: Final = (30, 14, 7, 1)
"""So many days before the end of a subscription a warning goes out."""
_ANYWHERE: Final = timedelta(days=1)
"""No place is further than this from the date in UTC."""


def warn_of_ends(at: datetime) -> int:
    """Warn whoever's subscription ends 30, 14, 7 and 1 days before; returns how many were warned of.

    Each warning goes out once. Of those that were missed only the nearest goes out, with the days that are
    left in truth, and none on the day itself. Where the end has moved away, they begin anew.
    """
    today = at.date()
    ending = Subscription.objects.filter(
        starts_on__lte=today + _ANYWHERE,
        ends_on__gte=today - _ANYWHERE,
        ends_on__lte=today + timedelta(days=max(WARNINGS)) + _ANYWHERE,
        tenancy__account__is_simulation=False,
    ).select_related("tenancy__account")
    return sum(
        _warn(subscription.pk, at)
        for subscription in ending.order_by("pk")
        if warning_of(subscription, at) is not None
    )


def warning_of(subscription: Subscription, at: datetime) -> int | None:
    """The warning that is due at the instant `at`, as one of WARNINGS, or None.

    A short term has no warnings for days before it began.
    """
    today = subscription.account.local_date(at)
    left = (subscription.ends_on - today).days
    term = (subscription.ends_on - subscription.starts_on).days
    reached = [days for days in WARNINGS if left <= days <= term]
    if left < 1 or subscription.starts_on > today or not reached:
        return None
    nearest, last = min(reached), subscription.warned_days
    # After a warning fewer days are left than it said, unless the end has moved.
    return nearest if last is None or nearest < last or left > last else None


def _warn(pk: int, at: datetime) -> bool:
    """Write one warning, its mail and its trail; looked at again under a lock, since others may be at it."""
    actor = Actor.for_task(TASK)
    with transaction.atomic():
        subscription = (
            Subscription.objects.select_for_update(of=("self",))
            .select_related("tenancy__account__brand")
            .get(pk=pk)
        )
        warning = warning_of(subscription, at)
        if warning is None:
            return False
        subscription.warned_days = warning
        subscription.save(update_fields=["warned_days"])
        account = subscription.account
        left = (subscription.ends_on - account.local_date(at)).days
        people = Subscription.objects.annotate(people=people_on()).values_list("people", flat=True).get(pk=pk)
        page = reverse("billing:subscription-people", kwargs={"account": account.slug, "pk": pk})
        queue_mail(
            account,
            "subscription-ending",
            [*admins_of(account), subscription.billing_contact],
            {
                "subscription": subscription.name,
                "ends_on": subscription.ends_on,
                "days_left": left,
                "people": people,
                "url": panel_url(page),
            },
            at=at,
        )
        record(
            account,
            "warn-of-end",
            subscription,
            f"Warned that subscription {subscription} ends on {subscription.ends_on:%B %-d, %Y}, "
            f"in {left} day{'' if left == 1 else 's'} (SUB-8)",
            actor=actor,
            at=at,
            after={"ends_on": subscription.ends_on, "days_left": left, "people": people, "rule": "SUB-8"},
        )
    return True
