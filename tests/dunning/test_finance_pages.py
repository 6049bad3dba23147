"""Finance's page of who owes: the list, its file, one account, and suspending, lifting and holding by hand (INV-6)."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
import time_machine
from django.test import Client

from accounts.models import Account, Brand, User
from accounts.permissions import FINANCE
from billing.dunning.suspending import hold, suspend
from billing.licences import add_licences
from billing.models import Invoice
from tests import factories
from tests.billing.world import an_account, bill, on, product
from tests.dunning.conftest import collected, dun, noon, trail
from tests.factories import TESTS
from tests.paying import a_card

LIST = "/finance/dunning/"
ONE = "/finance/dunning/northwind/"


@pytest.fixture(autouse=True)
def _now(account: Account) -> Iterator[None]:
    """February 2 at noon, the day after the first reminder."""
    a_card(account, "declined", at=noon(account, "01-10"))
    for day in ("01-29", "02-01"):
        collected(account, day)
        dun(account, day)
    with time_machine.travel(noon(account, "02-02"), tick=False):
        yield


@pytest.fixture
def accountant(db: None) -> User:
    return factories.staff(FINANCE, email="fiona@provider.example")


@pytest.fixture
def finance(accountant: User) -> Client:
    client = Client()
    client.force_login(accountant)
    return client


def another(account: Account, slug: str, name: str, **fields: Any) -> Account:
    """Another account of the brand, with an invoice that is due on January 29 too."""
    fields.setdefault("brand", account.brand)
    found = an_account(slug=slug, name=name, **fields)
    add_licences(found, product("uc-licence"), 1, **on(found, "01-02"))
    bill(found, "01-15")
    return found


def listed(client: Client, query: str = "") -> list[str]:
    return [row.account.slug for row in client.get(LIST + query).context["rows"]]


def test_lists_who_owes_with_what_comes_next(finance: Client, account: Account) -> None:
    """INV-6: since when, how much, the last reminder, the failed collection, and the next step with its day."""
    (row,) = finance.get(LIST).context["rows"]
    assert (row.since, row.days, row.total, row.reminded_on) == (
        date(2026, 1, 29),
        4,
        185,
        date(2026, 2, 1),
    )
    assert (row.failed_on, row.failure) == (
        date(2026, 2, 1),
        "The card was declined. Use another card, or ask the bank that issued it.",
    )
    assert list(row.steps) == [
        ("Card is asked again", date(2026, 2, 3)),
        ("Reminder", date(2026, 2, 8)),
        ("Suspension", date(2026, 2, 28)),
    ]
    answer = finance.get(LIST).content.decode()
    assert "$185.00" in answer
    assert "Card is asked again" in answer


def test_who_owes_nothing_overdue_is_not_listed(finance: Client, account: Account) -> None:
    """INV-6: an invoice that is not due yet, and one that was paid."""
    another(account, "later", "Later Ltd")
    Brand.objects.update(payment_days=30)
    other = another(account, "other", "Other Ltd", bdom=20)
    bill(other, "01-20")
    assert set(listed(finance)) == {"later", "northwind"}


def test_filters_and_sorts(finance: Client, account: Account) -> None:
    """INV-6: by state, brand and name."""
    held = another(account, "held", "Held Ltd")
    fraud = factories.AccountFactory(
        brand=factories.BrandFactory(), name="Fraud Ltd", slug="fraud", opened_on=date(2026, 1, 2)
    )
    at = noon(account, "02-02")
    hold(held, date(2026, 3, 1), reason="Agreed", actor=TESTS, at=at)
    suspend(fraud, reason="Fraud is suspected.", actor=TESTS, at=at)
    assert set(listed(finance)) == {"northwind", "held", "fraud"}
    assert set(listed(finance, "?state=overdue")) == {"northwind", "held"}
    assert listed(finance, "?state=failed") == ["northwind"]
    assert listed(finance, "?state=suspended") == ["fraud"]
    assert listed(finance, "?state=held") == ["held"]
    assert listed(finance, f"?brand={fraud.brand_id}") == ["fraud"]
    assert listed(finance, "?q=north") == ["northwind"]
    assert listed(finance, "?sort=-name") == ["northwind", "held", "fraud"]
    assert len(listed(finance, "?state=nonsense&brand=x&q=")) == 3
    states = [finance.get(f"{LIST}?q={name}").content.decode() for name in ("held", "fraud", "north")]
    for label, page in zip(("Held", "Suspended", "Overdue"), states, strict=True):
        assert f"</svg>{label}" in page or f">{label}<" in page


def test_many_cost_no_more_queries(
    finance: Client, account: Account, opens_cheaply: Callable[[Client, str], object]
) -> None:
    """INV-6."""
    for place in range(8):
        another(account, f"other-{place}", f"Other {place}")
    opens_cheaply(finance, LIST)
    opens_cheaply(finance, ONE)


def test_the_file_has_them_all(finance: Client, account: Account) -> None:
    """INV-6: with the same filters."""
    another(account, "second", "Second Ltd")
    response: Any = finance.get("/finance/dunning.csv")
    rows = list(csv.DictReader(b"".join(response.streaming_content).decode().splitlines()))
    assert {row["account"] for row in rows} == {"northwind", "second"}
    (row,) = [row for row in rows if row["account"] == "northwind"]
    assert (row["overdue since"], row["days"], row["overdue"], row["currency"]) == (
        "2026-01-29",
        "4",
        "185.00",
        "USD",
    )
    assert (row["next step"], row["on"], row["last reminder"]) == (
        "Card is asked again",
        "2026-02-03",
        "2026-02-01",
    )
    filtered: Any = finance.get("/finance/dunning.csv?q=second")
    assert b"northwind" not in b"".join(filtered.streaming_content)


def test_an_empty_list_says_so(finance: Client) -> None:
    """INV-6."""
    Account.objects.update(is_simulation=True)
    assert "Nobody owes anything overdue" in finance.get(LIST).content.decode()


def test_suspends_and_lifts_by_hand(finance: Client, account: Account) -> None:
    """INV-6, ACC-5: with a reason, kept in the trail under the person's name."""
    asked = finance.get(f"{ONE}suspend/").content.decode()
    assert "billing goes on" in asked
    empty = finance.post(f"{ONE}suspend/", {"reason": " "})
    assert "Say why" in empty.content.decode()
    done = finance.post(f"{ONE}suspend/", {"reason": "Fraud is suspected."}, follow=True)
    assert "Northwind is suspended." in done.content.decode()
    assert "Fraud is suspected." in done.content.decode()
    assert Account.objects.get(slug="northwind").suspended_by_hand
    assert trail("suspend-account")[0].by == "fiona@provider.example"
    kept = finance.post(f"{ONE}lift/", {"reason": "Cleared", "until": ""})
    assert "it would be suspended again" in kept.content.decode()
    assert 'value="Cleared"' in kept.content.decode()
    done = finance.post(f"{ONE}lift/", {"reason": "Cleared", "until": "2026-02-12"}, follow=True)
    assert "suspended no longer" in done.content.decode()
    found = Account.objects.get(slug="northwind")
    assert (found.suspended_on, found.dunning_held_until) == (None, date(2026, 2, 12))
    again = finance.post(f"{ONE}lift/", {"reason": "Cleared"})
    assert "not suspended any more" in again.content.decode()


