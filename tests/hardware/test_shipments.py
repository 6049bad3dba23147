"""ORD-3, ORD-5, ORD-6: what is ordered waits, what ships is charged once, what is cancelled never is."""

from typing import Any

import pytest

from accounts.models import Account
from accounts.refusals import Refused
from billing.models import Charge, InvoiceLine, OrderLine, OrderLineState, OrderState
from billing.orders import cancel_units, place_order
from hardware.macs import written_mac
from hardware.models import Device, Shipment
from hardware.shipments import Parcel, Unit, ship
from tests.billing.engine_facts import day
from tests.billing.world import an_account, bill, lines_to_come, on, price, product, trail_of

pytestmark = pytest.mark.django_db

PHONE, HEADSET = "phone-desk-basic", "headset"


@pytest.fixture
def account() -> Account:
    price(PHONE, "89.00")
    price(HEADSET, "149.00")
    return an_account()


def ordered(account: Account, quantity: int = 10, text: str = "01-05", **fields: Any) -> OrderLine:
    order = place_order(account, [(product(PHONE), quantity)], **fields, **on(account, text))
    return order.lines.get()


def billed(account: Account, text: str) -> list[InvoiceLine]:
    """The lines of the invoice of a BDOM, which is issued now; none where there is nothing to bill."""
    bill(account, text)
    return list(InvoiceLine.objects.filter(invoice__account=account, invoice__issued_on=day(text)))


def fresh(line: OrderLine) -> OrderLine:
    return OrderLine.objects.select_related("order__account", "product").get(pk=line.pk)


def test_nothing_is_charged_before_it_has_shipped(account: Account) -> None:
    """ORD-5, BIL-3: the charge waits for the shipment."""
    line = ordered(account)
    assert line.order.state == OrderState.PROCESSING
    assert lines_to_come(account, "02-15") == []
    assert trail_of(account)[-1] == "place-order"


def test_each_part_is_charged_when_it_ships_on_the_next_billing_day(account: Account) -> None:
    """ORD-5: parts ship separately, and each is charged once."""
    line = ordered(account)
    ship(line.order, [Parcel(line, 4)], **on(account, "01-10"))
    assert [(int(found.quantity), int(found.amount)) for found in billed(account, "01-15")] == [(4, 356)]
    ship(line.order, [Parcel(fresh(line), 6)], **on(account, "01-20"))
    assert [(int(found.quantity), int(found.amount)) for found in billed(account, "02-15")] == [(6, 534)]
    assert billed(account, "03-15") == []
    assert fresh(line).state == OrderLineState.SHIPPED
    assert fresh(line).order.state == OrderState.COMPLETED


def test_a_shipment_recorded_on_the_billing_day_is_on_the_next_invoice(account: Account) -> None:
    """BIL-7: the run of a day bills what had been recorded before it."""
    line = ordered(account, 1)
    assert billed(account, "01-15") == []
    ship(line.order, [Parcel(line, 1)], **on(account, "01-15"))
    assert [found.starts_on.isoformat() for found in billed(account, "02-15")] == ["2026-01-15"]


def test_the_price_is_that_of_the_order(account: Account) -> None:
    """BIL-6: locked when it was bought, whatever the catalogue says on the day of shipment."""
    line = ordered(account, 1)
    price(PHONE, "99.00", since="2026-01-08")
    ship(line.order, [Parcel(line, 1)], **on(account, "01-10"))
    assert [int(found.amount) for found in billed(account, "01-15")] == [89]


def test_what_has_not_shipped_is_cancelled_free_of_charge(account: Account) -> None:
    """ORD-5: some units, then all that are left; what has shipped stays charged."""
    line = ordered(account)
    ship(line.order, [Parcel(line, 3)], **on(account, "01-06"))
    assert cancel_units(fresh(line), 2, **on(account, "01-07")) == 2
    assert fresh(line).left == 5
    assert cancel_units(fresh(line), **on(account, "01-08")) == 5
    assert fresh(line).order.state == OrderState.COMPLETED
    assert [(int(found.quantity), int(found.amount)) for found in billed(account, "01-15")] == [(3, 267)]
    assert billed(account, "02-15") == []


