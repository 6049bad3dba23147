"""The pages on which end users are added from a file (LIC-2)."""

import csv
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from accounts.models import Account, EndUser, Role
from billing.licences import add_licences, stock_of
from billing.models import Product
from telephony.inventory import add_block
from telephony.user_file import MOST_BYTES
from tests import factories
from tests.factories import AT, TESTS

pytestmark = pytest.mark.django_db

IMPORT = "/a/northwind/users/import/"


@pytest.fixture
def account() -> Account:
    found: Account = factories.AccountFactory(slug="northwind")
    return found


@pytest.fixture
def client(account: Account) -> Client:
    client = Client()
    client.force_login(factories.member(account, Role.ADMIN))
    return client


def send(client: Client, *lines: str, content: bytes = b"") -> Any:
    """Choose a file with these lines, or of this content."""
    file = BytesIO(content or "\n".join(lines).encode())
    file.name = "people.csv"
    return client.post(IMPORT, {"file": file})


def look(client: Client, *lines: str, query: str = "") -> Any:
    """Choose a file, and open the look at its rows."""
    chosen = send(client, *lines)
    assert chosen.status_code == 302
    return client.get(chosen["Location"] + query)


def confirm(client: Client, looked: Any, **more: str) -> Any:
    """Press the button of a look at a file."""
    seen = looked.context["plan"].seen
    return client.post(looked.request["PATH_INFO"], {"seen": seen, **more})


def kept(account: Account) -> list[Path]:
    return sorted((settings.DATA_DIR / "user-imports" / str(account.pk)).glob("*"))


def test_the_list_leads_here(client: Client) -> None:
    assert IMPORT in client.get("/a/northwind/users/").content.decode()
    assert (
        reverse("accounts:end-users-import-sample", args=["northwind"]) in client.get(IMPORT).content.decode()
    )


def test_the_sample_can_be_sent(client: Client) -> None:
    lines = b"".join(client.get(f"{IMPORT}sample.csv"))
    assert send(client, content=lines).status_code == 302


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"phone\n1\n", "name the columns"),
        ("name\nZoë\n".encode("latin-1"), "not UTF-8"),
        (b"name\n" + b"a" * MOST_BYTES, "2 MB"),
    ],
)
def test_a_file_that_cannot_be_taken(client: Client, account: Account, content: bytes, words: str) -> None:
    """LIC-2: said by the field, and nothing is kept."""
    before = kept(account)
    response = send(client, content=content)
    assert response.status_code == 400
    assert words in response.context["form"].errors["file"][0]
    assert kept(account) == before


def test_nothing_chosen_is_said_by_the_field(client: Client) -> None:
    assert "Choose a file." in client.post(IMPORT).content.decode()


def test_from_the_file_to_the_users(client: Client, account: Account) -> None:
    """LIC-2: choose, look at rows and cost, confirm: all rows are done, and the file is gone."""
    factories.LocationFactory(account=account, name="Harbour")
    add_block(account.brand, "+12125550150", 2, actor=TESTS, at=AT)
    looked = look(
        client,
        "name,email,extension,location,licence,number",
        "Ann,a@n.example,1001,Harbour,UC licence,212",
        "Ben,b@n.example,1002,,UC licence,",
        query="?buy=1",
    )
    page = looked.content.decode()
    assert "Add 2 users" in page
    assert looked.context["cost"].box["monthly"] > 0
    assert "included, each the first of its user" in page
    assert not EndUser.objects.exists(), "a look changes nothing"
    done = confirm(client, looked, buy="1")
    assert done["Location"] == "/a/northwind/users/"
    assert list(EndUser.objects.order_by("name").values_list("name", "extension")) == [
        ("Ann", "1001"),
        ("Ben", "1002"),
    ]
    holding = stock_of(account).of(None, "uc-licence")
    assert holding is not None
    assert holding.bought == 2
    assert not [path for path in kept(account) if looked.request["PATH_INFO"].split("/")[-2] in path.name]
    again = confirm(client, looked, buy="1")
    assert again["Location"] == IMPORT
    assert EndUser.objects.count() == 2


