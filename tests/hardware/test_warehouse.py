"""Fulfilment in the administration: the queue, shipping by hand, the warehouse's file (ORD-5, ORD-6, ACC-3)."""

from __future__ import annotations

import threading
from datetime import date
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.models import Account, AuditEntry
from accounts.permissions import FINANCE, ONBOARDING, SUPPORT
from accounts.refusals import Refused
from billing.models import InvoiceLine, Order, OrderLine, OrderState, Product
from billing.orders import cancel_units, place_order
from hardware.devices import add_device
from hardware.models import Device, Shipment, ShippedUnits
from hardware.orders import confirm_basket
from hardware.shipments import Parcel, ship
from hardware.warehouse import Changed, judge, read_rows, record_file
from tests import factories
from tests.billing.world import bill
from tests.hardware.conftest import BY, DESK, A, B, Snapshot, browser, text

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_today")]

QUEUE, FILE = "admin:billing_order_changelist", "admin:billing_order_warehouse"
HEADER = "order,product,quantity,MAC,serial,carrier,tracking\n"


@pytest.fixture
def northwind(db: None) -> Account:
    """An account whose next billing day is March 10."""
    found: Account = factories.AccountFactory(
        slug="northwind", name="Northwind", opened_on=date(2026, 2, 20), bdom=10
    )
    return found


@pytest.fixture
def support(db: None) -> Client:
    return browser(factories.staff(SUPPORT))


@pytest.fixture
def order(northwind: Account) -> Order:
    """Two phones, three headsets, and a licence."""
    return ordered(northwind, (DESK, 2), ("headset", 3), ("uc-licence", 1))


def ordered(account: Account, *items: tuple[str, int]) -> Order:
    return place_order(account, [(Product.objects.get(pk=code), quantity) for code, quantity in items], **BY)


def line_of(order: Order, product: str) -> OrderLine:
    return order.lines.select_related("order__account", "product").get(product=product)


def ship_url(order: Order) -> str:
    return reverse("admin:billing_order_ship", args=[order.pk])


def look(client: Client, rows: str) -> Any:
    """The page of a file's rows."""
    return client.post(reverse(FILE), {"file": SimpleUploadedFile("out.csv", (HEADER + rows).encode())})


def record(client: Client, looked: Any) -> Any:
    """The button of that page."""
    context = looked.context
    return client.post(
        reverse(FILE),
        {"content": context["content"], "seen": context["plan"].seen, "do": "record"},
        follow=True,
    )


# Who, and what waits


def test_all_staff_look_and_support_ships(order: Order, support: Client) -> None:
    """ACC-3: finance and onboarding see the queue; shipping is support's and the superusers'."""
    root = browser(factories.UserFactory(is_staff=True, is_superuser=True))
    for client in (support, root):
        assert client.get(ship_url(order)).status_code == 200
        assert client.get(reverse(FILE)).status_code == 200
        assert ship_url(order) in text(client.get(reverse("admin:billing_order_change", args=[order.pk])))
    for group in (FINANCE, ONBOARDING):
        client = browser(factories.staff(group))
        assert str(order) in text(client.get(reverse(QUEUE)))
        shown = text(client.get(reverse("admin:billing_order_change", args=[order.pk])))
        assert "Headset" in shown
        assert ship_url(order) not in shown
        for url in (ship_url(order), reverse(FILE), reverse("admin:billing_order_warehouse_sample")):
            assert client.get(url).status_code == 403
            assert client.post(url).status_code == 403
    assert not Shipment.objects.exists()


def test_the_queue_holds_what_waits(order: Order, support: Client, elsewhere: Account) -> None:
    """ORD-5: with age, account, brand and how many units are left."""
    done = ordered(elsewhere, ("uc-licence", 1))
    gone = ordered(elsewhere, (DESK, 1))
    cancel_units(line_of(gone, DESK), **BY)
    shown = support.get(reverse(QUEUE))
    assert [found.pk for found in shown.context["cl"].result_list] == [order.pk]
    assert shown.context["cl"].result_list[0].units_left == 5
    for asked, found in (("completed", [done]), ("cancelled", [gone]), ("all", [order, done, gone])):
        listed = support.get(f"{reverse(QUEUE)}?show={asked}").context["cl"].result_list
        assert {each.pk for each in listed} == {each.pk for each in found}
    assert support.get(f"{reverse(QUEUE)}?q=northwind").status_code == 200


# By hand


def hand(order: Order, **typed: str) -> dict[str, str]:
    """What the form sends: all that is left unless told, and how many were left."""
    sent = {"carrier": "UPS", "tracking": "1Z999"}
    for line in order.lines.exclude(product="uc-licence"):
        sent |= {f"line-{line.pk}": str(line.left), f"left-{line.pk}": str(line.left)}
    return {**sent, **typed}


