"""Pages of usage and subscriptions in a browser: nothing keeps anybody out, and nothing is cut off on a phone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account, User
from accounts.permissions import FINANCE
from billing.engine.calendar import months_after
from billing.licences import assign_licence
from billing.models import LicenceMode, Product, Subscription, TelephonyOption, UsageFault, UsageImport
from billing.subscriptions import Terms, add_subscription
from billing.usage import NewUsage, UsageBook
from tests import factories
from tests.browsing import barriers
from tests.factories import TESTS

pytestmark = pytest.mark.django_db(transaction=True)

LOOKS = pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 390)])


@pytest.fixture(autouse=True)
def clock() -> None:
    """The browser's own time: nothing here depends on the day."""


def enter(account: Account, name: str, at: datetime) -> Subscription:
    """A subscription that begins today and has licences and agents."""
    today = account.local_date(at)
    terms = Terms(
        name=name,
        starts_on=today,
        ends_on=months_after(today, 12),
        licence_mode=LicenceMode.CONCURRENT,
        telephony_option=TelephonyOption.VPOP,
        commitments={"agents": 2},
        products={Product.objects.get(pk="cc-pro-licence"): 2},
        department="A department with a name of its own",
    )
    return add_subscription(account, terms, actor=TESTS, at=at)


@pytest.fixture
def subscription(account: Account) -> Subscription:
    """The primary of two, with somebody on it, and usage of every meter but one."""
    at = timezone.now()
    found = enter(account, "Dispatch", at)
    other = enter(account, "Claims and billing", at)
    person = factories.EndUserFactory(account=account, name="Ann Long-Hyphenated-Name")
    assign_licence(person, Product.objects.get(pk="cc-pro-licence"), subscription=found, actor=TESTS, at=at)
    records = [
        NewUsage(account, meter, meter, at, 400, number="+18005550199", peer="+19075550100", holder="Ann")
        for meter in ("domestic-local", "toll-free-inbound", "toll-free-inbound-ak-hi-pr-vi")
    ]
    records += [
        NewUsage(account, f"{meter}-{one.pk}", meter, at, 5, subscription=one.pk)
        for meter in ("agents", "ivr-ports", "connect-messages", "ai-agent")
        for one in (found, other)
    ]
    UsageBook(TESTS, "tests").take(records, at)
    return found


def look(page: Page, address: str, width: int) -> None:
    """Open a page, and see that nobody is kept out and nothing is wider than the screen."""
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(address)
    assert barriers(page) == [], address
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, address


@LOOKS
def test_the_accounts_pages_keep_nobody_out(
    page: Page,
    panel: LiveServer,
    context: BrowserContext,
    account: Account,
    owner: User,
    sign_in: Callable[[User], None],
    subscription: Subscription,
    theme: str,
    width: int,
) -> None:
    sign_in(owner)
    context.add_cookies([{"name": "theme", "value": theme, "url": panel.url}])
    own = f"subscriptions/{subscription.pk}/"
    for path in (
        "usage/",
        *(f"usage/by/{by}/" for by in ("meter", "number", "holder", "subscription", "day")),
        "usage/records/",
        "subscriptions/",
        "subscriptions/overage/",
        "subscriptions/add/",
        *(f"{own}{name}" for name in ("", "buy/", "commitments/", "people/", "end/")),
    ):
        look(page, f"{panel.url}/a/{account.slug}/{path}", width)


@LOOKS
def test_finances_pages_keep_nobody_out(
    page: Page,
    panel: LiveServer,
    context: BrowserContext,
    db: None,
    sign_in: Callable[[User], None],
    theme: str,
    width: int,
) -> None:
    """Names of files and people as long as they come."""
    sign_in(factories.staff(FINANCE, email="somebody.with.a.long.name@provider-of-services.example"))
    context.add_cookies([{"name": "theme", "value": theme, "url": panel.url}])
    now = timezone.now()
    found = UsageImport.objects.create(
        name=f"{'call-records-of-the-northern-region_' * 3}2026-03.csv",
        path="gone",
        size=123_456_789,
        source=UsageImport.Source.UPLOAD,
        state=UsageImport.State.FINISHED,
        by="somebody.with.a.long.name@provider-of-services.example",
        created_at=now,
        started_at=now,
        finished_at=now + timedelta(minutes=3),
        lines_done=1_234_567,
        taken=1_234_000,
        refused=1,
    )
    UsageFault.objects.create(
        usage_import=found, line=7, field="seconds", reason="“x” is not a whole number.", content="x," * 90
    )
    for path in (
        "/staff/usage/",
        f"/staff/usage/{found.pk}/",
        "/staff/usage/new/",
        "/finance/rates/",
        "/finance/rates/international/",
        "/finance/rates/domestic-local/new/",
        "/finance/rate-deck/",
        "/finance/rate-deck/import/",
    ):
        look(page, f"{panel.url}{path}", width)


def test_the_open_tab_is_in_sight_on_a_phone(
    page: Page,
    panel: LiveServer,
    account: Account,
    owner: User,
    sign_in: Callable[[User], None],
    subscription: Subscription,
) -> None:
    sign_in(owner)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{panel.url}/a/{account.slug}/usage/records/")
    expect(page.locator(".tab[aria-current]")).to_be_in_viewport(ratio=1)
