"""The design system in a browser: nothing that keeps people out, and what its small scripts do."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from tests import browsing

GUIDE = "/staff/guide/"


@pytest.fixture
def guide(page: Page, panel: LiveServer, sign_in: Callable[[User], None]) -> Page:
    """The style guide, opened by somebody who may."""
    sign_in(User.objects.create_superuser("ann@provider.example", full_name="Ann Field"))
    page.goto(panel.url + GUIDE)
    return page


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_every_component_is_open_to_everybody(guide: Page, theme: str, width: int) -> None:
    """Contrast, names and roles of every component with everything open, in both themes, wide and narrow."""
    guide.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    guide.set_viewport_size({"width": width, "height": 900})
    guide.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert browsing.barriers(guide) == []
    assert guide.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_the_theme_stays(guide: Page) -> None:
    guide.locator("summary.person-button").click()
    guide.get_by_role("button", name="Dark").click()
    expect(guide.locator("html")).to_have_attribute("data-theme", "dark")
    guide.reload()
    expect(guide.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_list_follows_its_filters_and_says_so(guide: Page) -> None:
    """The address names what is filtered and no more, so that it can be sent to somebody."""
    guide.get_by_label("State").select_option("parked")
    expect(guide.locator("#announcer")).to_contain_text("1,204 numbers")
    assert guide.url.endswith(f"{GUIDE}?state=parked")
    expect(guide.get_by_role("link", name="Export CSV")).to_have_attribute("href", "/export.csv?state=parked")
    guide.get_by_role("link", name="Remove filter").click()
    guide.wait_for_url(f"**{GUIDE}?")


def test_rows_are_chosen(guide: Page) -> None:
    bar = guide.locator("[data-bulk]")
    expect(bar).to_be_hidden()
    guide.get_by_label("Choose (212) 555-0117").check()
    expect(bar).to_contain_text("1 chosen")
    guide.get_by_label("Choose all rows").check()
    expect(bar).to_contain_text("5 chosen")
    guide.get_by_label("Choose all rows").uncheck()
    expect(bar).to_be_hidden()


def test_a_final_button_waits_for_the_name(guide: Page) -> None:
    button = guide.get_by_role("button", name="Release number")
    expect(button).to_be_disabled()
    guide.get_by_label("Type (212) 555-0142 to confirm").fill("(212) 555-0142")
    expect(button).to_be_enabled()


def test_the_keyboard_finds_its_way(guide: Page) -> None:
    guide.keyboard.press("Tab")
    expect(guide.get_by_role("link", name="Skip to content")).to_be_focused()
    person = guide.locator("summary.person-button")
    person.focus()
    guide.keyboard.press("Enter")
    expect(guide.get_by_role("button", name="Sign out")).to_be_visible()
    guide.keyboard.press("Escape")
    expect(guide.get_by_role("button", name="Sign out")).to_be_hidden()
    expect(person).to_be_focused()


def test_a_narrow_frame_works_without_script(guide: Page, browser: Browser, panel: LiveServer) -> None:
    """Drawer, menus and lines that open are the browser's own."""
    plain = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 800})
    plain.add_cookies(
        [{"name": c["name"], "value": c["value"], "url": panel.url} for c in guide.context.cookies()]
    )
    page = plain.new_page()
    page.goto(panel.url + GUIDE)
    page.get_by_role("button", name="Open menu").click()
    expect(page.get_by_role("link", name="Administration")).to_be_visible()
    page.get_by_role("button", name="Close menu").click()
    expect(page.get_by_role("link", name="Administration")).to_be_hidden()
    page.get_by_text("UC licence, partial month").click()
    expect(page.get_by_text("29.99 × 5 × 29 of 31 days")).to_be_visible()
    page.locator("summary.person-button").click()
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    plain.close()
