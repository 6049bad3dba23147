"""The way through onboarding: what is left to set up, and activation by age (ONB-2, ONB-9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db.models import Exists, F, OuterRef, QuerySet

from accounts.models import Account
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.models import Charge, Family, LicenceAssignment
from telephony.contact_center import ACTIVE, STORAGE, activate, contact_center_of
from telephony.models import ContactCenter, Number, NumberState, OnboardingState

TASK = "auto-activation"
RULE = "ONB-9"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to set up before going live."""

    key: str
    label: str
    is_done: bool


def progress(account: str, service: str) -> dict[str, Exists]:
    """What `steps` needs to know, as annotations of a query in which these fields name account and service."""
    items = Charge.objects.filter(account=OuterRef(account), ended_on=None, subscription=None)
    assigned = LicenceAssignment.objects.filter(
        account=OuterRef(account), unassigned_on=None, product__family=Family.CONTACT_CENTER
    )
    numbers = Number.objects.filter(service=OuterRef(service), state=NumberState.ASSIGNED)
    return {
        "has_users": Exists(assigned),
        "has_numbers": Exists(numbers),
        "has_channels": Exists(items.filter(product__code__startswith="cc-channel-")),
        "has_storage": Exists(items.filter(product__in=STORAGE)),
        "has_package": Exists(items.filter(product__family=Family.PACKAGE)),
    }


def with_progress(contact_centers: QuerySet[ContactCenter]) -> QuerySet[ContactCenter]:
    """The contact centers with what `steps` needs to know of each, in the same query."""
    return contact_centers.annotate(**progress("account", "service"))


def steps(contact_center: ContactCenter) -> list[Step]:
    """The set-up checklist of a contact center that came from `with_progress`."""
    known = contact_center.__dict__
    return [
        Step("users", "Assign Contact Center to users", known["has_users"]),
        Step("numbers", "Assign phone numbers", known["has_numbers"]),
        Step("channels", "Enable channels", known["has_channels"]),
        Step("recording", "Choose recording storage", known["has_storage"]),
        Step(
            "toll-free",
            "Choose a toll-free package",
            known["has_package"] or contact_center.toll_free_chosen_on is not None,
        ),
        Step("test-call", "Confirm a test call", contact_center.test_call_on is not None),
    ]


def day_of(contact_center: ContactCenter, on: date) -> int:
    """Which day of its onboarding a day is, as banner and queue count: 1 is the day of installation (ONB-2)."""
    return (on - contact_center.installed_on).days + 1


def activates_on(contact_center: ContactCenter) -> date | None:
    """The day on which it goes live by itself, or None where its brand lets it be (ONB-9)."""
    brand = contact_center.account.brand
    if not contact_center.is_onboarding or brand.auto_activate_after_days is None:
        return None
    due = contact_center.installed_on + timedelta(days=brand.auto_activate_after_days)
    return due if brand.auto_activate_from is None else max(due, brand.auto_activate_from)


def activation_ahead(account: Account) -> dict[str, date]:
    """The day on which an account's contact center will be active if nobody does anything (BIL-10, ONB-9)."""
    if account.brand.auto_activate_after_days is None:
        return {}
    contact_center = contact_center_of(account)
    due = None if contact_center is None else activates_on(contact_center)
    return {} if due is None else {ACTIVE: due}


def activate_due(at: datetime, *, until: Mapping[int, date] | None = None) -> int:
    """Activate what has come to its brand's age, on the day that was due (ONB-9). A billing trigger."""
    waiting = ContactCenter.objects.filter(
        state=OnboardingState.ONBOARDING, account__brand__auto_activate_after_days__isnull=False
    ).select_related("account__brand", "service")
    if until is not None:
        waiting = waiting.filter(account__any_of=list(until))
    else:
        # No zone is more than 14 hours ahead of UTC.
        waiting = waiting.filter(installed_on__lt=(at.astimezone(UTC) + timedelta(hours=14)).date())
    # Asked before every action and seldom true: without the joined columns the question costs a third.
    if not waiting.exists():
        return 0
    activated = 0
    for contact_center in waiting.order_by(F("account_id").asc()):
        account = contact_center.account
        latest = account.local_date(at) if until is None else until[account.pk]
        due = activates_on(contact_center)
        if due is None or due > latest:
            continue
        days = account.brand.auto_activate_after_days
        try:
            activate(
                contact_center,
                reason=f"{days} days in onboarding",
                actor=Actor.for_task(TASK),
                at=at,
                on=due,
                rule=RULE,
            )
        except Refused:
            # Somebody was quicker by a moment; the others are as due as before.
            continue
        activated += 1
    return activated
