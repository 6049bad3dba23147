"""Reminders of invoices that are overdue, on the days of their brand (INV-6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from django.db.models import F, Q, QuerySet

from accounts.models import Account, Brand, days_of
from accounts.trail import Actor, record
from billing.dunning.telling import tell_reminder
from billing.models import Collection, Invoice, InvoiceKind, InvoiceState
from billing.models.payments import LIVE
from billing.payments.due import by_due_day, chase_of, due_invoices, latest_date
from billing.payments.settling import open_books

TASK: Final = "dunning"


def remind_due(at: datetime) -> int:
    """Send the reminders whose day it is by the accounts' own dates; returns to how many accounts.

    One message tells of all that is overdue. Each day of the brand's is reminded of once for an invoice; of
    those that were missed only the latest is. Accounts that finance holds, and those with a payment on its way,
    are left for later.
    """
    return sum(remind(account, at) for account in _to_be_reminded(at))


def remind(account: Account, at: datetime) -> bool:
    """Send an account the reminder that is due; whether one was. Looked at under its lock: others may be at it."""
    with open_books(account):
        account = Account.objects.select_related("brand").get(pk=account.pk)
        today, days = account.local_date(at), days_of(account.brand.reminder_days)
        if is_held(account, today):
            return False
        late = overdue(account, today)
        reached = {invoice: stage_of(invoice, days, today) for invoice in late}
        if not any(_is_new(invoice, stage) for invoice, stage in reached.items()):
            return False
        for invoice, stage in reached.items():
            if stage:
                chase = chase_of(invoice)
                chase.reminded_days, chase.reminded_on = stage, today
                chase.save()
        tell_reminder(account, late, suspends_on(account, late, today), at)
        numbers = ", ".join(str(invoice) for invoice in late[:5])
        record(
            account,
            "remind-of-invoices",
            late[0],
            f"Reminded of {len(late)} overdue invoice{'' if len(late) == 1 else 's'}: {numbers} (INV-6)",
            actor=Actor.for_task(TASK),
            at=at,
            after={"invoices": len(late), "days": (today - late[0].due_on).days},
        )
    return True


def overdue(account: Account, today: date) -> list[Invoice]:
    """What is overdue on the account's own day, the oldest first, each with its chase. One query."""
    return due_invoices(account, today - timedelta(days=1))


def stage_of(invoice: Invoice, days: Sequence[int], today: date) -> int:
    """The last of the brand's days that an overdue invoice has come to; 0 before the first."""
    return max((day for day in days if invoice.due_on + timedelta(days=day) <= today), default=0)


def next_stage(invoice: Invoice, days: Sequence[int]) -> date | None:
    """The day of the invoice's next reminder, which may have passed; None after the last."""
    last = chase_of(invoice).reminded_days or 0
    return min((invoice.due_on + timedelta(days=day) for day in days if day > last), default=None)


def suspends_on(account: Account, late: Sequence[Invoice], today: date) -> date | None:
    """The day on which the account is suspended for what is overdue, tomorrow at the earliest.

    None where its brand suspends nobody, or it is suspended already.
    """
    after = account.brand.suspend_after_days
    if after is None or account.is_suspended or not late:
        return None
    return max(late[0].due_on + timedelta(days=after), today + timedelta(days=1))


def is_held(account: Account, today: date) -> bool:
    """Whether nothing is done by itself now: finance holds it, or a payment is on its way."""
    until = account.dunning_held_until
    if until is not None and today < until:
        return True
    return Collection.objects.filter(account=account, state__in=LIVE).exists()


def late_invoices(brand: Brand, latest: date) -> QuerySet[Invoice]:
    """What is or may be overdue of a brand's accounts by a day, those left out that finance holds beyond it."""
    return Invoice.objects.filter(
        Q(account__dunning_held_until=None) | Q(account__dunning_held_until__lte=latest),
        brand=brand,
        state=InvoiceState.ISSUED,
        due_on__lt=latest,
        total__gt=F("settled"),
        account__is_simulation=False,
    ).exclude(kind=InvoiceKind.CREDIT_NOTE)


def _to_be_reminded(at: datetime) -> Iterator[Account]:
    latest = latest_date(at)
    for brand in Brand.objects.exclude(reminder_days=""):
        days = days_of(brand.reminder_days)
        wanted = Q(pk=None)
        for day in days:
            not_yet = Q(chase=None) | Q(chase__reminded_days=None) | Q(chase__reminded_days__lt=day)
            wanted |= Q(due_on__lte=latest - timedelta(days=day)) & not_yet
        for invoice in by_due_day(late_invoices(brand, latest).filter(wanted)):
            if _is_new(invoice, stage_of(invoice, days, invoice.account.local_date(at))):
                yield invoice.account


def _is_new(invoice: Invoice, stage: int) -> bool:
    """Whether the invoice has come to a day that nobody was reminded of."""
    return stage > (chase_of(invoice).reminded_days or 0)
