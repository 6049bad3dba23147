"""Subscriptions in few words, for tests of who has access by which."""

from collections.abc import Mapping
from datetime import date, datetime

from accounts.models import Account
from billing.models import LicenceMode, Offer, Product, Subscription, TelephonyOption
from billing.subscriptions import Terms, add_subscription
from tests.factories import AT, TESTS

PRO = "cc-pro-licence"


def subscribe(
    account: Account,
    name: str,
    starts_on: date,
    ends_on: date,
    products: Mapping[str, int] | None = None,
    at: datetime = AT,
    billing_contact: str = "",
) -> Subscription:
    """A named subscription with so many of each product, by code."""
    terms = Terms(
        name=name,
        starts_on=starts_on,
        ends_on=ends_on,
        licence_mode=LicenceMode.NAMED,
        telephony_option=TelephonyOption.WEBEX_CALLING,
        offer=Offer.FLEX_3,
        products={Product.objects.get(pk=code): units for code, units in (products or {}).items()},
        billing_contact=billing_contact,
    )
    return add_subscription(account, terms, actor=TESTS, at=at)
