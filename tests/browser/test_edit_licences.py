"""SUB-9 as the article tells it: the eight steps to another subscription, with script and without it."""

import re
from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import EndUser, Role
from billing.access import has_access
from billing.licences import assign_licence
from billing.models import LicenceAssignment, Product, Subscription
from tests.billing.subscribed import PRO, subscribe
from tests.browsing import barriers, watch
from tests.factories import PASSWORD, TESTS, AccountFactory, EndUserFactory, member

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def today() -> date:
    """The day of the panel that is served, and of the account, which is in UTC."""
    return timezone.now().date()


@pytest.fixture
def agent(panel: LiveServer, today: date) -> EndUser:
    """Agent 1 is on subscription 1, which ends in ten days, and subscription 2 has been added."""
    now = timezone.now()
    account = AccountFactory(slug="harbor", name="Harbor", timezone="UTC", opened_on=today, at=now)
    member(account, Role.ADMIN, full_name="Customer Admin", email="admin@harbor.example")
    found: EndUser = EndUserFactory(account=account, name="Agent 1", at=now)
    first = subscribe(account, "Subscription 1", today, today + timedelta(days=10), {PRO: 1}, at=now)
    subscribe(account, "Subscription 2", today, today + timedelta(days=400), {PRO: 1}, at=now)
    assign_licence(found, Product.objects.get(pk=PRO), subscription=first, actor=TESTS, at=now)
    return found


@pytest.fixture(params=[True, False], ids=["with script", "without script"])
def visited(request: pytest.FixtureRequest, browser: Browser, panel: LiveServer) -> Iterator[Page]:
    """A page of nobody who is signed in."""
    context = browser.new_context(
        viewport={"width": 1440, "height": 900},
        locale="en-US",
        java_script_enabled=request.param,
        reduced_motion="reduce",
    )
    context.set_default_timeout(15_000)
    page = context.new_page()
    faults = watch(page, panel.url)
    yield page
    if request.param:
        page.emulate_media(color_scheme="dark")
        faults += barriers(page)
    context.close()
    assert not faults, "\n".join(faults)


def test_the_eight_steps(visited: Page, panel: LiveServer, agent: EndUser, today: date) -> None:
    """SUB-8, SUB-9: on the subscription that ends, then on the other; access goes on."""
    page, last = visited, today + timedelta(days=10)
    assert not has_access(agent, PRO, last)

    # 1: sign in.
    page.goto(f"{panel.url}/sign-in/")
    page.get_by_label("E-mail address").fill("admin@harbor.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    # 2: the list of users.
    page.get_by_role("link", name="Users", exact=True).first.click()
    expect(page.get_by_text("Subscription 1 ends in 10 days")).to_be_visible()
    # 3: the user.
    page.get_by_role("link", name="Agent 1").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Agent 1")
    # 4: the tab Overview, the section Licences, Edit licences.
    tabs = page.get_by_role("navigation", name="User")
    expect(tabs.get_by_role("link", name="Overview")).to_have_attribute("aria-current", "page")
    section = page.locator("section, .card").filter(has=page.get_by_role("heading", name="Licences"))
    section.get_by_role("link", name=re.compile("^Edit licences")).first.click()
    # 5: Edit licences once more.
    expect(tabs.get_by_role("link", name="Licences")).to_have_attribute("aria-current", "page")
    page.get_by_role("link", name="Edit licences").click()
    # 6: Contact Center, with all subscriptions.
    services = page.get_by_role("navigation", name="Licensed services")
    services.get_by_role("link", name="Contact Center").click()
    licence = page.get_by_role("group", name="Contact Center Pro licence")
    expect(licence.get_by_role("radio")).to_have_count(3)
    expect(licence.get_by_label("Subscription 1")).to_be_checked()
    # 7: the wanted one.
    licence.get_by_label("Subscription 2").check()
    # 8: Save closes.
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Agent 1")
    expect(page.get_by_text("Subscription Subscription 2", exact=False).first).to_be_visible()

    held = LicenceAssignment.objects.get(end_user=agent, unassigned_on=None)
    assert held.subscription == Subscription.objects.get(name="Subscription 2")
    assert has_access(agent, PRO, last)
