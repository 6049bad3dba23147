"""Devices in the administration: who looks, and what the onboarding team and support do there (ACC-3)."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Account, AuditEntry, EndUser, Location
from accounts.permissions import FINANCE, ONBOARDING, SUPPORT
from hardware.models import Device, ProductFamily, RefusedCheckIns, SipServer
from hardware.provisioning import secret_of
from tests import factories
from tests.factories import AT
from tests.hardware.conftest import DESK, A, browser, fresh, handed, text

pytestmark = pytest.mark.django_db

LIST, ADD = "admin:hardware_device_changelist", "admin:hardware_device_add"


@pytest.fixture
def support(db: None) -> Client:
    return browser(factories.staff(SUPPORT))


@pytest.fixture
def finance(db: None) -> Client:
    return browser(factories.staff(FINANCE))


def do(client: Client, action: str, *devices: Device) -> Any:
    sent = {"action": action, "_selected_action": [device.pk for device in devices]}
    return client.post(reverse(LIST), sent, follow=True)


def test_all_staff_look(support: Client, finance: Client, phone: Device) -> None:
    """ACC-3: only those who set phones up see the address."""
    RefusedCheckIns.objects.create(day=AT.date(), unknown_mac=7, wrong_secret=3)
    url = reverse("admin:hardware_device_change", args=[phone.pk])
    for client in (support, finance):
        assert "7 unknown MAC, 3 wrong secret" in text(client.get(reverse(LIST)))
        assert client.get(url).status_code == 200
    assert secret_of(phone) in text(support.get(url))
    assert secret_of(phone) not in text(finance.get(url))


@pytest.mark.parametrize("state", ["active", "unassigned", "not-connected", "not-rebooted", "retired"])
def test_filters_by_state(
    support: Client, phone: Device, dana: EndUser, office: Location, state: str
) -> None:
    """ORD-6."""
    if state != "unassigned":
        handed(phone, dana, office)
    hours = {"active": (1, 1), "not-rebooted": (1, None)}.get(state, (None, None))
    connected, rebooted = (None if hour is None else AT.replace(hour=20) for hour in hours)
    Device.objects.update(connected_at=connected, rebooted_at=rebooted)
    if state == "retired":
        do(support, "retire", phone)
    for asked in ("active", "unassigned", "not-connected", "not-rebooted", "retired"):
        found = phone.mac in text(support.get(reverse(LIST), {"state": asked}))
        assert found == (asked == state), asked


def test_support_acts(support: Client, phone: Device, dana: EndUser, office: Location) -> None:
    """ORD-6, ACC-5: by the panel's own actions, each in the trail."""
    handed(phone, dana, office)
    secret = secret_of(phone)
    assert "1 device is with nobody." in text(do(support, "take_back", phone))
    do(support, "make_new_addresses", phone)
    assert secret_of(fresh(phone)) != secret
    do(support, "retire", phone)
    assert "was retired" in text(do(support, "retire", phone))
    actions = ("unassign-device", "renew-device-secret", "retire-device")
    assert AuditEntry.objects.filter(action__in=actions, account=phone.account).count() == 3


def test_finance_does_not(finance: Client, phone: Device) -> None:
    """ACC-3."""
    do(finance, "retire", phone)
    assert fresh(phone).retired_on is None
    assert finance.get(reverse(ADD)).status_code == 403


def test_a_unit_of_the_customer_s_own_is_taken_in(support: Client, northwind: Account) -> None:
    """ORD-6."""
    sent = {"account": str(northwind.pk), "product": DESK, "mac": "001565-00000a", "serial": "S1"}
    response = support.post(reverse(ADD), sent)
    added = Device.objects.get()
    assert response.headers["Location"] == reverse("admin:hardware_device_change", args=[added.pk])
    assert (added.mac, added.account, added.units) == (A, northwind, None)
    assert "is a device already" in text(support.post(reverse(ADD), sent))
    assert Device.objects.count() == 1


def test_onboarding_keeps_families_and_servers(northwind: Account) -> None:
    """ACC-5."""
    client = browser(factories.staff(ONBOARDING))
    family = ProductFamily.objects.get(product=DESK)
    assert family.family == "yealink"
    url = reverse("admin:hardware_productfamily_change", args=[family.pk])
    client.post(url, {"product": DESK, "family": "poly"})
    family.refresh_from_db()
    assert family.family == "poly"
    sent = {"brand": str(northwind.brand.pk), "host": "sip.brand.example", "port": "5061"}
    bad = client.post(reverse("admin:hardware_sipserver_add"), {**sent, "host": "a b\nc"})
    assert bad.status_code == 200
    client.post(reverse("admin:hardware_sipserver_add"), sent)
    assert SipServer.objects.get().host == "sip.brand.example"
    assert AuditEntry.objects.filter(action__in=("edit-phone-family", "add-SIP-server")).count() == 2
