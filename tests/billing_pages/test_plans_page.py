"""The page of plans: the packages, the current one, how it stands, and what needs to be done (PLN-1, PLN-2)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account, Role
from billing.models import Plan, PlanDiscount, Price, Product
from billing.plans.changes import keep, schedule_change, start_trial, unsubscribe
from billing.plans.renewals import collect_renewals, renew_due
from tests.factories import TESTS
from tests.planned import collection_of, give_discounts, order_of, package, registered, save_card

PAGE = "/a/acme/plans/"
DETAILS = "/a/acme/plans/details/"
NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
BY = {"actor": TESTS, "at": NOW}

OpensCheaply = Callable[[Client, str], HttpResponseBase]


def text(client: Client, address: str = PAGE) -> str:
    """A page's words, without markup between them."""
    import re

    content = client.get(address).content.decode()
    main = content[content.index("<main") : content.index("</main>")]
    return " ".join(re.sub(r"<[^>]+>", " ", main).split())


def test_smoke(account: Account, owner_client: Client) -> None:
    give_discounts()
    print(text(owner_client))
    registered(account, at=NOW)
    print(text(owner_client))
    print(text(owner_client, DETAILS))
    print(text(owner_client, "/a/acme/plans/choose/"))
    print(text(owner_client, "/a/acme/plans/choose/?package=plan-contact-center-3&quantity=12&months=12"))
    o = order_of(account, 3, 12, 1, at=NOW)
    print(text(owner_client, f"/a/acme/plans/orders/{o.key}/"))
    assert 0
