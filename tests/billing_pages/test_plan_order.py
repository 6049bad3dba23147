"""The order of a plan: review, payment, receipt; never twice, and never an amount that was not seen (PLN-3, PLN-4)."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account, Brand, Role
from billing.models import (
    Collection,
    CollectionState,
    Invoice,
    Payment,
    Plan,
    PlanOrder,
    PlanOrderState,
    PlanState,
    Price,
    TestIntent,
)
from billing.payments.collecting import begin_collection, collection_url
from billing.plans.changes import unsubscribe
from billing.plans.renewals import renew_due
from tests.billing_pages.conftest import client_of, entries, words_of
from tests.factories import TESTS, member
from tests.paying import transfer
from tests.planned import collection_of, order_of, package, paid, registered, save_card

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)

OpensCheaply = Callable[[Client, str], HttpResponseBase]


def address(order: PlanOrder) -> str:
    return f"/a/acme/plans/orders/{order.key}/"


def pay(client: Client, order: PlanOrder, method: object = "", **sent: str) -> Any:
    """Press Pay, as somebody who has just looked."""
    seen = client.get(address(order)).context["seen"]
    return client.post(address(order), {"seen": seen, "method": str(method), **sent})


def charged() -> Decimal:
    """What the bank has taken, whatever the panel thinks."""
    return sum(TestIntent.objects.filter(status="succeeded").values_list("amount", flat=True), Decimal(0))


@pytest.fixture
def order(account: Account) -> PlanOrder:
    """10 accounts of Contact Center 2 for a month: 350.00."""
    return order_of(account, 2, 10, 1, at=NOW)


class TestReview:
    def test_terms_line_why_and_amount(self, order: PlanOrder, owner_client: Client) -> None:
        """PLN-3: seed 3's check of the information before it is paid."""
        words = words_of(owner_client.get(address(order)))
        for told in (
            "Registration: Contact Center 2",
            "Accounts 10",
            "Price $35.00 per account and month",
            "Cycle 1 month",
            "Paid for Mar 2, 2026 to Apr 1, 2026",
            "35 × 10 × 1 month",
            "To pay now $350.00",
            "Renewal, Apr 2, 2026 $350.00",
            "Nothing has been charged yet.",
        ):
            assert told in words

    def test_of_an_unsubscribed_plan_it_says_that_it_ends(
        self, account: Account, owner_client: Client
    ) -> None:
        """PLN-4."""
        registered(account, at=NOW - timedelta(days=16))
        unsubscribe(account, actor=TESTS, at=NOW)
        words = words_of(owner_client.get(address(order_of(account, 2, 15, None, at=NOW))))
        assert "No renewal The plan is unsubscribed and ends on Mar 14, 2026." in words

    def test_without_a_card_one_can_be_added_and_leads_back(
        self, order: PlanOrder, owner_client: Client
    ) -> None:
        content = owner_client.get(address(order)).content.decode()
        assert "No card is saved yet." in content
        assert "Pay $350.00" not in content
        assert f'name="next" value="{address(order)}"' in content

    def test_the_default_card_is_chosen_or_the_one_just_added(
        self, account: Account, order: PlanOrder, owner_client: Client
    ) -> None:
        first, second = save_card(account, at=NOW), save_card(account, "asks", at=NOW)
        assert owner_client.get(address(order)).context["form"].initial["method"] == str(first.pk)
        answer = owner_client.get(address(order), {"card": str(second.pk)})
        assert answer.context["form"].initial["method"] == str(second.pk)
        assert "Pay $350.00" in words_of(answer)

    def test_credit_is_used_first(self, account: Account, order: PlanOrder, owner_client: Client) -> None:
        """INV-6."""
        transfer(account, Decimal(100), NOW.date(), actor=TESTS, at=NOW)
        save_card(account, at=NOW)
        words = words_of(owner_client.get(address(order)))
        assert "Your credit − $100.00 To pay now $250.00" in words
        assert "Pay $250.00" in words

    def test_queries(
        self, account: Account, order: PlanOrder, owner_client: Client, opens_cheaply: OpensCheaply
    ) -> None:
        for _ in range(20):
            save_card(account, at=NOW)
        opens_cheaply(owner_client, address(order))
        paid(order, at=NOW)
        opens_cheaply(owner_client, address(order))
        change = order_of(account, 2, 15, None, at=NOW)
        for _ in range(3):
            pay(owner_client, change, save_card(account, "declined", at=NOW).pk)
        opens_cheaply(owner_client, address(change))


