"""Contact Center for people, and the numbers that ring there (ONB-4)."""

import csv
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.http.response import HttpResponseBase, StreamingHttpResponse
from django.test import Client

from accounts.models import Account, EndUser
from billing.licences import add_licences, assign_licence
from billing.models import LicenceAssignment, Product
from billing.subscriptions import end_subscription
from telephony.contact_center import activate, install
from telephony.models import ContactCenter, Edition, Number
from telephony.numbers import assign_number
from tests import factories
from tests.billing.subscribed import PRO, subscribe
from tests.factories import AT, TESTS
from tests.telephony.conftest import Snapshot, bought, fresh, page, text

Opens = Callable[[Client, str], HttpResponseBase]


@pytest.fixture
def pro(account: Account) -> ContactCenter:
    """A Contact Center Pro in onboarding since today."""
    return install(account, Edition.PRO, actor=TESTS, at=AT)


@pytest.fixture
def people(account: Account) -> list[EndUser]:
    return [factories.EndUserFactory(account=account, name=f"Person {place}") for place in range(5)]


def with_it() -> set[str]:
    """The names of those who have Contact Center."""
    held = LicenceAssignment.objects.filter(unassigned_on=None, product__family="contact-center")
    return set(held.values_list("end_user__name", flat=True))


def keys(*people: EndUser) -> list[int]:
    return [end_user.pk for end_user in people]


def rows_of(response: HttpResponseBase) -> list[dict[str, str]]:
    """The rows of a file that was sent."""
    assert isinstance(response, StreamingHttpResponse)
    return list(csv.DictReader(response.getvalue().decode().splitlines()))


def test_assigns_in_bulk_without_limit(client: Client, pro: ContactCenter, people: list[EndUser]) -> None:
    """ONB-4: in onboarding also beyond the licences."""
    sent = {"action": "assign", "selected": keys(*people)}
    response = client.post(page("contact-center-users"), sent, follow=True)
    assert "Contact Center assigned to 5 users." in text(response)
    assert len(with_it()) == 5


def test_unassigns(client: Client, pro: ContactCenter, people: list[EndUser]) -> None:
    client.post(page("contact-center-users"), {"action": "assign", "selected": keys(*people)})
    sent = {"action": "unassign", "selected": keys(*people[:2])}
    response = client.post(page("contact-center-users") + "?contact_center=with", sent)
    # Back to the list as it was filtered.
    assert response.headers["Location"].endswith("?contact_center=with")
    assert with_it() == {"Person 2", "Person 3", "Person 4"}


def test_all_or_none(
    client: Client, account: Account, pro: ContactCenter, people: list[EndUser], everything: Snapshot
) -> None:
    """LIC-1: once active each needs a free licence; with too few nobody gets one, and the choice is kept."""
    activate(pro, reason="Ready", actor=TESTS, at=AT)
    add_licences(account, Product.objects.get(pk="cc-pro-licence"), 2, actor=TESTS, at=AT)
    before = everything()
    response = client.post(page("contact-center-users"), {"action": "assign", "selected": keys(*people[:3])})
    assert response.status_code == 400
    assert response.context["refusal"].rule == "LIC-1"
    assert response.context["chosen"] == set(keys(*people[:3]))
    assert everything() == before
    client.post(page("contact-center-users"), {"action": "assign", "selected": keys(*people[:2])})
    assert with_it() == {"Person 0", "Person 1"}


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({}, {"Person 0", "Person 1", "Person 2", "Person 3", "Person 4"}),
        ({"contact_center": "with"}, {"Person 1"}),
        ({"contact_center": "without"}, {"Person 0", "Person 2", "Person 3", "Person 4"}),
        ({"q": "person 3"}, {"Person 3"}),
        ({"q": "nobody"}, set()),
    ],
)
def test_filters(
    client: Client,
    pro: ContactCenter,
    people: list[EndUser],
    filters: dict[str, str],
    names: set[str],
) -> None:
    client.post(page("contact-center-users"), {"action": "assign", "selected": keys(people[1])})
    rows = client.get(page("contact-center-users"), filters).context["rows"]
    assert {end_user.name for end_user, _, _ in rows} == names


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"action": "assign"},
        {"action": "assign", "selected": "x"},
        {"action": "promote", "selected": "1"},
        {"action": "assign", "selected": [str(key) for key in range(101)]},
    ],
)
def test_bad_input(
    client: Client, pro: ContactCenter, sent: dict[str, str | list[str]], everything: Snapshot
) -> None:
    before = everything()
    response = client.post(page("contact-center-users"), sent)
    assert response.status_code == 400
    assert "Nothing was changed." in text(response)
    assert everything() == before


def test_of_another_account(
    client: Client, pro: ContactCenter, elsewhere: Account, people: list[EndUser], everything: Snapshot
) -> None:
    """ACC-4: 404, and nobody gets it."""
    stranger = factories.EndUserFactory(account=elsewhere)
    before = everything()
    sent = {"action": "assign", "selected": keys(people[0], stranger)}
    assert client.post(page("contact-center-users"), sent).status_code == 404
    assert everything() == before


