"""What only a browser shows: the cost follows the choice, the search keeps it, rows are chosen, nobody is kept out."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account, EndUser, User
from telephony.inventory import add_block
from telephony.models import Number, Service
from tests.browsing import barriers
from tests.factories import AT, TESTS
from tests.telephony.conftest import bought, fresh, licensed
from tests.telephony.conftest import page as address

SignIn = Callable[[User], None]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def panel_page(page: Page, panel: LiveServer, owner: User, sign_in: SignIn) -> Callable[[str], Page]:
    """Open an address of the panel as the owner."""
    sign_in(owner)

    def opened(path: str) -> Page:
        page.goto(panel.url + path)
        return page

    return opened


def test_cost_follows_the_choice(
    panel_page: Callable[[str], Page], account: Account, number: Number, dana: EndUser, ring: Service
) -> None:
    """BIL-3, NUM-4: a holder is searched and chosen, and its cost stands there before the button."""
    for place in range(30):
        licensed(account, f"Person {place:02d}")
    shown = panel_page(address("number-assign", number.pk))
    shown.get_by_role("radio", name="Dana Whitfield").check()
    expect(shown.locator("#cost-box")).to_contain_text("the first number of Dana Whitfield")
    shown.get_by_role("searchbox", name="Search users and services").fill("ring")
    expect(shown.locator("#picks")).to_contain_text("Ring all")
    expect(shown.get_by_role("radio", name="Dana Whitfield")).to_be_checked()
    expect(shown.locator("#picks")).not_to_contain_text("Person 01")
    shown.get_by_role("radio", name="Ring all").check()
    expect(shown.locator("#cost-box")).to_contain_text("$2.50")
    assert "csrf" not in shown.url
    shown.get_by_role("button", name="Assign number").click()
    expect(shown.get_by_role("status").filter(has_text="is assigned to Ring all")).to_be_visible()
    assert fresh(number).service == ring


def test_picks_of_two_area_codes(panel_page: Callable[[str], Page], account: Account) -> None:
    """NUM-1: what was picked stays when another area code is searched, and so does what was typed."""
    add_block(account.brand, "+12125550110", 2, actor=TESTS, at=AT)
    add_block(account.brand, "+18005550120", 2, actor=TESTS, at=AT)
    shown = panel_page(address("number-add"))
    expect(shown.locator("#cost-box")).to_contain_text("first 30 days are free")
    shown.get_by_role("checkbox", name="(212) 555-0110").check()
    expect(shown.locator("#cost-box")).to_contain_text("$2.50")
    shown.get_by_role("searchbox", name="Area code, like 212").fill("800")
    expect(shown.get_by_role("checkbox", name="(212) 555-0111")).to_have_count(0)
    shown.get_by_role("checkbox", name="(800) 555-0120").check()
    expect(shown.locator("#cost-box")).to_contain_text("$6.50")
    shown.get_by_label("A number you have already").fill("+1 312 555 0147")
    expect(shown.locator("#cost-box")).to_contain_text("$9.00")
    # Leaving while an answer is on its way is logged as an error, and is not what this is about.
    shown.wait_for_load_state("networkidle")
    shown.get_by_role("button", name="Add number").click()
    shown.wait_for_url("**/numbers/?state=parked")
    assert set(Number.objects.values_list("e164", flat=True)) == {
        "+12125550110",
        "+18005550120",
        "+13125550147",
    }


def test_service_says_what_its_kind_costs(panel_page: Callable[[str], Page]) -> None:
    """NUM-5."""
    shown = panel_page(address("service-add"))
    shown.get_by_role("radio", name="Fax line").check()
    expect(shown.locator("#cost-box")).to_contain_text("$14.99")
    shown.get_by_role("radio", name="Auto attendant").check()
    expect(shown.locator("#cost-box")).not_to_contain_text("$14.99")
    expect(shown.locator("#cost-box")).to_contain_text("$0.00")


def test_rows_are_chosen_and_parked(
    panel_page: Callable[[str], Page], account: Account, dana: EndUser
) -> None:
    """NUM-2."""
    held = [bought(account, f"+1212555020{place}", dana) for place in range(2)]
    shown = panel_page(address("numbers"))
    expect(shown.get_by_role("button", name="Park", exact=True)).to_be_hidden()
    shown.get_by_role("checkbox", name="Choose all rows").check()
    shown.get_by_role("button", name="Park", exact=True).click()
    shown.get_by_role("button", name="Park 2 numbers").click()
    expect(shown.get_by_role("status").filter(has_text="2 numbers parked.")).to_be_visible()
    assert {fresh(number).state for number in held} == {"parked"}


def test_release_waits_for_the_name(panel_page: Callable[[str], Page], number: Number) -> None:
    """NUM-2."""
    shown = panel_page(address("number-release", number.pk))
    button = shown.get_by_role("button", name="Release number")
    expect(button).to_be_disabled()
    shown.get_by_label("Type (212) 555-0100 to confirm").fill("(212) 555-0100")
    button.click()
    expect(shown.get_by_role("status").filter(has_text="is released")).to_be_visible()
    assert fresh(number).state == "released"


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 390)])
def test_keeps_nobody_out(
    panel_page: Callable[[str], Page],
    panel: LiveServer,
    context: BrowserContext,
    account: Account,
    number: Number,
    dana: EndUser,
    lobby: Service,
    theme: str,
    width: int,
) -> None:
    """axe finds nothing, and nothing is wider than the screen."""
    add_block(account.brand, "+12125550110", 2, actor=TESTS, at=AT)
    held = bought(account, "+12125550101", lobby)
    context.add_cookies([{"name": "theme", "value": theme, "url": panel.url}])
    for path in (
        address("numbers"),
        address("number", held.pk),
        address("number-add") + "?number=x",
        address("number-assign", number.pk) + f"?to=end-user:{dana.pk}",
        address("number-park", held.pk),
        address("number-release", held.pk),
        address("services"),
        address("service", lobby.pk),
        address("service-add") + "?kind=webfax",
        address("service-remove", lobby.pk),
    ):
        shown = panel_page(path)
        shown.set_viewport_size({"width": width, "height": 900})
        assert barriers(shown) == [], path
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert shown.evaluate(overflow) <= 0, path
