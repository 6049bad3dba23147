"""The panel of a suspended account: it says so on every page, can be looked at, and refuses changes (INV-6)."""

from __future__ import annotations

import pytest
import time_machine
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone

from accounts.models import Account, Brand, Role, User
from accounts.permissions import FINANCE, AccountRequest, account_page
from accounts.standing import with_standing
from billing.models import Charge, Invoice
from telephony.contact_center import install
from telephony.models import Edition
from tests import factories
from tests.dunning.conftest import dun, noon
from tests.factories import TESTS
from tests.paying import a_card

PAY = "/a/northwind/billing/pay/"


@pytest.fixture(autouse=True)
def _suspended(account: Account) -> None:
    factories.suspended(account, "Invoice CP-000001 is overdue.")


def client_of(account: Account, role: Role = Role.OWNER) -> Client:
    client = Client()
    client.force_login(User.objects.get(email=f"{role}@northwind.example"))
    return client


@pytest.mark.parametrize("path", ["", "licences/", "users/", "numbers/", "billing/", "billing/invoices/"])
def test_every_page_says_so_and_leads_to_paying(account: Account, path: str) -> None:
    """INV-6: since when, why, what lifts it."""
    answer = client_of(account).get(f"/a/northwind/{path}").content.decode()
    assert "Suspended since" in answer
    assert "Invoice CP-000001 is overdue." in answer
    assert "Paying what is overdue lifts it at once." in answer
    assert answer.count("Pay what is overdue") == 1


def test_there_is_no_banner_without_a_suspension(account: Account) -> None:
    """INV-6: nor on pages of no account."""
    client = client_of(account)
    assert "Suspended since" not in client.get("/help/").content.decode()
    Account.objects.update(suspended_on=None, suspended_because="")
    assert "Suspended since" not in client.get("/a/northwind/").content.decode()


def test_what_finance_suspended_is_not_paid_away(account: Account) -> None:
    """INV-6: the way is to support."""
    Account.objects.update(suspended_by_hand=True)
    client = client_of(account)
    page = client.get("/a/northwind/").content.decode()
    refused = client.post("/a/northwind/licences/add/").content.decode()
    for answer in (page, refused):
        assert "mailto:support@brand.example" in answer
        assert "Pay what is overdue" not in answer


def test_staff_see_it_too(account: Account) -> None:
    """INV-6: without a way to pay, which is not theirs."""
    client = Client()
    client.force_login(factories.staff(FINANCE))
    answer = client.get("/a/northwind/").content.decode()
    assert "Suspended since" in answer
    assert "Pay what is overdue" not in answer


def test_a_change_is_refused_with_words(account: Account) -> None:
    """INV-6: 403, the reason, the way to pay; nothing was changed, and the page is the panel's own."""
    before = list(Charge.objects.order_by("pk").values())
    for ask in ("get", "post"):
        response = getattr(client_of(account), ask)(
            "/a/northwind/licences/add/", {"product": "uc-licence", "quantity": "1"}
        )
        answer = response.content.decode()
        assert response.status_code == 403
        assert "Northwind is suspended since" in answer
        assert "Nothing was changed" in answer
        assert 'href="/a/northwind/billing/payments/"' in answer
    assert list(Charge.objects.order_by("pk").values()) == before


@pytest.mark.parametrize(
    ("path", "button"),
    [("licences/", "Add licences"), ("numbers/", "Add number"), ("administrators/", "Add administrator")],
)
def test_buttons_that_change_something_are_not_there(account: Account, path: str, button: str) -> None:
    """INV-6."""
    client = client_of(account)
    assert button not in client.get(f"/a/northwind/{path}").content.decode()
    Account.objects.update(suspended_on=None, suspended_because="")
    assert button in client.get(f"/a/northwind/{path}").content.decode()


def test_going_live_cannot_be_asked_for(account: Account) -> None:
    """INV-6, ONB-7: the onboarding banner stands without its button."""
    install(account, Edition.PRO, actor=TESTS, at=noon(account, "02-01"))
    client = client_of(account)
    assert "Ready to go live" not in client.get("/a/northwind/").content.decode()
    Account.objects.update(suspended_on=None, suspended_because="")
    assert "Ready to go live" in client.get("/a/northwind/").content.decode()


def test_who_may_not_write_anyway_is_told_that(account: Account) -> None:
    """ACC-4: the role comes first."""
    response = client_of(account, Role.READ_ONLY).post("/a/northwind/licences/add/")
    assert response.status_code == 403
    assert "Your role here is Read-only" in response.content.decode()


@pytest.mark.parametrize(("pays", "status"), [(True, 200), (False, 403)])
def test_a_page_that_pays_stays_open(account: Account, pays: bool, status: int) -> None:
    """INV-6: `while_suspended` is for paying."""

    @account_page(while_suspended=pays)
    def page(request: AccountRequest) -> HttpResponse:
        return HttpResponse(str(request.can_write))

    user = User.objects.get(email="owner@northwind.example")
    assert with_standing(Account.objects.all(), user).exists()
    for method in ("get", "post"):
        request = getattr(RequestFactory(), method)("/a/northwind/x/")
        request.user, request.htmx, request.session = user, False, {}
        request._messages = []
        response = page(request, account="northwind")
        assert response.status_code == (200 if method == "get" else status)
        assert isinstance(response, HttpResponse)
        if response.status_code == 200:
            assert response.content == str(pays).encode()
    assert timezone.get_current_timezone_name() == "UTC"


def test_paying_by_card_lifts_it(account: Account, invoice: Invoice) -> None:
    """INV-6: from the banner to the card and back, without anybody's help."""
    Brand.objects.update(reminder_days="")
    Account.objects.update(suspended_on=None, suspended_because="")
    card = a_card(account, "succeeds", at=noon(account, "01-10"))
    assert dun(account, "02-28") == (0, 1)
    client = client_of(account)
    with time_machine.travel(noon(account, "03-01"), tick=False):
        client.force_login(User.objects.get(email="owner@northwind.example"))
        assert "Pay now" in client.get("/a/northwind/billing/payments/").content.decode()
        review = client.post(PAY, {"how_much": "all", "method": card.pk}).context["review"]
        client.post(PAY, {**dict(review["fields"]), "confirmed": "1"})
    assert not Account.objects.get().is_suspended
    assert Invoice.objects.get(pk=invoice.pk).state == "paid"