def test_reader_only_looks(reader: Client, pro: ContactCenter, people: list[EndUser]) -> None:
    """ACC-4"""
    assert "Assign" not in text(reader.get(page("contact-center-users"))).split("<tbody>")[1]
    sent = {"action": "assign", "selected": keys(*people)}
    assert reader.post(page("contact-center-users"), sent).status_code == 403
    assert with_it() == set()


def test_lists_are_cheap(
    client: Client, account: Account, pro: ContactCenter, people: list[EndUser], opens_cheaply: Opens
) -> None:
    for place in range(8):
        bought(account, f"+1212555014{place}", pro.service)
    client.post(page("contact-center-users"), {"action": "assign", "selected": keys(*people)})
    for name in ("", "-subscription", "-users", "-numbers", "-toll-free"):
        opens_cheaply(client, page(f"contact-center{name}"))


def test_users_as_a_file(client: Client, pro: ContactCenter, people: list[EndUser]) -> None:
    """What the filters let through, all of it; it is linked where the list is."""
    client.post(page("contact-center-users"), {"action": "assign", "selected": keys(people[0])})
    assert page("contact-center-users-csv") in text(client.get(page("contact-center-users")))
    response = client.get(page("contact-center-users-csv"), {"contact_center": "with"})
    assert response.headers["Content-Disposition"].endswith('"northwind-contact-center-users.csv"')
    [row] = rows_of(response)
    assert (row["name"], row["contact center since"]) == (people[0].name, "2026-03-02")
    assert len(rows_of(client.get(page("contact-center-users-csv")))) == len(people)


class TestNumbers:
    def test_as_a_file(self, client: Client, account: Account, pro: ContactCenter, number: Number) -> None:
        """NUM-4: each with its cost, and those of others are not in it."""
        bought(account, "+12125550141", pro.service)
        free = bought(account, "+18005550142", pro.service)
        assert page("contact-center-numbers-csv") in text(client.get(page("contact-center-numbers")))
        assert len(rows_of(client.get(page("contact-center-numbers-csv")))) == 2
        [row] = rows_of(client.get(page("contact-center-numbers-csv"), {"kind": "toll-free"}))
        assert (row["number"], row["cost"]) == (free.e164, "additional")

    def test_local_and_toll_free(
        self, client: Client, account: Account, pro: ContactCenter, number: Number
    ) -> None:
        """NUM-4, ONB-4: each with what it costs; those of others are not there."""
        local = bought(account, "+12125550141", pro.service)
        free = bought(account, "+18005550142", pro.service)
        response = client.get(page("contact-center-numbers"))
        assert [row.number for row in response.context["rows"]] == [local, free]
        assert "$2.50" in text(response)
        only = client.get(page("contact-center-numbers"), {"kind": "toll-free"})
        assert [row.number for row in only.context["rows"]] == [free]

    def test_assigns_from_here_and_comes_back(
        self, client: Client, pro: ContactCenter, number: Number
    ) -> None:
        """ONB-4: by the page that all holders share."""
        assign = client.get(page("contact-center-numbers")).context["assign_url"]
        to = f"service:{pro.service_id}"
        assert assign.endswith(f"?to={to}")
        response = client.post(assign.split("?")[0], {"to": to, "number": number.pk})
        assert response.headers["Location"] == page("contact-center-numbers")
        assert fresh(number).service == pro.service

    def test_parked_ones_are_gone(self, client: Client, account: Account, pro: ContactCenter) -> None:
        number = bought(account, "+12125550141", pro.service)
        client.post(page("number-park", number.pk))
        assert not client.get(page("contact-center-numbers")).context["rows"]
        assign_number(fresh(number), to=pro.service, actor=TESTS, at=AT)
        assert client.get(page("contact-center-numbers")).context["rows"]


def test_tells_whose_subscription_gives_no_access(
    client: Client, account: Account, pro: ContactCenter, people: list[EndUser], opens_cheaply: Opens
) -> None:
    """SUB-8: the assignment counts, not the tenant; licences of subscriptions are counted among what there is."""
    term = subscribe(account, "Sales", AT.date(), AT.date() + timedelta(days=90), {PRO: 2})
    product = Product.objects.get(pk=PRO)
    assign_licence(people[0], product, subscription=term, actor=TESTS, at=AT)
    assign_licence(people[1], product, actor=TESTS, at=AT)
    address = page("contact-center-users")
    shown = client.get(address)
    assert "No access" not in text(shown)
    assert (shown.context["assigned"], shown.context["bought"]) == (2, 2)
    end_subscription(term, actor=TESTS, at=AT)
    opens_cheaply(client, address)
    assert text(client.get(address)).count("No access: subscription Sales ended on") == 1
    barred = client.get(f"{address}?contact_center=barred").context["page"].rows
    assert [end_user.name for end_user in barred] == ["Person 0"]
    assert client.get(page("contact-center-subscription")).context["assigned"] == 1
