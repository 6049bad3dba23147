"""The banner of a suspended account and finance's page of who owes, as a browser shows them (INV-6)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account, User
from accounts.permissions import FINANCE
from billing.models import Invoice
from tests import factories
from tests.browsing import barriers
from tests.dunning.conftest import dun

pytestmark = pytest.mark.django_db(transaction=True)

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
CUSTOMER = ("/a/northwind/", "/a/northwind/licences/", "/a/northwind/licences/add/")
STAFF = ("/finance/dunning/", "/finance/dunning/northwind/", "/finance/dunning/northwind/lift/")


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 390)])
def test_keeps_nobody_out(
    account: Account,
    invoice: Invoice,
    page: Page,
    panel: LiveServer,
    context: BrowserContext,
    sign_in: Callable[[User], None],
    theme: str,
    width: int,
) -> None:
    """axe finds nothing, nothing is wider than the screen, and the banner's button is to be seen."""
    for day in ("02-01", "02-08", "02-18", "02-28"):
        dun(account, day)
    context.add_cookies([{"name": "theme", "value": theme, "url": panel.url}])
    page.set_viewport_size({"width": width, "height": 900})
    owner = User.objects.get(email="owner@northwind.example")
    for user, paths in ((owner, CUSTOMER), (factories.staff(FINANCE), STAFF)):
        sign_in(user)
        for path in paths:
            page.goto(panel.url + path)
            assert barriers(page) == [], path
            assert page.evaluate(OVERFLOW) <= 0, path
            if user == owner:
                assert page.locator(".suspended-action").is_visible()
