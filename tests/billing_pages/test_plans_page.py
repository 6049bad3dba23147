"""The page of plans and its details: the packages, the current one, how it stands, what was paid (PLN-1, PLN-2)."""

import csv
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account, Role
from billing.models import PlanOrder, PlanOrderState, Price, Product
from billing.payments.collecting import collection_url
from billing.plans.changes import schedule_change, start_trial, unsubscribe
from billing.plans.orders import place_order
from billing.plans.renewals import collect_renewals, renew_due
from tests.billing_pages.conftest import words_of
from tests.factories import TESTS
from tests.planned import collection_of, give_discounts, order_of, package, paid, registered, save_card

PAGE = "/a/acme/plans/"
DETAILS = "/a/acme/plans/details/"
FILE = "/a/acme/plans/orders.csv"
NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
BY: dict[str, Any] = {"actor": TESTS, "at": NOW}

OpensCheaply = Callable[[Client, str], HttpResponseBase]


def ago(days: int) -> datetime:
    return NOW - timedelta(days=days)


def card_of(words: str) -> str:
    """What stands of the plan above the packages."""
    return words.rpartition(" Packages Contact")[0]


class TestPackages:
    def test_without_a_plan_none_is_registered(self, account: Account, owner_client: Client) -> None:
        """PLN-1: every package with its price and 0 accounts, and how to begin."""
        words = words_of(owner_client.get(PAGE))
        for name, price in (("1", "19.00"), ("2", "35.00"), ("3", "59.00")):
            assert f"Contact Center {name} ${price} per account and month 0 accounts registered" in words
        assert "No plan yet" in words
        assert "try one for 14 days" in words

    def test_the_number_is_that_of_this_account_alone(
        self, account: Account, other: Account, owner_client: Client
    ) -> None:
        """PLN-1: what other customers have is nobody's business; seed 3's example is 100 of Contact Center 2."""
        registered(account, 2, 100, at=NOW)
        registered(other, 2, 7, at=NOW)
        counts = {row.product.pk[-1]: row.registered for row in owner_client.get(PAGE).context["packages"]}
        assert counts == {"1": 0, "2": 100, "3": 0}

    def test_what_is_had_stands_there_though_it_is_sold_no_more(
        self, account: Account, owner_client: Client
    ) -> None:
        """BIL-6: and at the price at which it was bought."""
        registered(account, 1, 4, at=NOW)
        Product.objects.filter(pk="plan-contact-center-1").update(is_on_sale=False)
        Price.objects.create(
            product=package(1), amount=Decimal(99), amount_currency="USD", effective_on=NOW.date()
        )
        rows = owner_client.get(PAGE).context["packages"]
        assert [(row.product.pk[-1], row.registered) for row in rows] == [("2", 0), ("3", 0), ("1", 4)]
        assert rows[-1].price == Decimal(19)

    def test_a_currency_without_prices(self, account: Account, owner_client: Client) -> None:
        Account.objects.filter(pk=account.pk).update(currency="JPY")
        words = words_of(owner_client.get(PAGE))
        assert words.count("Not sold in JPY") == 3
        assert "No package can be registered" in words_of(owner_client.get(f"{PAGE}choose/"))