def test_shipping_by_hand(order: Order, support: Client, northwind: Account) -> None:
    """ORD-5, ORD-6: a part leaves, says what is charged and when before, becomes devices, and is billed."""
    phones, headsets = line_of(order, DESK), line_of(order, "headset")
    first = support.get(ship_url(order))
    assert "$625.00 more" in text(first)
    assert "Mar 10, 2026" in text(first)
    sent = hand(order, **{f"line-{headsets.pk}": "0", f"units-{phones.pk}": f"{A.lower()} SN1\n{B},SN2"})
    # Something else is charged than was seen: it is shown first.
    again = support.post(ship_url(order), {**sent, "seen": first.context["charged"]["seen"]})
    assert "$178.00 more" in text(again)
    assert not Shipment.objects.exists()
    sent["seen"] = again.context["charged"]["seen"]
    assert "is recorded" in text(support.post(ship_url(order), sent, follow=True))
    assert list(Device.objects.values_list("mac", "serial")) == [(A, "SN1"), (B, "SN2")]
    shipment = Shipment.objects.get()
    assert (shipment.carrier, shipment.tracking) == ("UPS", "1Z999")
    assert AuditEntry.objects.filter(account=northwind, action="ship-order").count() == 1
    # The same button once more ships nothing.
    support.post(ship_url(order), sent)
    assert Shipment.objects.count() == 1
    bill(northwind, "03-10")
    lines = InvoiceLine.objects.filter(invoice__account=northwind, section="hardware")
    assert [(int(found.quantity), int(found.amount)) for found in lines] == [(2, 178)]


@pytest.mark.parametrize(
    ("typed", "field", "words"),
    [
        ({"phones": "3"}, "line", "from 0 to 2"),
        ({"phones": "2", "units": A}, "units", "1 MAC is given"),
        ({"phones": "1", "units": "nonsense"}, "units", "is not a MAC address"),
        ({"phones": "2", "units": f"{A}\n{A}"}, "units", "given twice"),
        ({"phones": "0", "headsets": "0"}, "__all__", "holds something"),
        ({"phones": "0", "left": "7"}, "line", ""),
    ],
)
def test_what_cannot_ship_is_said_by_its_field(
    order: Order, support: Client, typed: dict[str, str], field: str, words: str, everything: Snapshot
) -> None:
    """ORD-5, ORD-6: nothing of it is kept."""
    phones, headsets = line_of(order, DESK), line_of(order, "headset")
    sent = hand(order, **{f"line-{phones.pk}": typed["phones"], f"units-{phones.pk}": typed.get("units", "")})
    sent[f"line-{headsets.pk}"] = typed.get("headsets", "1")
    if "left" in typed:
        sent[f"left-{headsets.pk}"] = typed["left"]
        field, words = f"line-{headsets.pk}", "in the meantime"
    before = everything()
    looked = support.post(ship_url(order), sent)
    if looked.context["charged"]:
        looked = support.post(ship_url(order), {**sent, "seen": looked.context["charged"]["seen"]})
    errors = looked.context["form"].errors
    name = field if field == "__all__" or field.startswith("line-") else f"{field}-{phones.pk}"
    assert words in " ".join(errors[name])
    assert everything() == before


def test_an_order_of_which_nothing_waits_is_not_shipped(support: Client, northwind: Account) -> None:
    done = ordered(northwind, ("uc-licence", 1))
    assert support.get(ship_url(done)).status_code == 302
    assert support.get(reverse("admin:billing_order_ship", args=[999999])).status_code == 404


# By file