def test_missing_licences_are_refused_until_they_are_bought(client: Client) -> None:
    """LIC-1: the box says what is missing; ticked, the rows are taken and the cost is shown."""
    looked = look(client, "name,licence", "Ann,UC licence")
    page = looked.content.decode()
    assert "1 × UC licence" in page
    assert "Buy the missing licences" in page
    assert 'type="submit">Add' not in page
    bought = client.get(f"{looked.request['PATH_INFO']}?buy=1")
    assert "Add 1 user" in bought.content.decode()
    # The box was not ticked in what is sent: that was not seen.
    assert confirm(client, bought).status_code == 409
    assert not EndUser.objects.exists()


def test_a_row_refused_refuses_all(client: Client) -> None:
    looked = look(client, "name,email", "Ann,a@n.example", "Ben,oops")
    page = looked.content.decode()
    assert "1 of 2 rows is refused." in " ".join(page.split()).replace("</strong>", "")
    assert "is not an e-mail address" in page
    assert 'type="submit">Add' not in page
    assert confirm(client, looked).status_code == 400
    assert not EndUser.objects.exists()
    only = client.get(f"{looked.request['PATH_INFO']}?rows=refused")
    assert [each.row.line for each in only.context["page"].rows] == [3]


def test_comes_back_with_a_reason_and_can_be_sent_again(client: Client) -> None:
    """LIC-2: the same cells, a line and a reason; formulas are kept from running; mended, it is taken."""
    looked = look(client, "name,email", "=Ann,a@n.example", "Ben,oops")
    lines = b"".join(client.get(f"{looked.request['PATH_INFO']}rows.csv")).decode()
    header, ann, ben = csv.reader(lines.splitlines())
    assert header == ["name", "email", "line", "reason"]
    assert ann == ["'=Ann", "a@n.example", "2", ""]
    assert ben[2:] == ["3", "email: “oops” is not an e-mail address, like name@example.com."]
    mended = look(client, *lines.replace("oops", "b@n.example", 1).splitlines())
    assert [each.says("name") for each in mended.context["plan"].verdicts] == ["=Ann", "Ben"]
    assert confirm(client, mended).status_code == 302


def test_what_changed_since_is_shown_again(client: Client, account: Account) -> None:
    """LIC-2: nothing is done, and the file is still there to be confirmed."""
    add_licences(account, Product.objects.get(pk="uc-licence"), 1, actor=TESTS, at=AT)
    looked = look(client, "name,extension,licence", "Ann,1001,UC licence")
    taken = factories.EndUserFactory(account=account, extension="1001", name="Uma")
    again = confirm(client, looked)
    assert again.status_code == 409
    page = again.content.decode()
    assert "has changed since you looked" in page
    assert "taken by Uma" in page
    assert list(EndUser.objects.all()) == [taken]
    assert client.get(looked.request["PATH_INFO"]).status_code == 200


def test_a_file_is_its_accounts_and_its_choosers(client: Client, account: Account) -> None:
    """ACC-4: nobody else opens it, and not under another account."""
    looked = look(client, "name", "Ann Secret")
    address = looked.request["PATH_INFO"]
    other = Client()
    other.force_login(factories.member(account, Role.OWNER))
    assert other.get(address).status_code == 404
    assert other.get(f"{address}rows.csv").status_code == 404
    elsewhere = factories.AccountFactory(slug="elsewhere")
    user = factories.member(elsewhere, Role.OWNER)
    factories.MembershipFactory(account=account, user=user)
    other.force_login(user)
    assert other.get(address.replace("northwind", "elsewhere")).status_code == 404


def test_readers_do_not_come_in(account: Account) -> None:
    """ACC-4"""
    client = Client()
    client.force_login(factories.member(account, Role.READ_ONLY))
    assert send(client, "name", "Ann").status_code == 403
    assert IMPORT not in client.get("/a/northwind/users/").content.decode()


def test_rows_turn_pages(client: Client) -> None:
    looked = look(client, "name", *[f"Person {place}" for place in range(120)])
    page = looked.context["page"]
    assert (len(page.rows), page.previous) == (50, None)
    second = client.get(looked.request["PATH_INFO"], {"after": page.next}).context["page"]
    assert second.rows[0].row.line == page.rows[-1].row.line + 1
