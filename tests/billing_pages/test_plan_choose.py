"""Choosing package, quantity and cycle: the total, what is charged today, what waits (PLN-3, PLN-4)."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account, Role
from billing.models import Plan, PlanOrder, PlanOrderKind, PlanOrderState
from billing.plans.changes import unsubscribe
from billing.plans.deals import DealKind
from billing.plans.renewals import renew_due
from tests.billing_pages.conftest import client_of, entries, words_of
from tests.factories import TESTS, member
from tests.planned import collection_of, give_discounts, order_of, registered, save_card

CHOOSE = "/a/acme/plans/choose/"
SCHEDULE = "/a/acme/plans/schedule/"
NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
CYCLE_BEGAN = NOW - timedelta(days=16)  # Feb 14: 12 of 28 days are left

OpensCheaply = Callable[[Client, str], HttpResponseBase]


def choice(package: int, quantity: int | str, months: int | str) -> dict[str, str]:
    return {
        "package": f"plan-contact-center-{package}",
        "quantity": str(quantity),
        "months": str(months),
    }


@pytest.fixture(autouse=True)
def _discounts(account: Account) -> None:
    give_discounts()


class TestRegistration:
    def test_the_total_is_price_times_quantity_times_months_less_the_discount(
        self, account: Account, owner_client: Client
    ) -> None:
        """PLN-3: 35 × 100 × 12 is 42,000.00, less 10%."""
        answer = owner_client.get(CHOOSE, choice(2, 100, 12))
        box = answer.context["box"]
        assert (box.kind, box.today) == (DealKind.REGISTRATION, Decimal("37800.00"))
        assert (box.now.whole, box.now.saved, box.now.total) == (
            Decimal("42000.00"),
            Decimal("4200.00"),
            Decimal("37800.00"),
        )
        assert (box.renews_on, box.renewal) == (date(2027, 3, 2), Decimal("37800.00"))
        words = words_of(answer)
        assert "35.00 × 100 × 12 months $42,000.00" in words
        assert "10% for the cycle − $4,200.00" in words
        assert not PlanOrder.objects.exists()

    def test_each_cycle_shows_its_discount(self, account: Account, owner_client: Client) -> None:
        """PLN-3: the longer, the higher."""
        words = words_of(owner_client.get(CHOOSE))
        for told in (
            "1 month no discount",
            "3 months 3% off",
            "6 months 5% off",
            "12 months 10% off",
            "24 months 15% off",
        ):
            assert told in words

    def test_next_writes_down_what_is_to_be_paid_and_charges_nothing(
        self, account: Account, owner_client: Client
    ) -> None:
        answer = owner_client.post(CHOOSE, choice(2, 100, 12))
        order = PlanOrder.objects.get()
        assert (answer.status_code, answer.headers["Location"]) == (302, f"/a/acme/plans/orders/{order.key}/")
        assert (order.kind, order.amount) == (PlanOrderKind.REGISTRATION, Decimal("37800.00"))
        assert not Plan.objects.exists()

    def test_show_total_works_without_script(self, account: Account, owner_client: Client) -> None:
        """The button changes nothing, and keeps what was typed."""
        before = entries()
        answer = owner_client.post(CHOOSE, {**choice(3, 7, 3), "preview": "1"})
        assert answer.status_code == 200
        assert answer.context["box"].today == Decimal("1201.83")
        assert 'value="7"' in answer.content.decode()
        assert entries() == before

    def test_the_same_choice_again_is_the_same_order(self, account: Account, owner_client: Client) -> None:
        """Back and Next again, or two tabs: one order, and another choice takes its place."""
        first = owner_client.post(CHOOSE, choice(2, 5, 1)).headers["Location"]
        assert owner_client.post(CHOOSE, choice(2, 5, 1)).headers["Location"] == first
        second = owner_client.post(CHOOSE, choice(2, 6, 1)).headers["Location"]
        assert second != first
        assert PlanOrder.objects.filter(state=PlanOrderState.OPEN).count() == 1

    def test_a_package_of_the_address_is_chosen(self, account: Account, owner_client: Client) -> None:
        answer = owner_client.get(CHOOSE, {"package": "plan-contact-center-3"})
        assert answer.context["form"].initial["package"] == "plan-contact-center-3"
        assert answer.context["box"].now.words.startswith("Contact Center 3")


class TestBadInput:
    @pytest.mark.parametrize(
        ("sent", "field", "message"),
        [
            (choice(9, 5, 1), "package", "Choose a package of the list."),
            (choice(2, 0, 1), "quantity", "Enter a whole number from 1 to 100,000."),
            (choice(2, "many", 1), "quantity", "Enter a whole number from 1 to 100,000."),
            (choice(2, "", 1), "quantity", "Enter a whole number from 1 to 100,000."),
            (choice(2, 100_001, 1), "quantity", "Enter a whole number from 1 to 100,000."),
            (choice(2, 5, 7), "months", "Choose a cycle of the list."),
            (
                {"package": "uc-licence", "quantity": "1", "months": "1"},
                "package",
                "Choose a package of the list.",
            ),
            ({}, "package", "Choose a package."),
        ],
    )
    def test_is_told_by_its_field(
        self, sent: dict[str, str], field: str, message: str, account: Account, owner_client: Client
    ) -> None:
        before = entries()
        answer = owner_client.post(CHOOSE, sent)
        assert answer.status_code == 400
        assert answer.context["form"].errors[field] == [message]
        assert (PlanOrder.objects.count(), entries()) == (0, before)

    def test_while_typing_it_is_no_error_page(self, account: Account, owner_client: Client) -> None:
        answer = owner_client.get(CHOOSE, choice(2, "", 1))
        assert answer.status_code == 200
        assert answer.context["box"] is None


class TestChange:
    def test_more_is_charged_for_the_days_left(self, account: Account, owner_client: Client) -> None:
        """PLN-4: 525 less 350, 12 of 28 days, rounded once; the renewal and its day beside it."""
        registered(account, 2, 10, at=CYCLE_BEGAN)
        answer = owner_client.get(CHOOSE, choice(2, 15, 1))
        box = answer.context["box"]
        assert (box.kind, box.today) == (DealKind.INCREASE, Decimal("75.00"))
        assert box.why == "525 (35 × 15 × 1 month) less 350 (35 × 10 × 1 month), 12 of 28 days"
        assert (box.renewal_before, box.renewal, box.renews_on) == (
            Decimal("350.00"),
            Decimal("525.00"),
            date(2026, 3, 14),
        )
        assert box.why in words_of(answer)

    def test_less_waits_for_the_renewal(self, account: Account, owner_client: Client) -> None:
        """PLN-4: nothing is charged, and a page says what it becomes before it is noted."""
        registered(account, 2, 10, at=CYCLE_BEGAN)
        box = owner_client.get(CHOOSE, choice(2, 4, 1)).context["box"]
        assert (box.kind, box.today, box.renewal) == (DealKind.AT_RENEWAL, Decimal(0), Decimal("140.00"))
        review = owner_client.post(CHOOSE, choice(2, 4, 1), follow=True)
        assert review.redirect_chain[-1][0].startswith(SCHEDULE)
        assert "Nothing is charged now" in words_of(review)
        assert Plan.objects.get().next_quantity is None
        seen = review.context["box"].seen
        done = owner_client.post(review.redirect_chain[-1][0], {"seen": seen}, follow=True)
        assert Plan.objects.get().next_quantity == 4
        assert (
            "From its renewal on the plan is Contact Center 2, 4 accounts, 1 month." in done.content.decode()
        )

    def test_what_was_not_seen_is_not_noted(self, account: Account, owner_client: Client) -> None:
        registered(account, 2, 10, at=CYCLE_BEGAN)
        answer = owner_client.post(
            f"{SCHEDULE}?package=plan-contact-center-2&quantity=4&months=1", {"seen": "x"}
        )
        assert answer.status_code == 200
        assert Plan.objects.get().next_quantity is None

    def test_another_cycle_waits_for_the_renewal(self, account: Account, owner_client: Client) -> None:
        """PLN-4: with its discount from then on."""
        registered(account, 2, 10, at=CYCLE_BEGAN)
        box = owner_client.get(CHOOSE, choice(2, 10, 12)).context["box"]
        assert (box.kind, box.renewal) == (DealKind.AT_RENEWAL, Decimal("3780.00"))

    def test_a_longer_cycle_with_more_is_charged_for_this_one_alone(
        self, account: Account, owner_client: Client
    ) -> None:
        registered(account, 2, 10, at=CYCLE_BEGAN)
        answer = owner_client.get(CHOOSE, choice(2, 15, 12))
        box = answer.context["box"]
        assert (box.kind, box.today, box.renewal) == (DealKind.INCREASE, Decimal("75.00"), Decimal("5670.00"))
        assert "Contact Center 2, 15 accounts, 12 months" in words_of(answer)

    def test_the_same_is_refused(self, account: Account, owner_client: Client) -> None:
        registered(account, 2, 10, at=CYCLE_BEGAN)
        answer = owner_client.post(CHOOSE, choice(2, 10, 1))
        assert answer.status_code == 400
        assert "This is what your plan is already." in words_of(answer)

    def test_less_of_an_unsubscribed_plan_is_refused(self, account: Account, owner_client: Client) -> None:
        """PLN-4."""
        registered(account, 2, 10, at=CYCLE_BEGAN)
        unsubscribe(account, actor=TESTS, at=NOW)
        answer = owner_client.post(CHOOSE, choice(2, 4, 1))
        assert answer.status_code == 400
        assert "Keep the plan first." in words_of(answer)

    def test_more_of_an_unsubscribed_plan_says_that_it_does_not_renew(
        self, account: Account, owner_client: Client
    ) -> None:
        """PLN-4."""
        registered(account, 2, 10, at=CYCLE_BEGAN)
        unsubscribe(account, actor=TESTS, at=NOW)
        words = words_of(owner_client.get(CHOOSE, choice(2, 12, 1)))
        assert "No renewal The plan is unsubscribed and ends on Mar 14, 2026" in words

    def test_an_unpaid_renewal_comes_first(self, account: Account, owner_client: Client) -> None:
        """PLN-4."""
        registered(account, 2, 10, at=datetime(2026, 1, 28, 15, tzinfo=UTC))
        renew_due(NOW)
        answer = owner_client.post(CHOOSE, choice(2, 20, 1))
        assert answer.status_code == 400
        assert "has not been paid yet" in words_of(answer)

    def test_while_a_payment_is_on_its_way_nothing_else_is_chosen(
        self, account: Account, owner_client: Client
    ) -> None:
        order = order_of(account, at=NOW)
        collection_of(order, save_card(account, at=NOW), at=NOW)
        answer = owner_client.post(CHOOSE, choice(3, 20, 1))
        assert answer.status_code == 400
        assert "A payment for your plan is on its way." in words_of(answer)
        assert PlanOrder.objects.get().pk == order.pk


class TestWho:
    @pytest.mark.parametrize("address", [CHOOSE, SCHEDULE])
    def test_a_reader_is_refused(
        self, address: str, account: Account, role_client: Callable[[Role], Client]
    ) -> None:
        """ACC-4."""
        client = role_client(Role.READ_ONLY)
        before = entries()
        assert client.get(address).status_code == client.post(address, choice(2, 5, 1)).status_code == 403
        assert (PlanOrder.objects.count(), entries()) == (0, before)

    def test_the_billing_role_may(self, account: Account, role_client: Callable[[Role], Client]) -> None:
        assert role_client(Role.BILLING).post(CHOOSE, choice(2, 5, 1)).status_code == 302

    def test_another_account_is_not_there(self, account: Account, other: Account) -> None:
        """ACC-4."""
        client = client_of(member(other))
        assert client.get(CHOOSE).status_code == client.post(CHOOSE, choice(2, 5, 1)).status_code == 404
        assert not PlanOrder.objects.exists()

    def test_queries(self, account: Account, owner_client: Client, opens_cheaply: OpensCheaply) -> None:
        registered(account, 2, 10, at=CYCLE_BEGAN)
        sent: dict[str, Any] = choice(2, 15, 12)
        opens_cheaply(owner_client, f"{CHOOSE}?{'&'.join(f'{name}={value}' for name, value in sent.items())}")
        sent = choice(2, 4, 1)
        opens_cheaply(
            owner_client, f"{SCHEDULE}?{'&'.join(f'{name}={value}' for name, value in sent.items())}"
        )
