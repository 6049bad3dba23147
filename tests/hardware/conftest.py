"""An account with people, a line, a location and phones, on the day on which everything in tests happens."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.test import Client
from django.urls import reverse

from accounts.models import Account, AuditEntry, EndUser, Location, Role, User
from billing.models import Product
from hardware.devices import Holder, add_device, assign_device
from hardware.models import Device
from telephony.models import Service, ServiceKind
from telephony.services import add_service
from tests import factories
from tests.factories import AT, TESTS

Snapshot = Callable[[], dict[str, list[tuple[Any, ...]]]]
A, B, C = "00:15:65:00:00:0A", "00:15:65:00:00:0B", "00:04:F2:00:00:0C"
DESK, CONFERENCE = "phone-desk-basic", "phone-conference"
BY: dict[str, Any] = {"actor": TESTS, "at": AT}


@pytest.fixture
def _today() -> Iterator[None]:
    """The panel's clock stands at AT."""
    with time_machine.travel(AT, tick=False):
        yield


@pytest.fixture
def northwind(db: None) -> Account:
    found: Account = factories.AccountFactory(slug="northwind", name="Northwind")
    return found


@pytest.fixture
def elsewhere(northwind: Account) -> Account:
    """Another account of the same brand."""
    found: Account = factories.AccountFactory(slug="elsewhere", name="Elsewhere", brand=northwind.brand)
    return found


@pytest.fixture
def client(northwind: Account) -> Client:
    """The owner's browser."""
    return browser(factories.member(northwind, Role.OWNER, email="olivia@northwind.example"))


@pytest.fixture
def reader(northwind: Account) -> Client:
    """The browser of a member who may only look."""
    return browser(factories.member(northwind, Role.READ_ONLY))


@pytest.fixture
def dana(northwind: Account) -> EndUser:
    found: EndUser = factories.EndUserFactory(account=northwind, name="Dana Whitfield", extension="1001")
    return found


@pytest.fixture
def lobby(northwind: Account) -> Service:
    return add_service(northwind, ServiceKind.RESOURCE_LINE, "Lobby", extension="2001", **BY)


@pytest.fixture
def office(northwind: Account) -> Location:
    found: Location = factories.LocationFactory(account=northwind, name="Head office")
    return found


@pytest.fixture
def phone(northwind: Account) -> Device:
    """A desk phone that nobody has."""
    return a_phone(northwind, A)


@pytest.fixture
def other(northwind: Account) -> Device:
    """Another one."""
    return a_phone(northwind, B)


@pytest.fixture
def everything() -> Snapshot:
    """``everything()`` is each row of the panel's tables, to see that nothing changed."""

    def rows() -> dict[str, list[tuple[Any, ...]]]:
        return {
            model._meta.label: list(model._default_manager.order_by("pk").values_list())
            for label in ("accounts", "billing", "telephony", "hardware")
            for model in apps.get_app_config(label).get_models()
            if model is not User
        }

    return rows


def browser(user: User) -> Client:
    """A browser in which somebody is signed in."""
    client = Client(REMOTE_ADDR="203.0.113.7")
    client.force_login(user)
    return client


def a_phone(account: Account, mac: str, product: str = DESK, serial: str = "") -> Device:
    """A device that nobody has."""
    return add_device(account, Product.objects.get(pk=product), mac, serial=serial, **BY)


def handed(device: Device, to: Holder, location: Location, **by: Any) -> Device:
    """The device, assigned."""
    return assign_device(device, to=to, location=location, is_acknowledged=True, **{**BY, **by})


def fresh(device: Device) -> Device:
    """The device as it is kept now."""
    devices = Device.objects.select_related("account__brand", "product", "end_user", "service", "location")
    return devices.get(pk=device.pk)


def trail(device: Device) -> list[str]:
    """What was done with a device, the earliest first."""
    entries = AuditEntry.objects.filter(target_kind="device", target_id=str(device.pk)).order_by("id")
    return list(entries.values_list("action", flat=True))


def page(name: str, *args: object, account: str = "northwind") -> str:
    """The address of a page of devices."""
    return reverse(f"hardware:{name}", args=[account, *args])


def text(response: Any) -> str:
    """What a page says."""
    content: bytes = response.content
    return content.decode()
