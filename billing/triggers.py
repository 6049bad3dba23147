"""What is due on a day whether anybody asks or not: charges that begin or end, and what apps add to it.

A trigger that fires late fires for the day that was due (BIL-8).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

from django.db import transaction
from django.db.models import Q

from accounts.models import Account
from accounts.trail import Actor, Change, append, entry_of
from billing.charges import before_actions
from billing.models import BillingSchedule, Charge, ChargeState

BEGIN_TASK = "billing-triggers"
_BATCH = 1000


class Trigger(Protocol):
    """Does what is due at the instant `at`, each thing dated on its own day; returns how many.

    `until` narrows it to some accounts (by id) and to what is due up to a day of each; without it,
    it is for all accounts up to their own date of `at`.
    """

    def __call__(self, at: datetime, *, until: Mapping[int, date] | None = None) -> int: ...


_triggers: list[Trigger] = []


def register_trigger(trigger: Trigger) -> Trigger:
    """Have a trigger fire every hour, before an account's invoice run, and before its actions."""
    if trigger not in _triggers:
        _triggers.append(trigger)
    return trigger


def fire_triggers(at: datetime, *, until: Mapping[int, date] | None = None) -> int:
    """Fire what apps have registered; see `Trigger`."""
    return sum(trigger(at, until=until) for trigger in _triggers)


def _before_an_action(account: Account, today: date, at: datetime) -> None:
    fire_triggers(at, until={account.pk: today})


before_actions(_before_an_action)


def begin_due_charges(at: datetime, *, only: Account | None = None, until: date | None = None) -> int:
    """Move every charge whose day has come: into billing, or to its end. Returns how many.

    The daily trigger of the 7-day licences and the 30-day parked numbers. However late it fires,
    the date is the one that was due (BIL-8). Charges of an account move with its own midnight;
    what is due after `until` is left alone. What apps have registered fires first.
    """
    if only is not None:
        today = only.local_date(at)
        fire_triggers(at, until={only.pk: today if until is None else min(today, until)})
    elif until is None:
        fire_triggers(at)
    # No zone is more than 14 hours ahead of UTC; which of these are due is decided by each zone.
    latest = (at.astimezone(UTC) + timedelta(hours=14)).date()
    if until is not None:
        latest = min(latest, until)
    due = Charge.objects.filter(
        Q(state=ChargeState.WAITING, billing_starts_on__lte=latest)
        | Q(ended_on__lte=latest, state__in=(ChargeState.WAITING, ChargeState.BILLING))
        | Q(term_ends_on__lte=latest, state__in=(ChargeState.WAITING, ChargeState.BILLING))
    ).select_related("account", "product")
    if only is not None:
        due = due.filter(account=only)
    # On most days nothing is: without the joined columns the question costs a third.
    if not due.exists():
        return 0
    moved = 0
    todays: dict[str, date] = {}
    batch: list[Charge] = []
    for charge in due.order_by("account_id", "id").iterator(chunk_size=_BATCH):
        zone = charge.account.timezone
        if zone not in todays:
            todays[zone] = min(charge.account.local_date(at), latest)
        today = todays[zone]
        if _is_due(charge, today):
            batch.append(charge)
        if len(batch) == _BATCH:
            moved += move_due(batch, todays, at)
            batch = []
    return moved + move_due(batch, todays, at)


def _last_day(charge: Charge) -> date | None:
    ends = [end for end in (charge.ended_on, charge.term_ends_on) if end is not None]
    return min(ends) if ends else None


def _is_due(charge: Charge, today: date) -> bool:
    ends_on = _last_day(charge)
    if ends_on is not None and ends_on <= today:
        return True
    starts_on = charge.billing_starts_on
    return charge.state == ChargeState.WAITING and starts_on is not None and starts_on <= today


def move_due(charges: list[Charge], todays: dict[str, date], at: datetime) -> int:
    """Write the moves of charges that are due, and the trail of each, in one transaction.

    A charge that somebody else moved in the meantime is left as it is, and so is an account that an
    action or a run has locked: the next tick finds what is left.
    """
    if not charges:
        return 0
    actor = Actor.for_task(BEGIN_TASK)
    with transaction.atomic():
        # The lock of every ledger, as for actions; who holds one is at work on it, so it is left for later.
        ours = list(
            BillingSchedule.objects.select_for_update(skip_locked=True)
            .filter(account__in={charge.account_id for charge in charges})
            .order_by("account_id")
            .values_list("account_id", flat=True)
        )
        fresh = {
            charge.pk: charge
            for charge in Charge.objects.select_related("account", "product")
            .filter(pk__in=[charge.pk for charge in charges], account__in=ours)
            .order_by("id")
        }
        entries = []
        begun: list[int] = []
        over: list[int] = []
        for charge in fresh.values():
            today = todays[charge.account.timezone]
            if charge.state == ChargeState.ENDED or not _is_due(charge, today):
                continue
            what = f"{charge.quantity} × {charge.product.name}"
            ends_on = _last_day(charge)
            if ends_on is not None and ends_on <= today:
                over.append(charge.pk)
                summary = f"Billing of {what} ended on {ends_on:%b %-d, %Y}"
                change = Change("end-charge", charge, summary, after={"ended_on": ends_on})
            else:
                begun.append(charge.pk)
                starts_on = charge.billing_starts_on
                summary = f"Billing of {what} began on {starts_on:%b %-d, %Y}"
                change = Change("begin-charge", charge, summary, after={"begins_on": starts_on})
            entries.append(entry_of(charge.account, change, actor=actor, at=at))
        Charge.objects.filter(pk__in=begun).update(state=ChargeState.BILLING)
        Charge.objects.filter(pk__in=over).update(state=ChargeState.ENDED)
        append(entries)
    return len(entries)