def test_an_order_cancelled_whole_is_cancelled(account: Account) -> None:
    """ORD-5: nothing of it is charged, ever."""
    line = ordered(account, 2)
    cancel_units(line, **on(account, "01-07"))
    assert fresh(line).state == OrderLineState.CANCELLED
    assert fresh(line).order.state == OrderState.CANCELLED
    assert billed(account, "01-15") == []


@pytest.mark.parametrize("quantity", [0, 5, 100])
def test_more_than_waits_is_refused_and_changes_nothing(account: Account, quantity: int) -> None:
    """ORD-5: neither shipped nor cancelled."""
    line = ordered(account, 4)
    before = list(Charge.objects.values())
    for action in (
        lambda: ship(line.order, [Parcel(line, quantity)], **on(account, "01-06")),
        lambda: cancel_units(line, quantity, **on(account, "01-06")),
    ):
        with pytest.raises(Refused) as refusal:
            action()
        assert refusal.value.rule == "ORD-5"
    assert list(Charge.objects.values()) == before
    assert not Shipment.objects.exists()


def test_a_shipment_of_several_lines_is_all_or_nothing(account: Account) -> None:
    """One part that cannot leave keeps the others back."""
    order = place_order(account, [(product(PHONE), 2), (product(HEADSET), 1)], **on(account, "01-05"))
    phones, headsets = order.lines.all()
    with pytest.raises(Refused):
        ship(order, [Parcel(phones, 2), Parcel(headsets, 2)], **on(account, "01-06"))
    assert fresh(phones).left == 2
    ship(order, [Parcel(phones, 2), Parcel(headsets, 1)], **on(account, "01-06"))
    assert [(found.product, int(found.amount)) for found in billed(account, "01-15")] == [
        (PHONE, 178),
        (HEADSET, 149),
    ]


def test_shipped_units_become_devices(account: Account) -> None:
    """ORD-6: model, MAC and serial, in one way of writing."""
    line = ordered(account, 2)
    units = [Unit("001565a1b2c3", "SN1"), Unit("00-15-65-a1-b2-c4")]
    ship(line.order, [Parcel(line, 2, units)], carrier="UPS", tracking="1Z", **on(account, "01-06"))
    assert list(Device.objects.values_list("mac", "serial", "product")) == [
        ("00:15:65:A1:B2:C3", "SN1", PHONE),
        ("00:15:65:A1:B2:C4", "", PHONE),
    ]


@pytest.mark.parametrize("macs", [["00:15:65:A1:B2:C3", "001565a1b2c3"], ["nonsense"], ["00:15:65:A1:B2:C9"]])
def test_a_mac_that_is_none_or_known_is_refused_by_name(account: Account, macs: list[str]) -> None:
    """ORD-6: nothing of the shipment is kept."""
    line = ordered(account, 5)
    ship(line.order, [Parcel(line, 1, [Unit("00:15:65:A1:B2:C9")])], **on(account, "01-06"))
    with pytest.raises(Refused) as refusal:
        ship(line.order, [Parcel(fresh(line), 2, [Unit(mac) for mac in macs])], **on(account, "01-07"))
    assert refusal.value.field == "mac"
    assert fresh(line).left == 4
    assert Device.objects.count() == 1


@pytest.mark.parametrize(
    "typed", ["", "00:15:65:A1:B2", "00:15:65:A1:B2:C3:D4", "00:00:00:00:00:00", "٠٠:15:65:A1:B2:C3"]
)
def test_what_is_no_mac(typed: str) -> None:
    """ORD-6: twelve hexadecimal digits, and neither nothing nor everybody."""
    with pytest.raises(Refused):
        written_mac(typed)


def test_an_order_of_nothing_and_of_what_is_not_for_sale_is_refused(account: Account) -> None:
    """ORD-3: and nothing is left of it."""
    for items in ([], [(product("cc-activation-fee"), 1)], [(product(PHONE), 0)]):
        with pytest.raises(Refused):
            place_order(account, items, **on(account, "01-05"))
    assert not OrderLine.objects.exists()


def test_licences_of_an_order_are_there_at_once(account: Account) -> None:
    """ORD-3: with hardware beside them, the order goes on; without, it is completed."""
    price("uc-licence", "30.00")
    order = place_order(account, [(product("uc-licence"), 3)], **on(account, "01-05"))
    assert order.state == OrderState.COMPLETED
    assert Charge.objects.get(product="uc-licence").quantity == 3
