"""Warnings before a contact center goes live by itself (ONB-9)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

from django.db import transaction

from accounts.trail import Actor, record
from telephony.mail import announce
from telephony.models import ContactCenter, OnboardingState
from telephony.onboarding import RULE, activates_on

TASK: Final = "activation-warnings"
WARNINGS: Final = (14, 7, 1)
"""So many days before automatic activation a warning goes out."""


def warn_due(at: datetime) -> int:
    """Warn whoever's contact center will go live by itself 14, 7 and 1 days before; returns how many were warned.

    Each warning goes out once. Of those that were missed only the nearest goes out, with the days that are
    left in truth, and none on the day itself. Where the brand has moved the day away, they begin anew.
    """
    waiting = ContactCenter.objects.filter(
        state=OnboardingState.ONBOARDING,
        account__is_simulation=False,
        account__brand__auto_activate_after_days__isnull=False,
    ).select_related("account__brand")
    warned = 0
    for contact_center in waiting.order_by("pk"):
        if warning_of(contact_center, at) is not None:
            warned += _warn(contact_center.pk, at)
    return warned


def days_left(contact_center: ContactCenter, on: date) -> int | None:
    """How many days are left on a day until it goes live by itself, or None where it does not."""
    due = activates_on(contact_center)
    return None if due is None else (due - on).days


def is_near(contact_center: ContactCenter, on: date) -> bool:
    """Whether it goes live by itself so soon that pages warn of it, from the day of the first warning (ONB-9)."""
    left = days_left(contact_center, on)
    return left is not None and left <= max(WARNINGS)


def warning_of(contact_center: ContactCenter, at: datetime) -> int | None:
    """The warning that is due at the instant `at`, as one of WARNINGS, or None."""
    left = days_left(contact_center, contact_center.account.local_date(at))
    if left is None:
        return None
    reached = [days for days in WARNINGS if left <= days]
    if left < 1 or not reached:
        return None
    nearest, last = min(reached), contact_center.warned_days
    # After a warning fewer days are left than it said, unless the day has moved.
    return nearest if last is None or nearest < last or left > last else None


def _warn(pk: int, at: datetime) -> bool:
    """Write one warning, its mail and its trail; looked at again under a lock, since others may be at it."""
    actor = Actor.for_task(TASK)
    with transaction.atomic():
        contact_center = (
            ContactCenter.objects.select_for_update(of=("self",))
            .select_related("account__brand", "service")
            .get(pk=pk)
        )
        warning, due = warning_of(contact_center, at), activates_on(contact_center)
        if warning is None or due is None:
            return False
        contact_center.warned_days = warning
        contact_center.save(update_fields=["warned_days"])
        left = (due - contact_center.account.local_date(at)).days
        record(
            contact_center.account,
            "warn-of-activation",
            contact_center,
            f"Warned that {contact_center} goes live by itself on {due:%B %-d, %Y}, "
            f"in {left} day{'' if left == 1 else 's'} ({RULE})",
            actor=actor,
            at=at,
            after={"activates_on": due, "days_left": left, "rule": RULE},
        )
        announce(contact_center, "warned", actor, at)
    return True