class TestPay:
    def test_the_plan_is_active_from_the_payment(
        self, account: Account, order: PlanOrder, owner_client: Client
    ) -> None:
        """PLN-3: pay, done, with the invoice, which is paid."""
        answer = pay(owner_client, order, save_card(account, at=NOW).pk)
        assert (answer.status_code, answer.headers["Location"]) == (302, address(order))
        plan, invoice = Plan.objects.get(), Invoice.objects.get()
        assert (plan.state, plan.quantity, plan.cycle_ends_on) == (PlanState.ACTIVE, 10, date(2026, 4, 2))
        assert (invoice.state, invoice.total) == ("paid", Decimal("350.00"))
        words = words_of(owner_client.get(address(order)))
        assert "Your plan is registered Paid" in words
        assert "It renews by itself on Apr 2, 2026 for $350.00." in words
        assert f"Invoice {invoice.number}" in words

    def test_a_change_is_charged_for_the_days_left(self, account: Account, owner_client: Client) -> None:
        """PLN-4: 12 of 28 days of 175.00 more."""
        registered(account, at=NOW - timedelta(days=16))
        order = order_of(account, 2, 15, None, at=NOW)
        pay(owner_client, order, save_card(account, at=NOW).pk)
        assert charged() == Decimal("75.00")
        assert Plan.objects.get().quantity == 15
        assert "Your plan is upgraded" in words_of(owner_client.get(address(order)))

    def test_credit_that_covers_it_charges_nothing(
        self, account: Account, order: PlanOrder, owner_client: Client
    ) -> None:
        """INV-6."""
        transfer(account, Decimal(400), NOW.date(), actor=TESTS, at=NOW)
        assert "Use credit and register" in words_of(owner_client.get(address(order)))
        pay(owner_client, order)
        assert Plan.objects.get().state == PlanState.ACTIVE
        assert not Collection.objects.exists()
        assert Payment.objects.get().left == Decimal("50.00")

    def test_a_declined_card_comes_back_with_the_reason_and_nothing_is_lost(
        self, account: Account, order: PlanOrder, owner_client: Client
    ) -> None:
        """INV-6."""
        good, bad = save_card(account, at=NOW), save_card(account, "no-funds", at=NOW)
        answer = pay(owner_client, order, bad.pk)
        assert answer.headers["Location"] == address(order)
        words = words_of(owner_client.get(address(order)))
        assert (
            "Visa ···· 9995 was not charged. The card was declined: there is too little money on it." in words
        )
        assert not Plan.objects.exists()
        pay(owner_client, order, good.pk)
        assert (charged(), Plan.objects.get().state) == (Decimal("350.00"), PlanState.ACTIVE)

    def test_a_bank_that_asks_leads_to_its_page(
        self, account: Account, order: PlanOrder, owner_client: Client
    ) -> None:
        answer = pay(owner_client, order, save_card(account, "asks", at=NOW).pk)
        collection = Collection.objects.get()
        assert (answer.headers["Location"], collection.state) == (
            collection_url(collection),
            CollectionState.ACTION,
        )
        assert not Plan.objects.exists()
        assert "A payment for this is on its way." in words_of(owner_client.get(address(order)))

    def test_a_bank_that_does_not_answer_is_waited_for(
        self, account: Account, order: PlanOrder, owner_client: Client
    ) -> None:
        answer = pay(owner_client, order, save_card(account, "silent", at=NOW).pk)
        assert answer.headers["Location"] == collection_url(Collection.objects.get())

    def test_a_renewal_is_paid_by_hand(self, account: Account, owner_client: Client) -> None:
        """PLN-4."""
        registered(account, at=datetime(2026, 1, 28, 15, tzinfo=UTC))
        renew_due(NOW)
        order = PlanOrder.objects.get(state=PlanOrderState.OPEN)
        pay(owner_client, order, save_card(account, at=NOW).pk)
        assert Plan.objects.get().cycle_ends_on == date(2026, 3, 28)
        assert "Your plan is renewed" in words_of(owner_client.get(address(order)))


