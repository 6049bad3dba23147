"""The pages of orders: basket, review, one confirmation, the list, one order, cancelling (ORD-3, ORD-5)."""

import re
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Account, Location, Membership, Role
from accounts.permissions import SUPPORT
from accounts.trail import Actor
from billing.models import Charge, Order, OrderLine, OrderState, Product
from billing.orders import place_order
from billing.quote_drafts import Details, compose_quote
from billing.quote_sending import send_quote
from billing.quotes import accept_quote
from hardware.models import Confirmation
from hardware.shipments import Parcel, Unit, ship
from telephony.contact_center import install
from telephony.inventory import add_block
from telephony.models import Edition, Number, NumberState
from tests import factories
from tests.billing.world import bill
from tests.conftest import PAGE_QUERIES
from tests.factories import AT
from tests.hardware.conftest import BY, DESK, A, Snapshot, browser, page, text

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_today")]


@pytest.fixture
def northwind(db: None) -> Account:
    """An account whose next billing day is March 10."""
    found: Account = factories.AccountFactory(
        slug="northwind", name="Northwind", opened_on=date(2026, 2, 20), bdom=10
    )
    return found


@pytest.fixture
def basket(office: Location) -> dict[str, str]:
    """Two phones and three licences, as the form sends them."""
    return {
        "basket": str(uuid4()),
        "location": str(office.pk),
        "reference": "PO 4711",
        DESK: "2",
        "uc-licence": "3",
    }


def ordered(account: Account, *items: tuple[str, int], reference: str = "") -> Order:
    products = [(Product.objects.get(pk=code), quantity) for code, quantity in items]
    return place_order(account, products, reference=reference, **BY)


def seen(response: Any) -> str:
    """What the review carries of its costs."""
    told: str = response.context["priced"].seen
    return told


def confirm(client: Client, basket: dict[str, str]) -> Any:
    told = seen(client.get(page("order-review"), basket))
    return client.post(page("order-review"), {**basket, "seen": told})


# The basket and the review


def test_the_basket_offers_what_the_account_can_have(client: Client, northwind: Account) -> None:
    """ORD-3, ONB-1: contact center items only where one is installed; never a thing that is not on sale."""
    shown = text(client.get(page("order-new")))
    for words in (
        "Desk phone, basic",
        "$89.00",
        "UC licence",
        "billed after 7 free days",
        "billed when it ships",
    ):
        assert words in shown
    assert "Chat channel" not in shown

    install(northwind, Edition.PRO, **BY)
    shown = text(client.get(page("order-new")))
    assert "Chat channel" in shown
    assert "Contact Center Pro licence" in shown
    assert "Contact Center Elite licence" not in shown
    assert "billed when it is activated" in shown


def test_the_review_says_what_it_costs_and_from_when(
    client: Client, basket: dict[str, str], everything: Snapshot
) -> None:
    """ORD-3, BIL-3: per month, once, from when each is billed, and the next invoice before and after."""
    before = everything()
    response = client.get(page("order-review"), basket)
    shown = text(response)
    assert response.status_code == 200
    box = response.context["priced"].box
    assert (str(box["monthly"]), str(box["once"])) == ("74.97", "178.00")
    assert "a month, from Mar 9, 2026, after 7 free days" in shown
    assert "once, when it ships" in shown
    # One of 31 days, and the month ahead; the hardware comes with the invoice once it has shipped.
    assert str(box["next_now"]) == "0.00"
    assert str(box["next_then"]) == "77.65"
    assert str(response.context["priced"].shipped_total) == "255.65"
    assert "More on the next invoice" in shown
    assert "Head office" in shown
    assert "PO 4711" in shown
    assert everything() == before


