"""Ports in the administration: the queue by age, and the two actions of support."""

from datetime import date, timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounts.models import Account, AuditEntry, Role, User
from accounts.permissions import FINANCE, ONBOARDING, SUPPORT
from telephony.models import PortDirection, PortRequest, PortState
from telephony.porting import reject_port, request_port, submit_port
from tests import factories
from tests.conftest import PAGE_QUERIES
from tests.factories import AT, TESTS
from tests.telephony.conftest import Snapshot, text

LIST = "/admin/telephony/portrequest/"


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def support(db: None) -> Client:
    return client_of(factories.staff(SUPPORT, email="theo@provider.example"))


@pytest.fixture
def port(account: Account) -> PortRequest:
    """Submitted on March 2."""
    return submitted(account, "+12125550140")


def submitted(account: Account, *numbers: str, days: int = 0) -> PortRequest:
    at = AT + timedelta(days=days)
    request = request_port(
        account, PortDirection.IN, numbers, carrier="Old Carrier", authorised_by="Ann", actor=TESTS, at=at
    )
    submit_port(request, actor=TESTS, at=at)
    return request


def page_of(port: PortRequest, page: str = "change") -> str:
    return f"{LIST}{port.pk}/{page}/"


def state(port: PortRequest) -> str:
    return PortRequest.objects.values_list("state", flat=True).get(pk=port.pk)


def test_queue_holds_what_is_submitted_the_oldest_first(
    support: Client, account: Account, elsewhere: Account, port: PortRequest
) -> None:
    later = submitted(elsewhere, "+12125550150", "+12125550151", days=2)
    request_port(
        account, PortDirection.IN, ["+12125550149"], carrier="Draft", authorised_by="A", actor=TESTS, at=AT
    )
    with time_machine.travel(AT + timedelta(days=5), tick=False):
        response = support.get(LIST)
    assert [row.pk for row in response.context["cl"].result_list] == [port.pk, later.pk]
    answer = text(response)
    for words in ("Northwind", account.brand.name, "5 days", "3 days", "(212) 555-0150 and 1 more"):
        assert words in answer, words


@pytest.mark.parametrize(
    ("query", "is_there"),
    [
        ("", True),
        ("state=confirmed", False),
        ("state=all", True),
        ("state=nonsense", True),
        ("direction__exact=in", True),
        ("direction__exact=out", False),
        ("q=5550140", True),
        ("q=northw", True),
        ("q=nobody", False),
    ],
)
def test_queue_is_filtered_and_searched(
    support: Client, port: PortRequest, query: str, is_there: bool
) -> None:
    found = support.get(f"{LIST}?{query}").context["cl"].result_list
    assert [row.pk for row in found] == ([port.pk] if is_there else [])


def test_queue_is_cheap(
    support: Client, account: Account, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for place in range(20):
        submitted(account, f"+121255501{place:02d}")
    with django_assert_max_num_queries(PAGE_QUERIES):
        assert support.get(LIST).status_code == 200


def test_support_confirms_and_moves_the_day(support: Client, port: PortRequest) -> None:
    """ACC-5: an action each, with who did it."""
    assert "Confirm for a day" in text(support.get(page_of(port)))
    assert support.get(page_of(port, "confirm")).status_code == 200
    for day in ("2026-03-20", "2026-03-25"):
        response = support.post(page_of(port, "confirm"), {"confirmed_for": day}, follow=True)
        assert "is confirmed for" in text(response)
        assert PortRequest.objects.get().confirmed_for == date.fromisoformat(day)
    assert "Move the day" in text(support.get(page_of(port)))
    entries = AuditEntry.objects.filter(action="confirm-port", account=port.account)
    assert [entry.by for entry in entries] == ["theo@provider.example"] * 2


def test_support_rejects_with_a_reason(support: Client, port: PortRequest) -> None:
    assert "customer reads it" in text(support.post(page_of(port, "reject"), {"reason": " "}))
    assert state(port) == PortState.SUBMITTED
    support.post(page_of(port, "reject"), {"reason": "The name does not match"})
    assert PortRequest.objects.get().reason == "The name does not match"
    assert AuditEntry.objects.filter(action="reject-port", by="theo@provider.example").exists()
    assert "Confirm for a day" not in text(support.get(page_of(port)))


@pytest.mark.parametrize(
    ("day", "words"), [("2026-03-02", "is not a day to come"), ("soon", "Give a day"), ("", "Give the day")]
)
def test_day_that_cannot_be_is_refused(support: Client, port: PortRequest, day: str, words: str) -> None:
    response = support.post(page_of(port, "confirm"), {"confirmed_for": day})
    assert response.status_code == 200
    assert words in text(response)
    assert state(port) == PortState.SUBMITTED


def test_what_is_over_is_refused(support: Client, port: PortRequest, everything: Snapshot) -> None:
    reject_port(port, "No", actor=TESTS, at=AT)
    before = everything()
    response = support.post(page_of(port, "confirm"), {"confirmed_for": "2026-03-20"})
    assert response.status_code == 409
    assert "is rejected" in text(response)
    assert support.post(page_of(port, "reject"), {"reason": "Again"}).status_code == 409
    assert everything() == before


@pytest.mark.parametrize("group", [ONBOARDING, FINANCE])
def test_other_staff_look(port: PortRequest, group: str, everything: Snapshot) -> None:
    """ACC-3."""
    client = client_of(factories.staff(group))
    before = everything()
    assert client.get(LIST).status_code == 200
    answer = text(client.get(page_of(port)))
    assert "(212) 555-0140" in answer
    assert "Confirm for a day" not in answer
    for action, sent in (("confirm", {"confirmed_for": "2026-03-20"}), ("reject", {"reason": "No"})):
        assert client.get(page_of(port, action)).status_code == 403
        assert client.post(page_of(port, action), sent).status_code == 403
    assert everything() == before


def test_superuser_confirms(port: PortRequest) -> None:
    root = client_of(factories.UserFactory(is_staff=True, is_superuser=True))
    root.post(page_of(port, "confirm"), {"confirmed_for": "2026-03-20"})
    assert state(port) == PortState.CONFIRMED


def test_no_field_is_editable_and_nothing_is_added_or_deleted(
    port: PortRequest, everything: Snapshot
) -> None:
    """ACC-5: by superusers neither."""
    root = client_of(factories.UserFactory(is_staff=True, is_superuser=True))
    before = everything()
    assert root.post(page_of(port), {"state": "done", "carrier": "Forged"}).status_code == 403
    assert root.get(reverse("admin:telephony_portrequest_add")).status_code == 403
    assert root.post(reverse("admin:telephony_portrequest_delete", args=[port.pk])).status_code == 403
    assert everything() == before


def test_customers_find_nothing(account: Account, port: PortRequest, everything: Snapshot) -> None:
    """ACC-3."""
    client = client_of(factories.member(account, Role.OWNER))
    before = everything()
    for address in (LIST, page_of(port), page_of(port, "confirm"), page_of(port, "reject")):
        assert client.post(address, {"confirmed_for": "2026-03-20", "reason": "x"}).status_code != 200
    assert state(port) == PortState.SUBMITTED
    assert everything() == before


def test_unknown_request_is_404(support: Client, port: PortRequest) -> None:
    assert support.get(f"{LIST}{port.pk + 1}/confirm/").status_code == 404