class TestCurrentPackage:
    def test_every_field_of_the_article(self, account: Account, owner_client: Client) -> None:
        """PLN-1: price, billing cycle, status, next payment time, registered from, actions."""
        give_discounts()
        registered(account, 2, 100, 12, at=ago(30))
        words = card_of(words_of(owner_client.get(PAGE)))
        assert "Current package Contact Center 2 × 100 accounts Active" in words
        assert "Price $37,800.00 35.00 × 100 × 12 months less 10%" in words
        assert "Billing cycle 12 months Jan 31, 2026 to Jan 30, 2027" in words
        assert "Status Active renews by itself" in words
        assert "Next payment Jan 31, 2027 $37,800.00" in words
        assert "Registered from Jan 31, 2026 Jan 31, 2026, 10:00 AM" in words
        for action in ("Upgrade plan", "Details", "Unsubscribe"):
            assert action in words
        assert "Upgrade plan" in words_of(owner_client.get(DETAILS))

    def test_what_changes_with_the_renewal(self, account: Account, owner_client: Client) -> None:
        """PLN-4: the next payment is of what it will be."""
        registered(account, 2, 10, at=ago(16))
        schedule_change(account, package(1), 4, None, **BY)
        words = card_of(words_of(owner_client.get(PAGE)))
        assert "Next payment Mar 14, 2026 in 12 days $76.00" in words
        assert "From the renewal on Mar 14, 2026 it is Contact Center 1, 4 accounts, 1 month" in words

    def test_try(self, account: Account, owner_client: Client) -> None:
        """PLN-2."""
        start_trial(account, package(2), 3, actor=TESTS, at=ago(2))
        words = card_of(words_of(owner_client.get(PAGE)))
        assert "Contact Center 2 × 3 accounts Try" in words
        assert "Trial until Mar 14, 2026" in words
        assert "Next payment Mar 14, 2026 in 12 days $105.00 to keep it" in words
        assert "Registered from Not yet" in words
        assert words.count("Register plan") == 1

    def test_inactive(self, account: Account, owner_client: Client) -> None:
        """PLN-2: over since its day, and how to bring it back."""
        start_trial(account, package(2), 3, actor=TESTS, at=ago(20))
        renew_due(NOW)
        words = card_of(words_of(owner_client.get(PAGE)))
        assert "Last package Contact Center 2 × 3 accounts Inactive" in words
        assert "since Feb 24, 2026" in words
        assert "Next payment None register to bring it back" in words

    def test_unsubscribed(self, account: Account, owner_client: Client) -> None:
        """PLN-4: it lasts to the end of what is paid, and can be kept."""
        registered(account, at=ago(16))
        unsubscribe(account, **BY)
        words = card_of(words_of(owner_client.get(PAGE)))
        assert "Active ends on Mar 14, 2026 in 12 days" in words
        assert "Next payment None it does not renew" in words
        assert "Keep plan" in words

    def test_a_renewal_that_is_not_paid_warns(self, account: Account, owner_client: Client) -> None:
        """PLN-4: with the way to pay, and when it is tried again."""
        registered(account, at=datetime(2026, 1, 28, 15, tzinfo=UTC))
        renew_due(NOW)
        collect_renewals(lambda: NOW)
        order = PlanOrder.objects.get(state=PlanOrderState.OPEN)
        answer = owner_client.get(PAGE)
        words = words_of(answer)
        assert "The renewal of Feb 28, 2026 is not paid: $350.00." in words
        assert "tried again on" in words
        assert f"/a/acme/plans/orders/{order.key}/" in answer.content.decode()
        assert "Status Active renewal not paid Next payment Feb 28, 2026 2 days ago $350.00" in words
        assert "Status Active renewal not paid" in words_of(owner_client.get(DETAILS))

    def test_an_order_that_was_begun_can_be_gone_on_with(
        self, account: Account, owner_client: Client
    ) -> None:
        order = order_of(account, at=NOW)
        assert "is chosen and not paid yet" in words_of(owner_client.get(PAGE))
        live = collection_of(order, save_card(account, at=NOW), at=NOW)
        answer = owner_client.get(PAGE)
        assert "A payment for your plan is on its way." in words_of(answer)
        assert collection_url(live) in answer.content.decode()

    def test_a_transfer_is_waited_for(self, account: Account, owner_client: Client) -> None:
        place_order(account, package(2), 10, 1, by_transfer=True, **BY)
        assert "begins when your transfer of $350.00 has come in" in words_of(owner_client.get(PAGE))


class TestDetails:
    def test_orders_invoices_and_changes(self, account: Account, owner_client: Client) -> None:
        plan = registered(account, at=ago(16))
        order = paid(order_of(account, 3, 12, None, at=NOW), at=NOW)
        assert order.invoice is not None
        words = words_of(owner_client.get(DETAILS))
        assert "Change, Mar 2, 2026 Contact Center 3, 12 accounts, 1 month" in words
        assert "Registration, Feb 14, 2026 Contact Center 2, 10 accounts, 1 month" in words
        assert str(order.invoice.number) in words
        assert plan.product.name in words
        assert "Change of Contact Center 3, 12 accounts" in words

    def test_the_trail_is_for_those_who_may_read_it(
        self, account: Account, role_client: Callable[[Role], Client]
    ) -> None:
        """ACC-5."""
        registered(account, at=NOW)
        assert "Changes" not in words_of(role_client(Role.READ_ONLY).get(DETAILS))
        assert "Changes" in words_of(role_client(Role.ADMIN).get(DETAILS))

    def test_before_the_first(self, account: Account, owner_client: Client) -> None:
        assert "Nothing was ordered yet" in words_of(owner_client.get(DETAILS))

    def test_file(self, account: Account, owner_client: Client) -> None:
        order = paid(order_of(account, at=NOW), at=NOW)
        content = b"".join(owner_client.get(FILE)).decode("utf-8-sig")
        (row,) = csv.DictReader(StringIO(content))
        assert (row["package"], row["accounts"], row["amount"]) == ("Contact Center 2", "10", "350.00")
        assert row["working"] == "35 × 10 × 1 month"
        assert order.invoice is not None
        assert row["invoice"] == order.invoice.number


class TestWhoSeesWhat:
    @pytest.mark.parametrize("role", [Role.BILLING, Role.READ_ONLY])
    def test_every_role_reads(
        self, role: Role, account: Account, role_client: Callable[[Role], Client]
    ) -> None:
        registered(account, at=NOW)
        client = role_client(role)
        assert client.get(PAGE).status_code == client.get(DETAILS).status_code == 200

    def test_a_reader_is_offered_nothing_to_change(
        self, account: Account, role_client: Callable[[Role], Client]
    ) -> None:
        registered(account, at=NOW)
        content = role_client(Role.READ_ONLY).get(PAGE).content.decode()
        for address in ("choose/", "unsubscribe/", "try/"):
            assert f"{PAGE}{address}" not in content

    def test_the_section_is_in_the_sidebar(self, account: Account, owner_client: Client) -> None:
        content = owner_client.get(PAGE).content.decode()
        assert f'href="{PAGE}"' in content

    @pytest.mark.parametrize("address", [PAGE, DETAILS])
    def test_queries(
        self, address: str, account: Account, owner_client: Client, opens_cheaply: OpensCheaply
    ) -> None:
        """However much there was."""
        registered(account, at=ago(20))
        for quantity in range(11, 41):
            paid(order_of(account, 2, quantity, None, at=NOW), at=NOW)
        opens_cheaply(owner_client, address)