def test_the_review_is_confirmed_once(client: Client, basket: dict[str, str], northwind: Account) -> None:
    """ORD-3: a double click, a reload and a second tab place one order, at the prices that were seen."""
    told = seen(client.get(page("order-review"), basket))
    for _ in range(3):
        response = client.post(page("order-review"), {**basket, "seen": told}, follow=True)
    order = Order.objects.get(account=northwind)
    assert response.redirect_chain[-1][0] == page("order", order.pk)
    assert f"This basket is order {order.pk} already" in text(response)
    assert order.reference == "PO 4711"
    assert order.state == OrderState.PROCESSING
    assert Confirmation.objects.get(order=order).ship_to.startswith("Head office: 1 Main Street")
    # The review of a basket that was confirmed leads to its order.
    assert client.get(page("order-review"), basket).headers["Location"] == page("order", order.pk)
    # Another basket is another order.
    confirm(client, {**basket, "basket": str(uuid4())})
    assert Order.objects.filter(account=northwind).count() == 2


def test_costs_that_were_not_seen_are_shown_first(client: Client, basket: dict[str, str]) -> None:
    """ORD-3: nothing is ordered at a cost that nobody looked at."""
    for told in ("", "something else"):
        response = client.post(page("order-review"), {**basket, "seen": told})
        assert response.status_code == 200
        assert "Look at the costs before you confirm" in text(response)
    assert not Order.objects.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({DESK: "", "uc-licence": "0"}, "The basket is empty"),
        ({DESK: "-1"}, "Enter a whole number from 0"),
        ({DESK: "two"}, "Enter a whole number from 0"),
        ({"uc-licence": "100001"}, "Enter a whole number from 0"),
        ({"location": ""}, "Choose where the hardware is sent"),
        ({"location": "999999"}, "Choose a location of the list"),
        ({"reference": "x" * 81}, "at most 80 characters"),
        ({"basket": "nonsense"}, "Nothing was ordered"),
    ],
)
def test_what_cannot_be_ordered_is_said_by_its_field(
    client: Client, basket: dict[str, str], change: dict[str, str], words: str, everything: Snapshot
) -> None:
    """ORD-3: the form comes back as it was typed, and nothing is ordered."""
    before = everything()
    sent = {**basket, **change}
    for response in (client.get(page("order-review"), sent), client.post(page("order-review"), sent)):
        assert response.status_code == 400
        assert words in text(response)
        assert 'value="3"' in text(response) or change.get("uc-licence")
    assert everything() == before


def test_hardware_is_not_sent_to_half_an_address(
    client: Client, basket: dict[str, str], office: Location
) -> None:
    Location.objects.filter(pk=office.pk).update(street="")
    assert "address of Head office is not complete" in text(client.get(page("order-review"), basket))
    # Licences alone go nowhere.
    assert client.get(page("order-review"), {**basket, DESK: ""}).status_code == 200


def test_a_limit_is_refused_by_name(client: Client, northwind: Account, basket: dict[str, str]) -> None:
    """ONB-3: what the contact center in onboarding does not take is refused before it is confirmed."""

    install(northwind, Edition.PRO, **BY)
    response = client.get(page("order-review"), {**basket, "cc-pro-licence": "3"})
    assert response.status_code == 400
    assert "ONB-3" in text(response)


def test_another_accounts_location_is_none_of_ours(
    client: Client, basket: dict[str, str], elsewhere: Account
) -> None:
    """ACC-4."""
    theirs = factories.LocationFactory(account=elsewhere, name="Their hall")
    response = client.get(page("order-review"), {**basket, "location": str(theirs.pk)})
    assert response.status_code == 400
    assert "Their hall" not in text(response)


# The list and one order


def test_an_empty_list_says_how_to_begin(client: Client, reader: Client) -> None:
    assert "No orders yet" in text(client.get(page("orders")))
    assert page("order-new") in text(client.get(page("orders")))
    assert page("order-new") not in text(reader.get(page("orders")))


