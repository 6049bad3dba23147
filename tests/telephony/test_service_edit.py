"""Changing a service's name and extension."""

from collections.abc import Callable

import pytest
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account, EndUser
from telephony.models import Service, ServiceKind
from telephony.services import add_service
from tests.factories import AT, TESTS
from tests.telephony.conftest import Snapshot, last_action, page, running


def test_changes(
    client: Client, lobby: Service, opens_cheaply: Callable[[Client, str], HttpResponseBase]
) -> None:
    """NUM-6, NUM-7: the charge goes on under the new name."""
    before = running(lobby)
    opens_cheaply(client, page("service-edit", lobby.pk))
    client.post(page("service-edit", lobby.pk), {"name": "Foyer", "extension": "2001"})
    lobby.refresh_from_db()
    after = running(lobby)
    assert (lobby.name, lobby.extension) == ("Foyer", "2001")
    assert after == before
    assert after is not None
    assert after.holder == "Foyer"
    assert last_action() == "edit-service"


@pytest.mark.parametrize(
    ("sent", "field", "words"),
    [
        ({"name": ""}, "name", "Enter a name"),
        ({"name": "Kitchen"}, "name", "is taken by another"),
        ({"name": "x" * 81}, "name", "at most 80"),
        ({"extension": "1001"}, "extension", "is taken by Dana Whitfield"),
        ({"extension": "abcd"}, "extension", "have 4 digits"),
    ],
)
def test_says_what_is_wrong(
    client: Client,
    account: Account,
    dana: EndUser,
    lobby: Service,
    everything: Snapshot,
    sent: dict[str, str],
    field: str,
    words: str,
) -> None:
    """NUM-6: by its field, with what was typed kept, and nothing changed."""
    add_service(account, ServiceKind.RESOURCE_LINE, "Kitchen", actor=TESTS, at=AT)
    before = everything()
    typed = {"name": "Foyer", "extension": "2001", **sent}
    form = client.post(page("service-edit", lobby.pk), typed).context["form"]
    assert words in str(form.errors[field])
    assert {name: form[name].value() for name in typed} == typed
    assert everything() == before


def test_is_not_for_readers(reader: Client, lobby: Service, everything: Snapshot) -> None:
    """ACC-4."""
    before = everything()
    assert reader.post(page("service-edit", lobby.pk), {"name": "Foyer"}).status_code == 403
    assert everything() == before


def test_is_not_there_for_others(client: Client, elsewhere: Account, everything: Snapshot) -> None:
    """ACC-4."""
    theirs = add_service(elsewhere, ServiceKind.WEBFAX, "Theirs", actor=TESTS, at=AT)
    before = everything()
    assert client.post(page("service-edit", theirs.pk), {"name": "Ours"}).status_code == 404
    assert everything() == before
