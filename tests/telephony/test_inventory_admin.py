"""The inventory in the administration: numbers come in by blocks (NUM-1), numbers and services are looked at."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Account, AuditEntry, Role
from accounts.permissions import FINANCE, ONBOARDING
from telephony.models import InventoryNumber, Number, Service
from tests import factories
from tests.telephony.conftest import Snapshot, bought, text

ADD = "/admin/telephony/inventorynumber/add/"
LIST = "/admin/telephony/inventorynumber/"


@pytest.fixture
def onboarding(db: None) -> Client:
    client = Client()
    client.force_login(factories.staff(ONBOARDING))
    return client


def listed() -> list[str]:
    return list(InventoryNumber.objects.values_list("e164", flat=True))


def test_adds_a_block(onboarding: Client, account: Account) -> None:
    """NUM-1: kind and region come from the numbers themselves; the trail has it (ACC-5)."""
    sent = {"brand": account.brand.pk, "number": "(212) 555-0198", "count": "3"}
    response = onboarding.post(ADD, sent, follow=True)
    assert "3 numbers added." in text(response)
    assert listed() == ["+12125550198", "+12125550199", "+12125550200"]
    first = InventoryNumber.objects.all()[0]
    assert (first.brand, first.area_code, first.region, first.kind) == (account.brand, "212", "NY", "local")
    assert AuditEntry.objects.all()[0].action == "add-inventory"


def test_leaves_out_what_is_somewhere(onboarding: Client, account: Account) -> None:
    """NUM-1: a number is unique among all that are live, and on one shelf."""
    bought(account, "+12125550199")
    sent = {"brand": account.brand.pk, "number": "+12125550198", "count": "2"}
    assert "1 numbers added. 1 are somewhere already" in text(onboarding.post(ADD, sent, follow=True))
    assert "0 numbers added. 2 are somewhere already" in text(onboarding.post(ADD, sent, follow=True))
    assert listed() == ["+12125550198"]


@pytest.mark.parametrize(
    ("sent", "field", "words"),
    [
        ({"number": "nonsense"}, "number", "is not a phone number"),
        ({"number": ""}, "number", "required"),
        ({"count": "0"}, "count", "greater than or equal to 1"),
        ({"count": "10001"}, "count", "less than or equal to 10000"),
        ({"number": "+12129999990", "count": "20"}, "count", "run out of its area code"),
        ({"number": "+19999999990", "count": "20"}, "count", "run out of"),
        ({"brand": "99"}, "brand", "valid choice"),
    ],
)
def test_says_what_is_wrong(
    onboarding: Client, account: Account, sent: dict[str, str], field: str, words: str, everything: Snapshot
) -> None:
    """By its field, and nothing is added; the limit too."""
    before = everything()
    good = {"brand": str(account.brand.pk), "number": "+12125550100", "count": "2"}
    response = onboarding.post(ADD, good | sent)
    assert response.status_code == 200
    assert words in str(response.context["form"].errors[field])
    assert everything() == before


def test_leads_to_the_form(onboarding: Client) -> None:
    assert f'href="{ADD}"' in text(onboarding.get(LIST))
    assert "First number" in text(onboarding.get(ADD))


def test_is_for_the_onboarding_team(account: Account, everything: Snapshot) -> None:
    """ACC-3: finance does not fill it, and to customers it is not there."""
    sent = {"brand": str(account.brand.pk), "number": "+12125550100", "count": "2"}
    before = everything()
    for user, status in ((factories.staff(FINANCE), 403), (factories.member(account, Role.OWNER), 404)):
        client = Client()
        client.force_login(user)
        assert client.post(ADD, sent).status_code == status
    assert {key: rows for key, rows in everything().items() if key.startswith("telephony")} == {
        key: rows for key, rows in before.items() if key.startswith("telephony")
    }


def test_numbers_and_services_are_looked_at(
    onboarding: Client, number: Number, lobby: Service, everything: Snapshot
) -> None:
    """NUM-2: no page of the administration writes a state."""
    before = everything()
    for name, pk in (("number", number.pk), ("service", lobby.pk)):
        url = reverse(f"admin:telephony_{name}_change", args=[pk])
        assert onboarding.get(url).status_code == 200
        assert onboarding.post(url, {"state": "released", "name": "Other"}).status_code == 403
        assert onboarding.get(reverse(f"admin:telephony_{name}_add")).status_code == 403
    assert everything() == before
