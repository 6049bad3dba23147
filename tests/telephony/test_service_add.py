"""Adding a service: its price by its kind, the extension suggested."""

from collections.abc import Callable

import pytest
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account, EndUser
from telephony.models import Service, ServiceKind
from telephony.services import add_service
from tests.factories import AT, TESTS
from tests.telephony.conftest import Snapshot, last_action, page, running, text


def test_adds(client: Client) -> None:
    """BIL-3: billed from today."""
    sent = {"kind": "fax-line", "name": "Referrals", "extension": "2001"}
    response = client.post(page("service-add"), sent, follow=True)
    added = Service.objects.get()
    charge = running(added)
    assert (added.kind, added.name, added.extension) == ("fax-line", "Referrals", "2001")
    assert charge is not None
    assert str(charge.billing_starts_on) == "2026-03-02"
    assert "Fax line Referrals added." in text(response)
    assert last_action() == "add-service"


def test_suggests_the_next_extension(client: Client, dana: EndUser) -> None:
    """NUM-6: after the highest that is taken."""
    assert client.get(page("service-add")).context["form"]["extension"].value() == "1002"


def test_names_the_price_of_each_kind(client: Client, account: Account) -> None:
    """NUM-5: the first auto attendant is complimentary, and the next one is not."""

    def prices() -> dict[str, str]:
        choices = client.get(page("service-add")).context["groups"][0].choices
        return {choice.value: str(choice.amount) for choice in choices}

    assert prices() == {
        "resource-line": "12.99000000",
        "fax-line": "14.99000000",
        "webfax": "9.99000000",
        "auto-attendant": "None",
        "hunt-group": "None",
    }
    add_service(account, ServiceKind.AUTO_ATTENDANT, "Menu", actor=TESTS, at=AT)
    assert prices()["auto-attendant"] == "9.99000000"


def test_says_what_it_costs(client: Client, everything: Snapshot) -> None:
    """BIL-3, BIL-4: by the kind alone, before there is a name, and looking changes nothing."""
    before = everything()
    box = client.get(page("service-add"), {"kind": "resource-line"}).context["cost"].box
    assert (str(box["monthly"]), str(box["begins_on"])) == ("12.99", "2026-03-02")
    # 8 of 28 days up to the BDOM, and the month ahead.
    assert str(box["next_then"] - box["next_now"]) == "16.70"
    assert [line["label"] for line in box["lines"]] == ["Resource line"]
    box = client.get(page("service-add"), {"kind": "auto-attendant"}).context["cost"].box
    assert str(box["monthly"]) == "0.00"
    assert everything() == before


def test_shows_the_cost_without_script(client: Client, everything: Snapshot) -> None:
    before = everything()
    response = client.post(page("service-add"), {"kind": "webfax", "name": "Fax", "preview": "1"})
    assert "$9.99" in text(response)
    assert 'value="Fax"' in text(response)
    assert everything() == before


@pytest.mark.parametrize(
    ("sent", "field", "words"),
    [
        ({"kind": ""}, "kind", "Choose what kind of service it is."),
        ({"kind": "nonsense"}, "kind", "on offer"),
        ({"kind": "contact-center"}, "kind", "on offer"),
        ({"name": " "}, "name", "Enter a name"),
        ({"name": "x" * 81}, "name", "at most 80"),
        ({"name": "Lobby"}, "name", "already"),
        ({"extension": "12"}, "extension", "have 4 digits"),
        ({"extension": "1001"}, "extension", "is taken by Dana Whitfield"),
        ({"extension": "1" * 9}, "extension", "at most 8"),
    ],
)
def test_says_what_is_wrong(
    client: Client,
    dana: EndUser,
    lobby: Service,
    everything: Snapshot,
    sent: dict[str, str],
    field: str,
    words: str,
) -> None:
    """NUM-6: by its field, with what was typed kept, and nothing changed."""
    before = everything()
    typed = {"kind": "resource-line", "name": "Kitchen", "extension": "2001", **sent}
    response = client.post(page("service-add"), typed)
    form = response.context["form"]
    assert response.status_code == 200
    assert words in str(form.errors[field])
    assert {name: form[name].value() for name in typed} == typed
    assert everything() == before


def test_is_not_for_readers(reader: Client, everything: Snapshot) -> None:
    """ACC-4."""
    before = everything()
    assert reader.post(page("service-add"), {"kind": "webfax", "name": "Fax"}).status_code == 403
    assert everything() == before


def test_is_not_there_for_others(client: Client, elsewhere: Account, everything: Snapshot) -> None:
    """ACC-4."""
    before = everything()
    sent = {"kind": "webfax", "name": "Fax"}
    assert client.post(page("service-add", account="elsewhere"), sent).status_code == 404
    assert everything() == before


def test_asks_little(client: Client, opens_cheaply: Callable[[Client, str], HttpResponseBase]) -> None:
    opens_cheaply(client, page("service-add"))
