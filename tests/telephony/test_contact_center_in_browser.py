"""A customer's half of the way to going live, as people walk it: install, be stopped, set up, ask (ONB-1 to ONB-7)."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account, User
from telephony.contact_center import activate, contact_center_of, install, request_activation
from telephony.models import Edition
from tests import factories
from tests.browsing import barriers
from tests.factories import AT, TESTS
from tests.telephony.conftest import bought
from tests.telephony.conftest import page as address

pytestmark = pytest.mark.django_db(transaction=True)
NAMES = ("", "-subscription", "-add", "-storage", "-users", "-numbers", "-toll-free")


@pytest.fixture
def panel_page(
    page: Page, panel: LiveServer, owner: User, sign_in: Callable[[User], None]
) -> Callable[[str], Page]:
    """Open an address of the panel as the owner."""
    sign_in(owner)

    def opened(path: str) -> Page:
        page.goto(panel.url + path)
        return page

    return opened


def test_the_way_to_going_live(panel_page: Callable[[str], Page], account: Account) -> None:
    """ONB-1 to ONB-7: until the onboarding team has to do its part, and once it has."""
    for name in ("Dana Whitfield", "Amir Haddad", "Chloe Nguyen"):
        factories.EndUserFactory(account=account, name=name)
    bought(account, "+18005550142")
    shown = panel_page(address("contact-center"))
    banner = shown.get_by_role("complementary", name="Onboarding")
    expect(banner).to_have_count(0)
    shown.get_by_role("link", name="Install Contact Center").click()
    shown.get_by_role("radio", name="Contact Center Pro").check()
    shown.get_by_role("button", name="Install Contact Center").click()
    expect(banner).to_contain_text("0 of 6 steps done")

    tabs = shown.get_by_role("navigation", name="Contact Center")
    be_stopped_at_the_third(shown, tabs)
    set_up(shown, tabs)
    expect(banner).to_contain_text("6 of 6 steps done")

    # Asked for; done by the onboarding team.
    banner.get_by_role("button", name="Ready to go live").click()
    expect(banner).to_contain_text("asked for Mar 2, 2026")
    expect(banner.get_by_role("button")).to_have_count(0)
    installed = contact_center_of(account)
    assert installed is not None
    activate(installed, reason="Set up and tested", actor=TESTS, at=AT)
    tabs.get_by_role("link", name="Subscription").click()
    expect(banner).to_have_count(0)
    shown.get_by_role("link", name="Add licences").click()
    shown.get_by_role("button", name="Add", exact=True).click()
    expect(shown.get_by_role("status").filter(has_text="Added Contact Center Pro licence")).to_be_visible()


def be_stopped_at_the_third(shown: Page, tabs: Locator) -> None:
    """ONB-3: two licences, and not a third."""
    tabs.get_by_role("link", name="Subscription").click()
    shown.get_by_role("link", name="Add licences").click()
    # What is typed before the script has come is not followed.
    shown.wait_for_load_state("networkidle")
    shown.get_by_label("Quantity").fill("2")
    box = shown.locator("#cost-box")
    expect(box).to_contain_text("$158.00")
    expect(box).to_contain_text("when it is activated")
    shown.wait_for_load_state("networkidle")
    shown.get_by_role("button", name="Add", exact=True).click()
    expect(shown.get_by_text("2 of at most 2 in onboarding")).to_be_visible()
    shown.get_by_role("link", name="Add licences").click()
    expect(box).to_contain_text("at most 2 concurrent-user licences in all")
    shown.get_by_role("button", name="Add", exact=True).click()
    expect(shown.get_by_role("alert")).to_contain_text("onboarding@brand.example")


def set_up(shown: Page, tabs: Locator) -> None:
    """ONB-4, ONB-5: all else is without limit, but for the toll-free package."""
    box = shown.locator("#cost-box")
    shown.wait_for_load_state("networkidle")
    shown.get_by_label("What", exact=True).select_option("cc-channel-chat")
    expect(box).to_contain_text("$15.00")
    shown.wait_for_load_state("networkidle")
    shown.get_by_role("button", name="Add", exact=True).click()
    shown.get_by_role("link", name="Choose Recording storage, 100 GB").click()
    shown.get_by_role("button", name="Choose storage").click()
    expect(shown.get_by_role("status").filter(has_text="100 GB is in use")).to_be_visible()
    tabs.get_by_role("link", name="Users").click()
    shown.wait_for_load_state("networkidle")
    shown.get_by_role("checkbox", name="Choose all rows").check()
    shown.get_by_role("button", name="Assign Contact Center").click()
    expect(shown.get_by_role("status").filter(has_text="assigned to 3 users")).to_be_visible()
    tabs.get_by_role("link", name="Phone numbers").click()
    shown.get_by_role("link", name="Assign number").click()
    shown.wait_for_load_state("networkidle")
    shown.get_by_role("radio", name="(800) 555-0142").check()
    expect(box).to_contain_text("Next invoice")
    shown.wait_for_load_state("networkidle")
    shown.get_by_role("button", name="Assign number").click()
    tabs.get_by_role("link", name="Toll-free").click()
    expect(shown.get_by_role("radio", name="500 minutes", exact=True)).to_be_disabled()
    shown.get_by_role("button", name="Keep it").click()
    tabs.get_by_role("link", name="Overview").click()
    shown.get_by_role("button", name="Confirm test call").click()


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out(
    panel_page: Callable[[str], Page],
    account: Account,
    width: int,
    scheme: str,
) -> None:
    """WCAG 2.2 AA, and no page is wider than its window."""
    factories.EndUserFactory(account=account, name="Dana Whitfield")
    installed = install(account, Edition.ELITE, actor=TESTS, at=AT)
    bought(account, "+18005550142", installed.service)
    shown = panel_page(address("contact-center"))
    shown.set_viewport_size({"width": width, "height": 900})
    shown.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    for name in NAMES:
        shown = panel_page(address(f"contact-center{name}"))
        assert not barriers(shown), name
        assert shown.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name


@pytest.mark.parametrize("is_asked_for", [False, True])
def test_banner_is_one_line_on_a_phone(
    panel_page: Callable[[str], Page], account: Account, is_asked_for: bool
) -> None:
    """ONB-2: state, days, progress, limit and the button, without covering what is below."""
    installed = install(account, Edition.PRO, actor=TESTS, at=AT)
    if is_asked_for:
        request_activation(installed, actor=TESTS, at=AT)
    shown = panel_page(address("contact-center"))
    shown.set_viewport_size({"width": 390, "height": 844})
    banner = shown.get_by_role("complementary", name="Onboarding")
    text = banner.locator("p").first
    line = float(text.evaluate("each => parseFloat(getComputedStyle(each).lineHeight)"))
    box, page_box = text.bounding_box(), shown.locator("main").bounding_box()
    whole = banner.bounding_box()
    assert box
    assert page_box
    assert whole
    assert box["height"] < 1.5 * line
    assert whole["y"] + whole["height"] <= page_box["y"] + 1
    assert text.evaluate("each => each.scrollWidth <= each.clientWidth"), "something is cut off"
