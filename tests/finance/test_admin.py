"""The administration of billing: the catalogue, opening accounts, and what is only looked at."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import time_machine
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import reverse

from accounts.models import Account, AuditEntry, Brand
from accounts.permissions import ONBOARDING
from billing.models import Charge, Invoice, InvoiceRun, PlanDiscount, Price, Product
from tests import factories
from tests.finance.conftest import client_of

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)


@pytest.fixture
def onboarding(db: None) -> Client:
    return client_of(factories.staff(ONBOARDING, email="olga@provider.example"))


def new_price(client: Client, **changes: str) -> HttpResponseBase:
    data = {"product": "uc-licence", "amount_0": "27.50", "amount_1": "USD", "effective_on": "2026-04-01"}
    with time_machine.travel(NOW, tick=False):
        return client.post("/admin/billing/price/add/", data | changes)


def test_finance_adds_a_price_as_a_new_row(finance: Client) -> None:
    """BIL-6: nothing is overwritten, and the trail has it."""
    before = Price.objects.count()
    assert new_price(finance).status_code == 302
    assert Price.objects.count() == before + 1
    entry = AuditEntry.objects.get(action="add-price")
    assert (entry.account, entry.by) == (None, "fiona@provider.example")


def test_the_price_list_has_the_currency_in_a_column(finance: Client) -> None:
    new_price(finance)
    found = bytes(getattr(finance.get("/admin/billing/price/"), "content", b"")).decode()
    assert '<td class="field-currency">USD</td>' in found


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"effective_on": "2026-03-01"}, "today or on a day to come"),
        ({"effective_on": "x"}, "Enter a valid date"),
        ({"amount_0": "-1"}, "greater than or equal to 0"),
        ({"amount_0": "x"}, "Enter a number"),
        ({"amount_0": "9999999999.999999"}, "at most 15 digits"),
        ({"product": "none"}, "Select a valid choice"),
    ],
)
def test_a_price_that_cannot_be_is_refused(finance: Client, changes: dict[str, str], message: str) -> None:
    response = new_price(finance, **changes)
    assert message in bytes(getattr(response, "content", b"")).decode()
    assert not AuditEntry.objects.filter(action="add-price").exists()


def test_no_second_price_of_one_day(finance: Client) -> None:
    assert new_price(finance).status_code == 302
    assert "is there already" in bytes(getattr(new_price(finance), "content", b"")).decode()


def test_a_price_is_never_overwritten_nor_deleted(finance: Client) -> None:
    price = Price.objects.latest("pk")
    url = reverse("admin:billing_price_change", args=[price.pk])
    assert finance.get(url).status_code == 200
    assert finance.post(url, {"amount_0": "1", "amount_1": "USD"}).status_code == 403
    assert finance.post(reverse("admin:billing_price_delete", args=[price.pk])).status_code == 403


def test_finance_edits_a_product_but_not_what_the_ledger_knows_it_by(finance: Client) -> None:
    product = Product.objects.get(pk="uc-licence")
    url = reverse("admin:billing_product_change", args=[product.pk])
    form = finance.get(url).context["adminform"].form
    assert not {"code", "section", "is_recurring"} & set(form.fields)
    data = {name: form[name].value() for name in form.fields}
    data = {name: str(value) for name, value in data.items() if value not in (None, False)}
    prices = {"prices-TOTAL_FORMS": "0", "prices-INITIAL_FORMS": "0"}
    assert finance.post(url, {**data, **prices, "ledger_code": "4099"}).status_code == 302
    product.refresh_from_db()
    assert product.ledger_code == "4099"
    assert AuditEntry.objects.get(action="edit-product").after == {"ledger_code": "4099"}


@pytest.mark.parametrize("model", ["product", "price"])
def test_the_catalogue_is_finance_s_to_change(support: Client, onboarding: Client, model: str) -> None:
    for client in (support, onboarding):
        assert client.get(f"/admin/billing/{model}/").status_code == 200
        assert client.get(f"/admin/billing/{model}/add/").status_code == 403


@pytest.mark.parametrize("rows", [Charge, Invoice, InvoiceRun, Account.schedule.related.related_model])
def test_what_actions_write_is_only_looked_at(
    finance: Client,
    account: Account,
    rows: type[Charge],
    opens_cheaply: Callable[[Client, str], HttpResponseBase],
) -> None:
    name = rows._meta.model_name
    row = rows._default_manager.latest("pk")
    opens_cheaply(finance, f"/admin/billing/{name}/")
    change = reverse(f"admin:billing_{name}_change", args=[row.pk])
    assert finance.get(change).status_code == 200
    assert finance.post(change, {"state": "paid"}).status_code == 403
    assert finance.get(f"/admin/billing/{name}/add/").status_code == 403
    assert finance.post(reverse(f"admin:billing_{name}_delete", args=[row.pk])).status_code == 403


# --- opening an account --------------------------------------------------------------------------


@pytest.fixture
def brand(db: None) -> Brand:
    found: Brand = factories.BrandFactory()
    return found


def opening(client: Client, brand: Brand, **changes: str) -> HttpResponseBase:
    data = {
        "brand": str(brand.pk),
        "name": "Harbor Dental",
        "slug": "harbor-dental",
        "bdom": "31",
        "currency": "USD",
        "timezone": "Pacific/Auckland",
        "language": "en-us",
        "billing_name": "",
        "billing_address": "",
    }
    # In Auckland it is the 3rd of March already.
    with time_machine.travel(NOW, tick=False):
        return client.post("/admin/accounts/account/add/", data | changes)


def test_onboarding_opens_an_account_in_its_billing_calendar(onboarding: Client, brand: Brand) -> None:
    assert opening(onboarding, brand).status_code == 302
    account = Account.objects.get(slug="harbor-dental")
    assert (account.bdom, str(account.opened_on)) == (31, "2026-03-03")
    assert str(account.schedule.next_bdom_on) == "2026-03-31"
    entries = AuditEntry.objects.filter(account=account)
    assert [(entry.action, entry.by) for entry in entries] == [("open-account", "olga@provider.example")]


def test_without_a_bdom_it_is_the_account_s_own_day(onboarding: Client, brand: Brand) -> None:
    assert opening(onboarding, brand, bdom="").status_code == 302
    assert Account.objects.get(slug="harbor-dental").bdom == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"slug": "new"}, "is taken"),
        ({"slug": "northwind"}, "already exists"),
        ({"slug": ""}, "This field is required"),
        ({"bdom": "32"}, "less than or equal to 31"),
        ({"bdom": "x"}, "Enter a whole number"),
        ({"timezone": "Mars/Olympus", "bdom": ""}, "is not a time zone"),
        ({"currency": "XXY"}, "is not a currency"),
        ({"name": ""}, "This field is required"),
    ],
)
def test_what_cannot_be_opened_is_said_by_its_field(
    onboarding: Client, account: Account, brand: Brand, changes: dict[str, str], message: str
) -> None:
    response = opening(onboarding, brand, **changes)
    assert message in bytes(getattr(response, "content", b"")).decode()
    assert Account.objects.count() == 1


def test_the_bdom_stays_once_it_is_open(onboarding: Client, brand: Brand) -> None:
    opening(onboarding, brand)
    account = Account.objects.get(slug="harbor-dental")
    url = reverse("admin:accounts_account_change", args=[account.pk])
    assert "bdom" not in onboarding.get(url).context["adminform"].form.fields


def test_others_open_none(finance: Client, support: Client, brand: Brand) -> None:
    for client in (finance, support):
        assert opening(client, brand).status_code == 403


# --- money ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model", ["payment", "settlement", "refund", "collection", "gatewayevent", "bankline"]
)
def test_money_is_looked_at_and_not_written(finance: Client, model: str) -> None:
    """INV-6: actions write it."""
    assert finance.get(reverse(f"admin:billing_{model}_changelist")).status_code == 200
    assert finance.get(reverse(f"admin:billing_{model}_add")).status_code == 403


def test_a_discount_of_plans_is_a_new_row_from_a_day_to_come(finance: Client, onboarding: Client) -> None:
    """As prices: nothing is overwritten, and the trail has it (BIL-6)."""
    url = "/admin/billing/plandiscount/add/"
    data = {"months": "12", "discount": "0.20", "effective_on": "2026-04-01"}
    with time_machine.travel(NOW, tick=False):
        past = finance.post(url, data | {"effective_on": "2026-03-01"})
        assert "today or on a day to come" in bytes(getattr(past, "content", b"")).decode()
        assert onboarding.post(url, data).status_code == 403
        assert finance.post(url, data).status_code == 302
    found = PlanDiscount.objects.get(effective_on="2026-04-01")
    change = reverse("admin:billing_plandiscount_change", args=[found.pk])
    assert finance.get(change).status_code == 200
    assert finance.post(change, data | {"discount": "0.90"}).status_code == 403
    assert AuditEntry.objects.filter(target_kind="plandiscount").count() == 1
