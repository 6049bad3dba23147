"""An account that owes, its people, and what beat does on its days."""

from __future__ import annotations

from datetime import date, datetime, time

import pytest

from accounts.models import Account, AuditEntry, OutgoingMail, Role
from billing.dunning.reminding import remind_due
from billing.dunning.suspending import suspend_due
from billing.licences import add_licences
from billing.models import Collection, Invoice
from billing.payments.due import collect_due
from tests import factories
from tests.billing.world import an_account, bill, invoices_of, on, price, product


@pytest.fixture
def account(db: None) -> Account:
    """Northwind: 185.00 of January 15 is due on January 29; reminders after 3, 10 and 20 days, suspended after 30.

    An owner, an admin, somebody for billing and somebody who looks.
    """
    price("uc-licence", "31.00")
    brand = factories.BrandFactory(
        invoice_prefix="CP",
        reminder_days="3, 10, 20",
        suspend_after_days=30,
        bank_details="Bank of Boston\nAccount 12-34",
    )
    account = an_account(slug="northwind", name="Northwind", brand=brand)
    for role in Role:
        factories.member(account, role, email=f"{role}@northwind.example")
    add_licences(account, product("uc-licence"), 5, **on(account, "01-02"))
    bill(account, "01-15")
    return account


@pytest.fixture
def invoice(account: Account) -> Invoice:
    """CP-000001: 185.00, due on January 29."""
    return invoices_of(account)[0]


def noon(account: Account, day: str) -> datetime:
    """Noon of a day of the account's own, as 01-29 of 2026."""
    return datetime.combine(date.fromisoformat(f"2026-{day}"), time(12), tzinfo=account.zone)


def collected(account: Account, day: str) -> int:
    """How many cards are asked on a day, as beat's task does at noon."""
    return collect_due(lambda: noon(account, day))


def dun(account: Account, day: str) -> tuple[int, int]:
    """How many accounts are reminded and suspended on a day, as beat's task does at noon."""
    at = noon(account, day)
    return remind_due(at), suspend_due(at)


def goes() -> list[tuple[str, str, str]]:
    """The collections: day in New York, amount, state."""
    return [
        (f"{each.began_at:%m-%d}", f"{each.amount:.2f}", str(each.state))
        for each in Collection.objects.order_by("pk")
    ]


def mails(kind: str) -> list[OutgoingMail]:
    """The messages of a kind, in their order."""
    return list(OutgoingMail.objects.filter(kind=kind).order_by("pk"))


def told(kind: str) -> list[str]:
    """The days on which a kind of message was written, each once however many people got it."""
    days = OutgoingMail.objects.filter(kind=kind).order_by("pk").values_list("created_at", flat=True)
    return list(dict.fromkeys(f"{at:%m-%d}" for at in days))


def trail(action: str) -> list[AuditEntry]:
    """The entries of an action, in their order."""
    return list(AuditEntry.objects.filter(action=action).order_by("pk"))