class TestOnce:
    def test_the_same_click_again_charges_nothing(
        self, account: Account, order: PlanOrder, owner_client: Client
    ) -> None:
        """A double click, a reload of what was sent, and the way back to the form."""
        card = save_card(account, at=NOW)
        sent = {"seen": owner_client.get(address(order)).context["seen"], "method": str(card.pk)}
        for _ in range(3):
            assert owner_client.post(address(order), sent).headers["Location"] == address(order)
        assert (charged(), Payment.objects.count(), Invoice.objects.count()) == (Decimal("350.00"), 1, 1)

    def test_a_second_tab_with_the_same_choice_charges_nothing(
        self, account: Account, order: PlanOrder, owner_client: Client
    ) -> None:
        """The choice made in two tabs is one order, by its key."""
        card = save_card(account, at=NOW)
        again = order_of(account, 2, 10, 1, at=NOW)
        assert again.key == order.key
        seen = owner_client.get(address(order)).context["seen"]
        for _ in range(2):
            owner_client.post(address(again), {"seen": seen, "method": str(card.pk)})
        assert charged() == Decimal("350.00")

    def test_the_same_click_again_after_a_decline_asks_the_bank_no_more(
        self, account: Account, order: PlanOrder, owner_client: Client
    ) -> None:
        card = save_card(account, "declined", at=NOW)
        sent = {"seen": owner_client.get(address(order)).context["seen"], "method": str(card.pk)}
        for _ in range(2):
            owner_client.post(address(order), sent)
        assert Collection.objects.count() == 1

    def test_while_one_is_on_its_way_no_other_begins(
        self, account: Account, order: PlanOrder, owner_client: Client
    ) -> None:
        asks, good = save_card(account, "asks", at=NOW), save_card(account, at=NOW)
        seen = owner_client.get(address(order)).context["seen"]
        owner_client.post(address(order), {"seen": seen, "method": str(asks.pk)})
        answer = owner_client.post(address(order), {"seen": seen, "method": str(good.pk)})
        assert answer.headers["Location"] == collection_url(Collection.objects.get())

    def test_who_comes_after_the_payment_of_somebody_else_charges_nothing(
        self, account: Account, order: PlanOrder, owner_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two tabs at one instant: the second has looked before the first was through."""
        card = save_card(account, at=NOW)
        seen = owner_client.get(address(order)).context["seen"]

        def late(*args: Any, **kwargs: Any) -> Any:
            paid(order, at=NOW)
            return begin_collection(*args, **kwargs)

        monkeypatch.setattr("billing.views.plan_checkout.begin_collection", late)
        answer = owner_client.post(address(order), {"seen": seen, "method": str(card.pk)})
        assert answer.headers["Location"] == address(order)
        assert charged() == 0
        assert not Collection.objects.exists()


class TestChangedAmounts:
    def test_a_price_that_was_set_meanwhile_is_shown_and_not_charged(
        self, account: Account, order: PlanOrder, owner_client: Client
    ) -> None:
        card = save_card(account, at=NOW)
        seen = owner_client.get(address(order)).context["seen"]
        Price.objects.create(
            product=package(2), amount=Decimal(40), amount_currency="USD", effective_on=NOW.date()
        )
        answer = owner_client.post(address(order), {"seen": seen, "method": str(card.pk)}, follow=True)
        assert charged() == 0
        (there, _), *_ = answer.redirect_chain
        assert there != address(order)
        assert "has changed since you saw it" in answer.content.decode()
        assert "To pay now $400.00" in words_of(answer)

    def test_a_change_costs_less_the_next_day_and_is_shown_again(
        self, account: Account, owner_client: Client
    ) -> None:
        """PLN-4: for the days left on the day of the payment."""
        registered(account, at=NOW - timedelta(days=16))
        order = order_of(account, 2, 15, None, at=NOW)
        card = save_card(account, at=NOW)
        seen = owner_client.get(address(order)).context["seen"]
        with time_machine.travel(NOW + timedelta(days=1), tick=False):
            answer = owner_client.post(address(order), {"seen": seen, "method": str(card.pk)}, follow=True)
            assert charged() == 0
            assert "To pay now $68.75" in words_of(answer)

    def test_a_registration_of_yesterday_costs_what_was_seen_and_begins_today(
        self, account: Account, order: PlanOrder, owner_client: Client
    ) -> None:
        """PLN-3: from the payment, at the same total."""
        card = save_card(account, at=NOW)
        seen = owner_client.get(address(order)).context["seen"]
        with time_machine.travel(NOW + timedelta(days=1), tick=False):
            owner_client.post(address(order), {"seen": seen, "method": str(card.pk)})
        assert charged() == Decimal("350.00")
        plan = Plan.objects.get()
        assert (plan.cycle_starts_on, plan.cycle_ends_on) == (date(2026, 3, 3), date(2026, 4, 3))

    def test_credit_that_came_meanwhile_is_shown_first(
        self, account: Account, order: PlanOrder, owner_client: Client
    ) -> None:
        card = save_card(account, at=NOW)
        seen = owner_client.get(address(order)).context["seen"]
        transfer(account, Decimal(100), NOW.date(), actor=TESTS, at=NOW)
        answer = owner_client.post(address(order), {"seen": seen, "method": str(card.pk)}, follow=True)
        assert charged() == 0
        assert "To pay now $250.00" in words_of(answer)


class TestTransfer:
    @pytest.fixture(autouse=True)
    def _bank(self, account: Account) -> None:
        Brand.objects.filter(pk=account.brand_id).update(bank_details="Example Bank\nAccount 12345")

    def test_a_registration_can_be_transferred(
        self, account: Account, order: PlanOrder, owner_client: Client
    ) -> None:
        """PLN-3: it says where to, how much and which reference, and begins when it has come in."""
        answer = pay(owner_client, order, "transfer")
        waiting = PlanOrder.objects.get(state=PlanOrderState.OPEN)
        assert (waiting.by_transfer, answer.headers["Location"]) == (True, address(waiting))
        words = words_of(owner_client.get(address(waiting)))
        assert "Amount $350.00" in words
        assert f"Reference PLAN-{waiting.pk}" in words
        assert "Example Bank Account 12345" in words
        assert not Plan.objects.exists()

    def test_it_can_be_paid_by_card_after_all(
        self, account: Account, order: PlanOrder, owner_client: Client
    ) -> None:
        card = save_card(account, at=NOW)
        pay(owner_client, order, "transfer")
        waiting = PlanOrder.objects.get(state=PlanOrderState.OPEN)
        pay(owner_client, waiting, card.pk)
        assert (charged(), Plan.objects.get().state) == (Decimal("350.00"), PlanState.ACTIVE)

    def test_a_change_cannot_wait_for_a_transfer(self, account: Account, owner_client: Client) -> None:
        registered(account, at=NOW - timedelta(days=16))
        order = order_of(account, 2, 15, None, at=NOW)
        answer = pay(owner_client, order, "transfer")
        assert answer.status_code == 400
        assert answer.context["form"].errors["method"] == ["Choose a card of the list."]

    def test_without_bank_details_it_is_not_offered(
        self, account: Account, order: PlanOrder, owner_client: Client
    ) -> None:
        Brand.objects.filter(pk=account.brand_id).update(bank_details="")
        assert pay(owner_client, order, "transfer").status_code == 400


class TestBadInput:
    def test_no_method(self, account: Account, order: PlanOrder, owner_client: Client) -> None:
        save_card(account, at=NOW)
        answer = pay(owner_client, order)
        assert answer.status_code == 400
        assert answer.context["form"].errors["method"] == ["Choose how to pay."]

    def test_a_card_of_another_account(
        self, account: Account, other: Account, order: PlanOrder, owner_client: Client
    ) -> None:
        """ACC-4."""
        theirs = save_card(other, at=NOW)
        save_card(account, at=NOW)
        assert pay(owner_client, order, theirs.pk).status_code == 400
        assert charged() == 0

    def test_nothing_sent_charges_nothing(
        self, account: Account, order: PlanOrder, owner_client: Client
    ) -> None:
        save_card(account, at=NOW)
        assert owner_client.post(address(order)).headers["Location"] == address(order)
        assert charged() == 0


class TestCancel:
    def test_nothing_comes_of_it(self, order: PlanOrder, owner_client: Client) -> None:
        answer = owner_client.post(f"{address(order)}cancel/", follow=True)
        assert "The order is cancelled. Nothing was charged." in answer.content.decode()
        assert "This order is cancelled" in words_of(owner_client.get(address(order)))

    def test_a_payment_on_its_way_goes_before(
        self, account: Account, order: PlanOrder, owner_client: Client
    ) -> None:
        collection_of(order, save_card(account, at=NOW), at=NOW)
        owner_client.post(f"{address(order)}cancel/")
        assert PlanOrder.objects.get().state == PlanOrderState.OPEN

    def test_a_renewal_is_unsubscribed_instead(self, account: Account, owner_client: Client) -> None:
        registered(account, at=datetime(2026, 1, 28, 15, tzinfo=UTC))
        renew_due(NOW)
        order = PlanOrder.objects.get(state=PlanOrderState.OPEN)
        owner_client.post(f"{address(order)}cancel/")
        assert PlanOrder.objects.get(pk=order.pk).state == PlanOrderState.OPEN
        unsubscribe(account, actor=TESTS, at=NOW)
        assert "not paid in time, or the plan was unsubscribed" in words_of(owner_client.get(address(order)))

    def test_money_that_comes_after_it_is_credit(
        self, account: Account, order: PlanOrder, owner_client: Client
    ) -> None:
        """INV-6."""
        owner_client.post(f"{address(order)}cancel/")
        paid(order, at=NOW)
        assert Payment.objects.get().left == Decimal("350.00")
        assert not Plan.objects.exists()


class TestWho:
    def test_a_reader_looks_and_does_not_pay(
        self, account: Account, order: PlanOrder, role_client: Callable[[Role], Client]
    ) -> None:
        """ACC-4."""
        save_card(account, at=NOW)
        client = role_client(Role.READ_ONLY)
        shown = client.get(address(order))
        assert "Pay $350.00" not in words_of(shown)
        before = entries()
        sent = {"seen": shown.context["seen"], "method": "1"}
        assert client.post(address(order), sent).status_code == 403
        assert client.post(f"{address(order)}cancel/").status_code == 403
        assert (charged(), entries()) == (Decimal(0), before)

    def test_another_accounts_order_is_not_there(
        self, account: Account, other: Account, order: PlanOrder, owner_client: Client
    ) -> None:
        """ACC-4: neither under its own address nor under another account's."""
        theirs = order_of(other, at=NOW)
        for found in (theirs.key, uuid4()):
            assert owner_client.get(f"/a/acme/plans/orders/{found}/").status_code == 404
            assert owner_client.post(f"/a/acme/plans/orders/{found}/cancel/").status_code == 404
        stranger = client_of(member(other))
        assert stranger.get(address(order)).status_code == stranger.post(address(order)).status_code == 404
