"""Opens accounts: the account, and its place in the billing calendar."""

from __future__ import annotations

from datetime import date, datetime, time

from django.db import transaction
from django.utils.text import slugify

from accounts.models import Account, Brand
from accounts.refusals import Refused
from accounts.trail import Actor, record
from billing.engine import next_bdom
from billing.models import BillingSchedule

# Words that addresses of the panel use in the place of an account.
RESERVED_SLUGS = frozenset({"new", "all", "none"})


def start_of_day(account: Account, on: date) -> datetime:
    """The instant at which the account's own day `on` begins."""
    return datetime.combine(on, time.min, tzinfo=account.zone)


def open_account(
    brand: Brand,
    name: str,
    *,
    actor: Actor,
    at: datetime,
    bdom: int | None = None,
    slug: str = "",
    currency: str = "USD",
    timezone: str = "America/New_York",
    language: str = "en-us",
    opened_on: date | None = None,
    is_simulation: bool = False,
    billing_name: str = "",
    billing_address: str = "",
) -> Account:
    """A new account with its billing schedule; the first BDOM is the first after its opening.

    `bdom` is the day of the opening unless it is given. `opened_on` is in the account's own
    time zone, today unless given. Raises Refused where the address is taken, and ValidationError
    for a currency, time zone or BDOM that there is not.
    """
    account = Account(
        brand=brand,
        name=name.strip(),
        slug=slug or slugify(name)[:60] or "account",
        currency=currency,
        timezone=timezone,
        language=language,
        is_simulation=is_simulation,
        billing_name=billing_name,
        billing_address=billing_address,
    )
    account.clean_fields(exclude=["bdom", "opened_on", "brand"])
    account.opened_on = opened_on or account.local_date(at)
    account.bdom = account.opened_on.day if bdom is None else bdom
    account.clean_fields()
    if account.slug in RESERVED_SLUGS or Account.objects.filter(slug=account.slug).exists():
        raise Refused(f"The address “{account.slug}” is taken. Choose another.", rule="ACC-1", field="slug")
    with transaction.atomic():
        account.save()
        first = next_bdom(account.bdom, account.opened_on)
        BillingSchedule.objects.create(
            account=account, next_bdom_on=first, next_run_at=start_of_day(account, first)
        )
        record(
            account,
            "open-account",
            account,
            f"Account opened, billed on day {account.bdom} of the month",
            actor=actor,
            at=at,
            after={"bdom": account.bdom, "currency": currency, "timezone": timezone},
        )
    return account
