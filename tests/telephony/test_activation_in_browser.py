"""The onboarding team takes a contact center live in the administration, in a real browser (ONB-7, ONB-10)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account, OutgoingMail, User
from accounts.permissions import ONBOARDING
from accounts.trail import Actor
from billing.explain import money_words
from billing.licences import add_licences
from billing.models import Product
from billing.preview import next_invoice
from telephony.contact_center import install, request_activation
from telephony.models import ContactCenter, Edition
from tests import factories
from tests.browsing import barriers
from tests.factories import AT, TESTS

# The server works in threads of its own, so what tests write has to be committed.
pytestmark = pytest.mark.django_db(transaction=True)


def test_goes_live_and_the_next_invoice_is_the_one_that_was_shown(
    account: Account, owner: User, page: Page, panel: LiveServer, sign_in: Callable[[User], None]
) -> None:
    """ONB-7, ONB-8, ONB-10, BIL-10: from the queue to the last word, and on to the customer's next invoice."""
    center = install(account, Edition.ELITE, actor=TESTS, at=AT)
    add_licences(account, Product.objects.get(pk="cc-elite-licence"), 2, actor=TESTS, at=AT)
    request_activation(center, actor=Actor(user=owner), at=AT)
    sign_in(factories.staff(ONBOARDING, email="olga@provider.example"))

    page.goto(f"{panel.url}/admin/telephony/contactcenter/")
    expect(page.get_by_role("row", name="Northwind")).to_contain_text("0 of 6")
    assert barriers(page) == []
    page.get_by_role("link", name="Northwind").click()
    page.get_by_role("textbox", name="Note").fill("They want to be live by Friday.")
    page.get_by_role("button", name="Add note").click()
    expect(page.get_by_text("They want to be live by Friday.")).to_be_visible()
    assert barriers(page) == []
    page.get_by_role("link", name="Activate…").click()

    expect(page.get_by_text("This cannot be undone.")).to_be_visible()
    promised = page.locator("#activation-then").inner_text()
    assert promised != page.locator("#activation-now").inner_text()
    page.get_by_text("Every line of it").click()
    assert barriers(page) == []
    expect(page.get_by_role("cell", name="partial month").first).to_be_visible()
    page.get_by_label("Reason").fill("Asked to go live")
    page.get_by_label("The account's name").fill("Somebody else")
    page.get_by_role("button", name="Activate for good").click()
    expect(page.get_by_text("This is not the account's name.")).to_be_visible()
    assert ContactCenter.objects.get().is_onboarding
    page.get_by_label("The account's name").fill("Northwind")
    page.get_by_role("button", name="Activate for good").click()
    expect(page.get_by_text("Contact Center Elite of Northwind is active, for good.")).to_be_visible()
    expect(page.get_by_role("link", name="Activate…")).to_have_count(0)

    assert money_words(next_invoice(account).total, "USD") == promised
    sign_in(owner)
    page.goto(f"{panel.url}/a/northwind/billing/next/")
    expect(page.locator(".invoice-total")).to_contain_text(promised)
    expect(page.get_by_role("complementary", name="Onboarding")).to_have_count(0)


def test_what_was_sent_is_shown_as_it_is_read(
    account: Account, owner: User, page: Page, panel: LiveServer, sign_in: Callable[[User], None]
) -> None:
    """The message stands in a frame that can do nothing, and the page logs no error."""
    install(account, Edition.PRO, actor=TESTS, at=AT)
    sent = OutgoingMail.objects.get()
    assert sent.sent_at is not None
    sign_in(factories.staff(ONBOARDING))
    page.goto(f"{panel.url}/staff/mail/")
    page.get_by_role("link", name=sent.subject).click()
    inside = page.frame_locator("iframe").get_by_role("heading", name=sent.subject)
    expect(inside).to_be_visible()
    assert barriers(page) == []
