"""Suspends accounts whose invoices stay overdue, and lifts that (INV-6).

A suspended account's panel can be looked at, and its invoices paid; nothing else is changed in it by its members
or partners. Nothing of it is deleted, and billing goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final

from accounts.models import Account, Brand, days_of
from accounts.refusals import Refused
from accounts.trail import Actor, record
from billing.dunning.reminding import TASK, is_held, late_invoices, overdue
from billing.dunning.telling import tell_restored, tell_suspended
from billing.models import Invoice
from billing.payments.due import by_due_day, chase_of, latest_date
from billing.payments.settling import open_books

RULE: Final = "INV-6"
MOST_HELD: Final = timedelta(days=366)
"""Finance does not hold an account for longer at a time."""


def suspend_due(at: datetime) -> int:
    """Suspend the accounts whose brand's days have passed since an invoice was due; returns how many."""
    latest = latest_date(at)
    suspended = 0
    for brand in Brand.objects.filter(suspend_after_days__isnull=False):
        after = timedelta(days=brand.suspend_after_days or 0)
        late = late_invoices(brand, latest).filter(due_on__lte=latest - after, account__suspended_on=None)
        for invoice in by_due_day(late):
            suspended += suspend_if_late(invoice.account, at)
    return suspended


def suspend_if_late(account: Account, at: datetime) -> bool:
    """Suspend an account if its time has come; whether it was. Looked at under its lock: a payment may be in.

    Nobody is suspended on the day of a first reminder, nor before one where the brand sends reminders earlier:
    after an outage the reminder comes first.
    """
    with open_books(account):
        found = _locked(account)
        after, today = found.brand.suspend_after_days, found.local_date(at)
        if after is None or found.is_suspended or is_held(found, today):
            return False
        late = overdue(found, today)
        if not late or late[0].due_on + timedelta(days=after) > today:
            return False
        if not _was_reminded(late[0], found.brand, today):
            return False
        _suspend(found, f"Invoice {late[0]} is overdue.", late, Actor.for_task(TASK), at)
    return True


def suspend(account: Account, *, reason: str, actor: Actor, at: datetime) -> None:
    """Suspend an account by hand, for a reason that its members read. Only finance lifts it again.

    One that is suspended already stays so, for this reason from now on. Raises Refused without a reason.
    """
    reason = _checked(reason)
    with open_books(account):
        found = _locked(account)
        _suspend(found, reason, overdue(account, account.local_date(at)), actor, at, by_hand=True)


def lift(account: Account, *, reason: str, hold_until: date | None, actor: Actor, at: datetime) -> None:
    """Lift a suspension by hand. While invoices are overdue, `hold_until` says until when that is let be.

    Raises Refused where the account is not suspended, or it would be suspended again at once.
    """
    reason = _checked(reason)
    today = account.local_date(at)
    with open_books(account):
        found = _locked(account)
        if not found.is_suspended:
            raise Refused("This account is not suspended any more. Nothing was changed.", rule=RULE)
        if hold_until is None and overdue(found, today) and found.brand.suspend_after_days is not None:
            raise Refused(
                "Invoices are overdue, so it would be suspended again. Say until when that is let be.",
                rule=RULE,
                field="until",
            )
        if hold_until is not None:
            _hold(found, hold_until, today)
        _lift(found, f"by hand: {reason}", actor, at)


def hold(account: Account, until: date | None, *, reason: str, actor: Actor, at: datetime) -> None:
    """Send no reminder and suspend nothing by itself before the account's own day `until`; None: no longer.

    A suspension that there is stays. Raises Refused for a day that is over, or more than a year away.
    """
    reason = _checked(reason)
    with open_books(account):
        found = _locked(account)
        before = found.dunning_held_until
        if until is None:
            found.dunning_held_until = None
        else:
            _hold(found, until, account.local_date(at))
        found.save(update_fields=["dunning_held_until"])
        what = "not held any more" if until is None else f"held until {until:%b %-d, %Y}"
        record(
            found,
            "hold-dunning",
            found,
            f"Reminders and suspension {what}: {reason}",
            actor=actor,
            at=at,
            before={"held_until": before},
            after={"held_until": until, "reason": reason},
        )


def lift_if_paid(account: Account, actor: Actor, at: datetime) -> None:
    """Lift the suspension of an account that owes nothing overdue any more, in the payment's own transaction.

    What finance suspended by hand stays. Called by the books whenever less may be owed, under the account's lock.
    """
    found = Account.objects.filter(pk=account.pk, suspended_on__isnull=False, suspended_by_hand=False).first()
    if found is not None and not overdue(found, found.local_date(at)):
        _lift(_locked(found), "nothing is overdue any more", actor, at)


def _locked(account: Account) -> Account:
    return Account.objects.select_for_update(of=("self",)).select_related("brand").get(pk=account.pk)


def _was_reminded(invoice: Invoice, brand: Brand, today: date) -> bool:
    after = brand.suspend_after_days
    if after is None or not any(day < after for day in days_of(brand.reminder_days)):
        return True
    reminded_on = chase_of(invoice).reminded_on
    return reminded_on is not None and reminded_on < today


def _suspend(
    found: Account, reason: str, late: Sequence[Invoice], actor: Actor, at: datetime, *, by_hand: bool = False
) -> None:
    is_new = not found.is_suspended
    found.suspended_on = found.suspended_on or found.local_date(at)
    found.suspended_because, found.suspended_by_hand = reason, by_hand
    found.save(update_fields=["suspended_on", "suspended_because", "suspended_by_hand"])
    record(
        found,
        "suspend-account",
        found,
        f"Account suspended: {reason} ({RULE})",
        actor=actor,
        at=at,
        after={"suspended_on": found.suspended_on, "reason": reason, "by_hand": by_hand},
    )
    if is_new:
        tell_suspended(found, late, at)


def _lift(found: Account, why: str, actor: Actor, at: datetime) -> None:
    before = {"suspended_on": found.suspended_on, "reason": found.suspended_because}
    found.suspended_on, found.suspended_because, found.suspended_by_hand = None, "", False
    found.save(update_fields=["suspended_on", "suspended_because", "suspended_by_hand", "dunning_held_until"])
    record(
        found,
        "lift-suspension",
        found,
        f"Suspension lifted, {why}",
        actor=actor,
        at=at,
        before=before,
        after={"suspended_on": None},
    )
    tell_restored(found, at)


def _hold(found: Account, until: date, today: date) -> None:
    if until <= today:
        raise Refused("Choose a day that is still to come.", rule=RULE, field="until")
    if until > today + MOST_HELD:
        raise Refused("Choose a day within a year.", rule=RULE, field="until")
    found.dunning_held_until = until


def _checked(reason: str) -> str:
    reason = " ".join(reason.split())[:200]
    if not reason:
        raise Refused("Say why.", rule=RULE, field="reason")
    return reason
