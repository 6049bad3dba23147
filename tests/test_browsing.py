"""The browser that tests are given: it is real, it shows the panel, and it notices a page that misbehaves."""

import pytest
from django.urls import reverse
from playwright.sync_api import BrowserContext, Page, Route
from pytest_django.live_server_helper import LiveServer

from controlpanel.middleware import POLICY
from tests import browsing


def test_the_browser_shows_the_panel(page: Page, panel: LiveServer) -> None:
    answer = page.goto(panel.url + reverse("healthz"))
    assert answer is not None
    assert answer.status == 200
    assert page.locator("body").inner_text() == "ok"


def show(context: BrowserContext, panel: LiveServer, body: str) -> tuple[Page, list[str]]:
    """A page of the panel's with this body, and what was noticed on it."""

    def answer(route: Route) -> None:
        html = f"<!doctype html><html lang=en><head><title>Test</title></head><body><main>{body}</main></body></html>"
        headers = {"Content-Security-Policy": POLICY, "Content-Type": "text/html"}
        route.fulfill(status=200, headers=headers, body=html)

    page = context.new_page()
    faults = browsing.watch(page, panel.url)
    page.route("**/made-up", answer)
    page.goto(f"{panel.url}/made-up", wait_until="networkidle")
    return page, faults


@pytest.mark.parametrize(
    ("body", "noticed"),
    [
        ("<script>document.title = 'Run'</script>", "Content Security Policy"),
        ("<p style='color: red'>Styled</p>", "Content Security Policy"),
        ("<script src='/static/no-such-file.js'></script>", "404 for the script"),
        ("<img alt='' src='http://127.0.0.1:9/pixel.png'>", "another host"),
    ],
)
def test_a_page_that_misbehaves_is_noticed(
    context: BrowserContext, panel: LiveServer, body: str, noticed: str
) -> None:
    _, faults = show(context, panel, body)
    assert any(noticed in fault for fault in faults), faults


def test_a_plain_page_has_no_faults_and_no_barriers(context: BrowserContext, panel: LiveServer) -> None:
    page, faults = show(context, panel, "<h1>Invoices</h1><p>None yet.</p>")
    assert faults == []
    assert browsing.barriers(page) == []


def test_a_picture_without_words_is_a_barrier(context: BrowserContext, panel: LiveServer) -> None:
    page, _ = show(context, panel, "<h1>Invoices</h1><img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>")
    assert [line.split()[0] for line in browsing.barriers(page)] == ["image-alt"]