def test_holds_by_hand(finance: Client, account: Account) -> None:
    """INV-6: a day to come and why; ended by no day."""
    assert 'value="2026-02-09"' in finance.get(f"{ONE}hold/").content.decode()
    past = finance.post(f"{ONE}hold/", {"reason": "Agreed", "until": "2026-02-01"})
    assert "still to come" in past.content.decode()
    done = finance.post(f"{ONE}hold/", {"reason": "Agreed", "until": "2026-02-20"}, follow=True)
    assert "held until February 20, 2026" in done.content.decode()
    assert ("Reminder", date(2026, 2, 20)) in done.context["standing"].steps
    finance.post(f"{ONE}hold/", {"reason": "Broken", "until": ""})
    assert Account.objects.get(slug="northwind").dunning_held_until is None


def test_an_account_s_page_shows_what_was_done_of_each_invoice(finance: Client, account: Account) -> None:
    """INV-6."""
    answer = finance.get(ONE).content.decode()
    number = Invoice.objects.get().number
    for words in (f"/finance/invoices/{number}/", "2 times", "day 3"):
        assert words in answer


@pytest.mark.parametrize("tail", ["", "suspend/", "lift/", "hold/"])
def test_no_such_account(finance: Client, account: Account, tail: str) -> None:
    """ACC-4: the simulator's scratch accounts are none either."""
    Account.objects.update(is_simulation=True)
    assert finance.get(f"/finance/dunning/nobody/{tail}").status_code == 404
    assert finance.get(f"{ONE}{tail}").status_code == 404
