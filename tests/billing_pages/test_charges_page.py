"""The ledger's page: what it shows, how it is narrowed, turned and taken along."""

import csv
import io
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account, Role
from billing.licences import add_licences, remove_licences
from billing.models import Charge, Product
from telephony.models import ServiceKind
from telephony.numbers import add_number
from telephony.services import add_service
from tests.billing_pages.conftest import OPENED, TODAY, Story

PAGE = "/a/acme/billing/charges/"

OpensCheaply = Callable[[Client, str], HttpResponseBase]


@pytest.fixture
def ledger(story: Story, uc: Product) -> Story:
    """Licences that are billed, a number that waits, a fax line, licences that ended before they were billed."""
    story.on(OPENED, lambda by: add_licences(story.account, uc, 5, **by))
    story.on(
        date(2026, 1, 20), lambda by: add_service(story.account, ServiceKind.FAX_LINE, "Front desk", **by)
    )
    story.on(date(2026, 2, 1), lambda by: add_licences(story.account, uc, 2, **by))
    story.on(date(2026, 2, 2), lambda by: remove_licences(story.account, uc, 2, **by))
    story.on(TODAY - timedelta(days=3), lambda by: add_number(story.account, "+12125550100", **by))
    story.play()
    return story


def shown(client: Client, **query: str) -> list[tuple[str, str]]:
    """Product and state of each row."""
    rows = client.get(PAGE, query).context["rows"]
    return [(row["charge"].product_id, row["charge"].state) for row in rows]


NUMBER, FAX = ("number-local", "waiting"), ("fax-line", "billing")
LICENCES, GONE = ("uc-licence", "billing"), ("uc-licence", "ended")


def test_all_charges_the_newest_first(ledger: Story, owner_client: Client) -> None:
    assert shown(owner_client) == [NUMBER, GONE, FAX, LICENCES]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"state": "waiting"}, [NUMBER]),
        ({"state": "ended"}, [GONE]),
        ({"product": "uc-licence"}, [GONE, LICENCES]),
        ({"q": "(212) 555-0100"}, [NUMBER]),
        ({"q": "front"}, [FAX]),
        ({"q": "licence"}, [GONE, LICENCES]),
        ({"q": "nothing like it"}, []),
        ({"sort": "added"}, [LICENCES, FAX, GONE, NUMBER]),
        ({"sort": "price"}, [NUMBER, FAX, LICENCES, GONE]),
        ({"sort": "begins"}, [LICENCES, FAX, GONE, NUMBER]),
        ({"sort": "nonsense", "state": "x", "product": "y"}, [NUMBER, GONE, FAX, LICENCES]),
    ],
)
def test_it_is_narrowed_and_sorted(
    query: dict[str, str], expected: list[tuple[str, str]], ledger: Story, owner_client: Client
) -> None:
    assert shown(owner_client, **query) == expected


def test_when_billing_begins_and_what_never_was_billed(ledger: Story, owner_client: Client) -> None:
    """BIL-3, BIL-5."""
    page = owner_client.get(PAGE).content.decode()
    assert "after 30 free days" in page
    assert "after 7 free days" in page
    assert page.count("Never billed") == 1


def test_only_those_who_may_open_it_are_led_to_a_number(
    ledger: Story, owner_client: Client, role_client: Callable[[Role], Client]
) -> None:
    """ACC-1: the billing role reads the ledger, and has no business with numbers."""
    number = Charge.objects.get(product="number-local").subject.partition(":")[2]
    link = f'href="/a/acme/numbers/{number}/"'
    assert link in owner_client.get(PAGE).content.decode()
    assert link not in role_client(Role.BILLING).get(PAGE).content.decode()


def test_the_file_holds_what_is_filtered(ledger: Story, owner_client: Client) -> None:
    answer = owner_client.get("/a/acme/billing/charges.csv", {"state": "billing"})
    header, *rows = csv.reader(io.StringIO(answer.getvalue().decode()))
    told = [dict(zip(header, row, strict=True)) for row in rows]
    assert [(row["product"], row["unit price"], row["billing begins on"]) for row in told] == [
        ("uc-licence", "29.99", "2026-01-17"),
        ("fax-line", told[1]["unit price"], "2026-01-20"),
    ]


def test_says_what_belongs_there(account: Account, owner_client: Client) -> None:
    assert "No charges yet" in owner_client.get(PAGE).content.decode()


def test_pages_turn_by_key(ledger: Story, owner_client: Client, opens_cheaply: OpensCheaply) -> None:
    """Every charge once, in order, whichever way one turns; the queries stay as few."""
    charge = Charge.objects.get(product="fax-line")
    Charge.objects.bulk_create(
        Charge(
            account=ledger.account, product=charge.product, quantity=1, unit_price=charge.unit_price,
            added_on=OPENED + timedelta(days=place % 3), basis="shipped", basis_on=OPENED,
        )
        for place in range(120)
    )  # fmt: skip
    opens_cheaply(owner_client, PAGE)
    seen: list[int] = []
    query: dict[str, str] = {"sort": "begins"}
    while True:
        page = owner_client.get(PAGE, query).context["page"]
        seen += [row.pk for row in page.rows]
        if page.next is None:
            break
        query["after"] = page.next
    assert len(seen) == len(set(seen)) == 124