def test_a_file_is_looked_at_and_recorded_once(order: Order, support: Client, elsewhere: Account) -> None:
    """ORD-5: a shipment for each order, carrier and tracking number; the same file again records nothing."""
    other = ordered(elsewhere, ("headset", 2))
    looked = look(
        support,
        f"{order.pk},{DESK},1,{A},SN1,UPS,1Z1\n"
        f'Order {order.pk},"Desk phone, basic",,{B},SN2,UPS,1Z1\n'
        f"#{order.pk},headset,2,,,UPS,1Z2\n\n{other.pk},headset,2,,,DHL,77\n",
    )
    assert not looked.context["plan"].refused
    assert not Shipment.objects.exists()
    assert "3 shipments are recorded" in text(record(support, looked))
    assert list(Device.objects.values_list("mac", "serial")) == [(A, "SN1"), (B, "SN2")]
    assert sorted(ShippedUnits.objects.values_list("line__product", "quantity", "shipment__tracking")) == [
        ("headset", 2, "1Z2"),
        ("headset", 2, "77"),
        (DESK, 2, "1Z1"),
    ]
    assert Order.objects.get(pk=other.pk).state == OrderState.COMPLETED
    assert line_of(order, "headset").left == 1
    again = record(support, looked)
    assert "Something has happened since" in text(again)
    assert Shipment.objects.count() == 3
    assert again.context["plan"].refused


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("999999,headset,1,,,,", "There is no order “999999”"),
        (",headset,1,,,,", "There is no order"),
        ("{0},phone-conference,1,,,,", "holds no hardware “phone-conference”"),
        ("{0},uc-licence,1,,,,", "holds no hardware"),
        ("{0},headset,4,,,,", "3 × Headset"),
        ("{0},headset,2,,,,\n{0},headset,2,,,,", "1 × Headset"),
        ("{0},headset,,,,,", "whole number from 1"),
        ("{0},headset,0,,,,", "whole number from 1"),
        ("{0},headset,1.5,,,,", "whole number from 1"),
        ("{0},phone-desk-basic,1,,,,", "with its MAC"),
        ("{0},phone-desk-basic,2,00:15:65:00:00:0A,,,", "is for one unit"),
        ("{0},phone-desk-basic,1,nonsense,,,", "is not a MAC address"),
        ("{0},headset,1,00:15:65:00:00:0A,,,", "is no phone"),
        (
            "{0},phone-desk-basic,,00:15:65:00:00:0A,,,\n{0},phone-desk-basic,,00156500000a,,,",
            "on line 2 already",
        ),
        ("{0},phone-desk-basic,,00:15:65:00:00:0F,,,", "is a device already"),
        ("{1},headset,1,,,,", "was cancelled"),
        ("{2},headset,1,,,UPS,1ZOLD", "was recorded already"),
        ("{0},headset,1,,," + "x" * 61 + ",", "more than 60 characters"),
    ],
)
def test_a_row_that_is_refused_keeps_the_file_back(
    order: Order, support: Client, northwind: Account, rows: str, words: str, everything: Snapshot
) -> None:
    """ORD-5, ORD-6: by name, and it comes back with the reason; nothing half done."""
    gone, old = ordered(northwind, ("headset", 1)), ordered(northwind, ("headset", 5), (DESK, 1))
    cancel_units(line_of(gone, "headset"), **BY)
    ship(old, [Parcel(line_of(old, "headset"), 1)], carrier="UPS", tracking="1ZOLD", **BY)
    add_device(northwind, Product.objects.get(pk=DESK), "00:15:65:00:00:0F", **BY)
    before = everything()
    looked = look(support, rows.format(order.pk, gone.pk, old.pk))
    assert words in text(looked)
    assert "Record all shipments" not in text(looked)
    back = support.post(reverse(FILE), {"content": looked.context["content"], "do": "reasons"})
    sent = b"".join(back).decode()
    assert sent.startswith("order,product,quantity,mac,serial,carrier,tracking,line,reason")
    assert words in sent
    assert "refused" in text(record(support, looked))
    # What came back can be chosen again as it is.
    returned = SimpleUploadedFile("back.csv", sent.encode())
    assert words in text(support.post(reverse(FILE), {"file": returned}))
    assert everything() == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"order,product\n", "no rows"),
        (b"order,colour\n1,red\n", "no column"),
        (b"order\n1\n", "one of them is"),
        (b"order,product,order\n1,2,3\n", "there twice"),
        (b"order,product\n\xff\xfe,1\n", "not UTF-8"),
        (b'order,product\n"1,2\n', "is not CSV"),
        (b"order,product\n" + b"1,2\n" * 1001, "more than 1,000 rows"),
        (b"order,product\n" + b"x" * 1024 * 1024, "At most 1,048,576"),
    ],
    ids=range(9),
)
def test_a_file_that_is_none_is_refused(support: Client, content: bytes, words: str) -> None:
    answer = support.post(reverse(FILE), {"file": SimpleUploadedFile("out.csv", content)})
    assert answer.status_code == 200
    assert words in text(answer)


def test_nothing_chosen_is_said(support: Client) -> None:
    assert "Choose a file" in text(support.post(reverse(FILE)))


def test_judging_asks_no_more_for_more_rows(
    order: Order, northwind: Account, django_assert_max_num_queries: Any
) -> None:
    others = [ordered(northwind, ("headset", 1)) for _ in range(5)]
    rows = read_rows((HEADER + "".join(f"{each.pk},headset,1,,,,\n" for each in [order, *others])).encode())
    with django_assert_max_num_queries(6):
        assert not judge(rows).refused


# Together


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_the_last_unit_ships_once(northwind: Account) -> None:
    """ORD-5: several people record the same last unit at the same time."""
    order = ordered(northwind, ("headset", 1))
    rows = read_rows(f"{HEADER}{order.pk},headset,1,,,,\n".encode())
    seen = judge(rows).seen
    said: list[str] = []

    def work() -> None:
        try:
            record_file(rows, seen=seen, **BY)
            said.append("shipped")
        except (Changed, Refused):
            said.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(said) == ["refused", "refused", "refused", "shipped"]
    assert ShippedUnits.objects.count() == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_basket_in_several_tabs_is_one_order(northwind: Account) -> None:
    """ORD-3: confirmed at the same time."""
    basket, items = uuid4(), [(Product.objects.get(pk="uc-licence"), 2)]
    placed: list[tuple[int, bool]] = []

    def work() -> None:
        try:
            order, is_new = confirm_basket(northwind, basket, items, **BY)
            placed.append((order.pk, is_new))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    order = Order.objects.get()
    assert sorted(placed) == [(order.pk, False)] * 3 + [(order.pk, True)]
