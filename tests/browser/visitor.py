"""Somebody with a browser, who looks at each page before going on."""

from __future__ import annotations

import re
from dataclasses import dataclass

from playwright.sync_api import Page, expect

from accounts.models import User
from tests.browsing import barriers
from tests.factories import PASSWORD

SETTLED = """async () => {
    await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
    await Promise.allSettled(document.getAnimations().map(animation => animation.finished));
}"""


@dataclass
class Visitor:
    """Somebody with a browser, who looks at each page before going on."""

    page: Page
    has_script: bool
    home: str

    def goes_to(self, path: str) -> None:
        """Type an address."""
        self.page.goto(f"{self.home}{path}")
        self.looks()

    def presses(self, name: str) -> None:
        """Press a button, and wait for the page it leads to."""
        self.page.get_by_role("button", name=name, exact=True).click()
        self.looks()

    def follows(self, name: str) -> None:
        """Follow the first link of this name."""
        self.page.get_by_role("link", name=name, exact=True).first.click()
        self.looks()

    def looks(self) -> None:
        """See that the page keeps nobody out, by day and by night."""
        self.page.wait_for_load_state()
        if self.has_script:
            for scheme in ("light", "dark"):
                self.page.emulate_media(color_scheme=scheme)
                self.page.evaluate(SETTLED)
                assert barriers(self.page) == [], f"{self.page.url} ({scheme})"

    def sees(self, heading: str | re.Pattern[str]) -> None:
        """The page is the one that is expected."""
        expect(self.page.get_by_role("heading", level=1)).to_have_text(heading)

    def signs_in(self, user: User) -> None:
        """Through the sign-in page."""
        self.goes_to("/sign-in/")
        self.page.get_by_label("E-mail address").fill(user.email)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.presses("Sign in")

    def signs_out(self) -> None:
        """Through the menu of the person."""
        self.page.locator(".person-button").click()
        self.presses("Sign out")
        self.sees("Sign in")
