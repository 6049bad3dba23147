"""ACC-5: the page on which the audit trail is read, and its export."""

import csv
import datetime as dt
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from accounts.models import Account, Role, User
from accounts.permissions import SUPPORT
from accounts.trail import Actor, record
from tests import factories
from tests.factories import AT

PAGE = "/a/northwind/activity/"


def write(account: Account, summary: str, *, actor: Actor, at: dt.datetime = AT, **more: Any) -> None:
    action = more.pop("action", "edit-end-user")
    with transaction.atomic():
        record(account, action, account, summary, actor=actor, at=at, **more)


def summaries(client: Client, **query: str) -> list[str]:
    response = client.get(PAGE, query)
    assert response.status_code == 200
    # The first entry of every account is its opening, by the tests' own command.
    return [row.summary for row in response.context["page"].rows if row.action != "open-account"]


@pytest.fixture
def trail(account: Account, other: Account, owner: User, actor: Actor) -> None:
    admin = Actor(user=factories.member(account, Role.ADMIN, full_name="Adam Admin"), address="198.51.100.4")
    write(account, "Ann added", actor=actor, action="add-end-user", after={"name": "Ann"})
    write(
        account,
        "Ann renamed",
        actor=admin,
        at=AT + dt.timedelta(days=1),
        before={"name": "Ann"},
        after={"name": "Anna"},
    )
    write(
        account,
        "Number parked",
        actor=Actor.for_task("daily-triggers"),
        # 23:30 on the 4th in New York, the 5th in UTC.
        at=dt.datetime(2026, 3, 5, 4, 30, tzinfo=dt.UTC),
        action="park-number",
    )
    write(other, "Secret of another", actor=actor)


def test_newest_first_and_only_the_own(owner_client: Client, trail: None) -> None:
    """ACC-4: another account's trail is not in it."""
    assert summaries(owner_client) == ["Number parked", "Ann renamed", "Ann added"]


def test_shows_who_when_from_where_and_what(owner_client: Client, trail: None) -> None:
    """ACC-5: account time, with UTC behind it; a task by its name; before and after."""
    page = owner_client.get(PAGE).content.decode()
    for shown in (
        "Adam Admin",
        "198.51.100.4",
        "daily-triggers",
        "Mar 4, 2026, 11:30 PM",
        "2026-03-05 04:30:00 UTC",
        "<del>Ann</del>",
        "<ins>Anna</ins>",
    ):
        assert shown in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"q": "renamed"}, ["Ann renamed"]),
        ({"q": "daily"}, ["Number parked"]),
        ({"who": "tasks"}, ["Number parked"]),
        ({"action": "add-end-user"}, ["Ann added"]),
        ({"first": "2026-03-03"}, ["Number parked", "Ann renamed"]),
        ({"last": "2026-03-03"}, ["Ann renamed", "Ann added"]),
        ({"first": "2026-03-04", "last": "2026-03-04"}, ["Number parked"]),
        ({"first": "2026-03-05"}, []),
        ({"first": "0001-01-01", "last": "9999-12-31"}, ["Number parked", "Ann renamed", "Ann added"]),
        ({"last": "0001-01-01"}, []),
        ({"first": "9999-12-31"}, []),
        ({"first": "nonsense"}, ["Number parked", "Ann renamed", "Ann added"]),
        ({"who": "12345678"}, ["Number parked", "Ann renamed", "Ann added"]),
    ],
)
def test_search_and_filters(
    owner_client: Client, trail: None, query: dict[str, str], found: list[str]
) -> None:
    """Days are the account's own: half past four in the morning in UTC is the day before in New York."""
    assert summaries(owner_client, **query) == found


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "Pacific/Honolulu"])
def test_first_and_last_day_of_all(owner_client: Client, account: Account, trail: None, zone: str) -> None:
    """These days begin outside of the time that UTC knows, on either side of it."""
    account.timezone = zone
    account.save()
    assert len(summaries(owner_client, first="0001-01-01", last="9999-12-31")) == 3


def test_filter_by_person(owner_client: Client, owner: User, trail: None) -> None:
    assert summaries(owner_client, who=str(owner.pk)) == ["Ann added"]


def test_staff_read_every_trail(account: Account, trail: None) -> None:
    """ACC-5: staff read all."""
    client = Client()
    client.force_login(factories.staff(SUPPORT))
    assert "Ann added" in summaries(client)


@pytest.mark.parametrize("role", [Role.READ_ONLY, Role.BILLING])
def test_trail_is_for_owners_and_admins(account: Account, trail: None, role: Role) -> None:
    """ACC-5: account admins read theirs."""
    client = Client()
    client.force_login(factories.member(account, role))
    assert client.get(PAGE).status_code == 403
    assert client.get("/a/northwind/activity.csv").status_code == 403


def test_export_has_times_in_both_zones(owner_client: Client, trail: None) -> None:
    response = owner_client.get(reverse("accounts:activity-csv", args=["northwind"]), {"who": "tasks"})
    rows = list(csv.DictReader(response.getvalue().decode().splitlines()))
    parked = next(row for row in rows if row["what"] == "Number parked")
    assert parked["time (UTC)"] == "2026-03-05T04:30:00+00:00"
    assert parked["time (account)"] == "2026-03-04T23:30:00-05:00"
    assert (parked["who"], parked["scheduled task"], parked["action"]) == (
        "daily-triggers",
        "yes",
        "Park number",
    )


@pytest.mark.parametrize("rows", [1, 50, 200])
def test_costs_the_same_for_many(
    owner_client: Client, account: Account, actor: Actor, opens_cheaply: object, rows: int
) -> None:
    for number in range(rows):
        write(account, f"Change {number}", actor=actor)
    assert callable(opens_cheaply)
    opens_cheaply(owner_client, PAGE)
