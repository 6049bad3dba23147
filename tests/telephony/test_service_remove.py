"""Removing a service: what happens to its numbers is said first."""

from django.test import Client

from accounts.models import Account
from telephony.models import Service, ServiceKind
from telephony.services import add_service
from tests.factories import AT, TESTS
from tests.telephony.conftest import Snapshot, bought, fresh, last_action, page, running, text


def test_removes(client: Client, account: Account, lobby: Service) -> None:
    """Its numbers are parked, and it is no longer billed (BIL-5)."""
    held = bought(account, "+12125550101", lobby)
    response = client.post(page("service-remove", lobby.pk), follow=True)
    lobby.refresh_from_db()
    assert "Lobby was removed." in text(response)
    assert str(lobby.removed_on) == "2026-03-02"
    assert fresh(held).state == "parked"
    assert running(lobby) is None
    assert last_action() == "remove-service"


def test_says_what_it_does(client: Client, account: Account, everything: Snapshot) -> None:
    """NUM-5, BIL-3: looking changes nothing."""
    menu = add_service(account, ServiceKind.AUTO_ATTENDANT, "Menu", extension="2001", actor=TESTS, at=AT)
    add_service(account, ServiceKind.AUTO_ATTENDANT, "After hours", actor=TESTS, at=AT)
    bought(account, "+12125550101", menu)
    before = everything()
    response = client.get(page("service-remove", menu.pk))
    assert response.context["consequences"] == [
        "(212) 555-0101 is parked and stays yours.",
        "Extension 2001 is free for somebody else.",
        "After hours becomes the complimentary auto attendant.",
        "Invoices and the activity keep the name.",
    ]
    assert str(response.context["cost"].box["begins_on"]) == "2026-04-01"
    assert everything() == before


def test_twice_is_not_there(client: Client, lobby: Service, everything: Snapshot) -> None:
    client.post(page("service-remove", lobby.pk))
    before = everything()
    assert client.post(page("service-remove", lobby.pk)).status_code == 404
    assert everything() == before


def test_refuses_the_contact_center(client: Client, account: Account, everything: Snapshot) -> None:
    center = Service.objects.create(
        account=account, kind=ServiceKind.CONTACT_CENTER, name="Contact center", added_on=AT.date()
    )
    before = everything()
    response = client.post(page("service-remove", center.pk))
    assert response.status_code == 400
    assert "cannot be removed here" in text(response)
    assert page("service-remove", center.pk) not in text(client.get(page("service", center.pk)))
    assert everything() == before


def test_is_not_for_readers(reader: Client, lobby: Service, everything: Snapshot) -> None:
    """ACC-4."""
    before = everything()
    assert reader.post(page("service-remove", lobby.pk)).status_code == 403
    assert everything() == before


def test_is_not_there_for_others(client: Client, elsewhere: Account, everything: Snapshot) -> None:
    """ACC-4."""
    theirs = add_service(elsewhere, ServiceKind.WEBFAX, "Theirs", actor=TESTS, at=AT)
    before = everything()
    assert client.post(page("service-remove", theirs.pk)).status_code == 404
    assert everything() == before