def test_the_list_is_searched_filtered_and_exported(
    client: Client, northwind: Account, django_assert_max_num_queries: Any
) -> None:
    """ORD-3: by number, reference, product and tracking number."""
    phones = ordered(northwind, (DESK, 2), ("headset", 1), reference="PO 1")
    licences = ordered(northwind, ("uc-licence", 1), reference="PO 2")
    ship(phones, [Parcel(phones.lines.get(product=DESK), 1)], tracking="1Z999", **BY)
    asked = {
        "q=po+1": [phones],
        f"q=%23{licences.pk}": [licences],
        "q=headset": [phones],
        "q=1z99": [phones],
        "q=nobody": [],
        "state=waiting": [phones],
        "state=completed": [licences],
        "": [licences, phones],
    }
    for query, found in asked.items():
        with django_assert_max_num_queries(PAGE_QUERIES):
            response = client.get(f"{page('orders')}?{query}")
        assert [row.order for row in response.context["rows"]] == found, query
    lines = b"".join(client.get(page("orders-csv"))).decode().splitlines()
    assert len(lines) == 4
    assert f"{phones.pk},2026-03-02" in lines[2]
    assert "Shipped 1 of 2" in lines[2]


def test_an_order_tells_what_has_become_of_it(
    client: Client, northwind: Account, django_assert_max_num_queries: Any
) -> None:
    """ORD-5: lines with their states, parcels, and the invoice that each part is on."""
    order = ordered(northwind, (DESK, 3), ("uc-licence", 1))
    line = order.lines.select_related("product", "order__account").get(product=DESK)
    ship(order, [Parcel(line, 1, [Unit(A, "SN77")])], carrier="UPS", tracking="1Z5", **BY)
    with django_assert_max_num_queries(PAGE_QUERIES):
        shown = text(client.get(page("order", order.pk)))
    for words in ("Shipped 1 of 3", "2 to ship", "Provided", A, "SN77", "UPS", "1Z5", "next invoice"):
        assert words in shown, words
    bill(northwind, "03-10")
    invoice = northwind.invoices.get()
    assert reverse("billing:invoice", args=["northwind", invoice.number]) in text(
        client.get(page("order", order.pk))
    )


def test_what_has_not_shipped_is_cancelled(client: Client, northwind: Account) -> None:
    """ORD-5: free of charge, some of it or all, after a page that asks."""
    order = ordered(northwind, (DESK, 5))
    line = order.lines.get()
    url = page("order-cancel", order.pk)
    assert "free of charge" in text(client.get(url))
    sent = {f"line-{line.pk}": "2", f"left-{line.pk}": "5"}
    assert client.post(url, sent).headers["Location"] == page("order", order.pk)
    # The same button once more.
    again = client.post(url, sent)
    assert again.status_code == 400
    assert "in the meantime" in text(again)
    assert OrderLine.objects.get().left == 3
    assert client.post(url, {f"line-{line.pk}": "4", f"left-{line.pk}": "3"}).status_code == 400
    client.post(url, {f"line-{line.pk}": "3", f"left-{line.pk}": "3"})
    assert Order.objects.get().state == OrderState.CANCELLED
    assert not Charge.objects.filter(account=northwind, ended_on=None).exists()
    assert client.get(url).headers["Location"] == page("order", order.pk)


def test_who_does_what(northwind: Account, office: Location, basket: dict[str, str]) -> None:
    """ACC-1: owners and admins order, the others read."""
    order = ordered(northwind, (DESK, 1))
    for role in (Role.READ_ONLY, Role.BILLING):
        other = browser(factories.member(northwind, role))
        assert other.get(page("order", order.pk)).status_code == 200
        assert "/orders/" in text(other.get(page("orders")))
        assert "Cancel what has not shipped" not in text(other.get(page("order", order.pk)))
        for name in ("order-new", "order-review"):
            assert other.get(page(name)).status_code == 403
        assert other.post(page("order-review"), basket).status_code == 403
        assert other.post(page("order-cancel", order.pk)).status_code == 403
    assert Order.objects.count() == 1


def test_another_accounts_order_is_not_there(client: Client, elsewhere: Account) -> None:
    """ACC-4."""
    order = ordered(elsewhere, (DESK, 1))
    assert client.get(page("order", order.pk)).status_code == 404
    assert client.get(page("order-cancel", order.pk)).status_code == 404


def test_an_initial_order_says_where_it_goes_and_that_its_way_is_charged(
    client: Client, northwind: Account, django_assert_max_num_queries: Any
) -> None:
    """ORD-1, ORD-5: the address of the quote, who accepted, and the invoice of the shipping."""
    owner = Membership.objects.get(account=northwind).user
    details = Details(
        brand=northwind.brand,
        company="Quayside",
        contact_name="Olivia Hart",
        contact_email=owner.email,
        currency="USD",
        timezone="America/New_York",
        language="en-us",
        valid_until=date(2026, 3, 30),
        bdom=10,
        billing_address="1 Ledger Lane",
        shipping_address="Dock 4\n12 Quay Street",
    )
    items = {
        Product.objects.get(pk=code): (units, Decimal(9)) for code, units in ((DESK, 2), ("shipping", 1))
    }
    quote = send_quote(compose_quote(details, items, actor=Actor(user=owner), at=AT), **BY)
    order = accept_quote(quote, by="Olivia Hart", **BY).order
    assert order is not None
    line = order.lines.select_related("order__account", "product").get(product=DESK)
    ship(order, [Parcel(line, 1)], **BY)
    bill(order.account, "03-10")
    with django_assert_max_num_queries(PAGE_QUERIES):
        shown = text(client.get(reverse("hardware:order", args=[order.account.slug, order.pk])))
    for words in ("accepted on", "by Olivia Hart", "12 Quay Street", str(quote), "against the first invoice"):
        assert words in shown, words
    number = order.account.invoices.get().number
    assert f"1 for $9.00, invoice {number}" in " ".join(re.sub("<[^>]+>", "", shown).split())
    assert "Not charged" not in shown
    # A parcel holds phones; its way is no thing in it.
    assert "1 × Shipping" not in shown

    clerk = browser(factories.staff(SUPPORT))
    assert "12 Quay Street" in text(clerk.get(reverse("admin:billing_order_ship", args=[order.pk])))


# Numbers


def test_numbers_are_ordered_by_area_code(
    client: Client, northwind: Account, basket: dict[str, str], everything: Snapshot
) -> None:
    """ORD-3, NUM-1, BIL-3: of the stock, parked, free for thirty days; a toll-free one is billed at once."""
    for first, count in (("+16175550120", 3), ("+12125550140", 3), ("+18005550150", 1)):
        add_block(northwind.brand, first, count, **BY)
    asked = {**basket, DESK: "", "number-local": "2", "area_code": "212", "number-toll-free": "1"}
    before = everything()
    shown = text(client.get(page("order-review"), asked))
    assert "(212) 555-0140" in shown
    assert "after 30 free days" in shown
    assert everything() == before
    confirm(client, asked)
    order = Order.objects.get(account=northwind)
    assert order.state == OrderState.COMPLETED
    assert {(line.product_id, line.quantity, line.wish) for line in order.lines.all()} == {
        ("uc-licence", 3, ""),
        ("number-local", 2, "212"),
        ("number-toll-free", 1, ""),
    }
    held = set(Number.objects.filter(account=northwind).values_list("e164", "state"))
    parked = NumberState.PARKED
    assert held == {("+12125550140", parked), ("+12125550141", parked), ("+18005550150", parked)}
    assert "Local number, area code 212" in text(client.get(page("order", order.pk)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"number-local": "4", "area_code": "617"}, "Only 3 × Local number with area code 617 are in stock"),
        ({"number-local": "1", "area_code": "303"}, "No local number with area code 303 is in stock"),
        ({"number-local": "101"}, "At most 100"),
        ({"number-toll-free": "1"}, "No toll-free number is in stock"),
        ({"number-local": "1", "area_code": "61x"}, "Enter an area code of three digits"),
    ],
)
def test_numbers_that_are_not_in_stock_are_refused_by_their_field(
    client: Client,
    northwind: Account,
    basket: dict[str, str],
    everything: Snapshot,
    change: dict[str, str],
    words: str,
) -> None:
    """ORD-3, NUM-1: nothing of the order is placed."""
    add_block(northwind.brand, "+16175550120", 3, **BY)
    before = everything()
    response = client.get(page("order-review"), {**basket, **change})
    assert response.status_code == 400
    assert words in text(response)
    assert everything() == before
