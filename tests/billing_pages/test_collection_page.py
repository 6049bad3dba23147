"""One payment by card: where it stands, back from the bank, given up; and the test bank that asks (INV-6)."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.http.response import HttpResponseBase
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import Account, Role
from billing.models import Collection, CollectionState, Payment, Plan, PlanOrder, PlanState, TestIntent
from billing.payments.collecting import begin_collection, collection_url, drive
from billing.payments.gateways.base import GatewayDown
from billing.payments.gateways.test_gateway import TestGateway
from tests.billing_pages.conftest import client_of, entries, words_of
from tests.factories import TESTS, member
from tests.planned import collection_of, order_of, save_card

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)

OpensCheaply = Callable[[Client, str], HttpResponseBase]


def driven(account: Account, code: str, order: PlanOrder | None = None) -> Collection:
    """A payment that was asked for, by a card that does what `code` says."""
    card = save_card(account, code, at=NOW)
    if order is not None:
        begun = collection_of(order, card, at=NOW)
    else:
        begun = begin_collection(account, Decimal(20), card, off_session=False, actor=TESTS, at=NOW)
    return drive(begun, actor=TESTS, clock=timezone.now)


def bank(collection: Collection) -> str:
    return f"/a/acme/test-bank/payments/{collection.gateway_id}/"


def order_url(order: PlanOrder) -> str:
    return f"/a/acme/plans/orders/{order.key}/"


@pytest.fixture
def order(account: Account) -> PlanOrder:
    """350.00 for a plan."""
    return order_of(account, at=NOW)


class TestWaiting:
    def test_it_says_that_nobody_is_charged_twice_and_looks_again(
        self, account: Account, order: PlanOrder, owner_client: Client
    ) -> None:
        collection = driven(account, "silent", order)
        answer = owner_client.get(collection_url(collection))
        words, content = words_of(answer), answer.content.decode()
        assert "We wait for the bank’s answer; you will not be charged twice." in words
        assert f'hx-get="{collection_url(collection)}?ask=1"' in content
        assert f'href="{collection_url(collection)}?ask=1"' in content
        assert Collection.objects.get().state == CollectionState.SENT

    def test_asked_again_it_knows_and_leads_on(
        self, account: Account, order: PlanOrder, owner_client: Client
    ) -> None:
        collection = driven(account, "silent", order)
        answer = owner_client.get(f"{collection_url(collection)}?ask=1")
        assert answer.headers["Location"] == order_url(order)
        assert Plan.objects.get().state == PlanState.ACTIVE
        assert Payment.objects.get().amount == Decimal("350.00")

    def test_the_page_that_asks_by_itself_leaves_as_a_whole(
        self, account: Account, order: PlanOrder, owner_client: Client
    ) -> None:
        collection = driven(account, "silent", order)
        answer = owner_client.get(f"{collection_url(collection)}?ask=1", headers={"HX-Request": "true"})
        assert (answer.status_code, answer.headers["HX-Redirect"]) == (200, order_url(order))

    def test_while_the_bank_is_away_it_waits_on(
        self, account: Account, order: PlanOrder, owner_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def down(*args: object) -> None:
            raise GatewayDown

        collection = driven(account, "silent", order)
        monkeypatch.setattr(TestGateway, "look_up", down)
        answer = owner_client.get(f"{collection_url(collection)}?ask=1")
        assert answer.status_code == 200
        assert "We wait for the bank" in words_of(answer)

    def test_it_can_be_given_up(self, account: Account, order: PlanOrder, owner_client: Client) -> None:
        collection = driven(account, "silent", order)
        answer = owner_client.post(f"{collection_url(collection)}cancel/", follow=True)
        assert answer.redirect_chain[-1][0] == order_url(order)
        assert "The payment is cancelled. Nothing was charged." in answer.content.decode()
        assert TestIntent.objects.get().status == "cancelled"

    def test_what_the_bank_has_done_by_now_is_not_given_up(
        self, account: Account, order: PlanOrder, owner_client: Client
    ) -> None:
        collection = driven(account, "silent", order)
        TestIntent.objects.update(status="succeeded")
        answer = owner_client.post(f"{collection_url(collection)}cancel/", follow=True)
        assert "Your plan is registered" in words_of(answer)
        assert Payment.objects.count() == 1

    def test_a_bank_that_does_not_say_keeps_it(
        self, account: Account, order: PlanOrder, owner_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def down(*args: object) -> None:
            raise GatewayDown

        collection = driven(account, "silent", order)
        monkeypatch.setattr(TestGateway, "cancel", down)
        answer = owner_client.post(f"{collection_url(collection)}cancel/", follow=True)
        assert "The bank has the payment now." in answer.content.decode()
        assert Collection.objects.get().is_live


class TestConfirmation:
    def test_there_and_back_confirmed(self, account: Account, order: PlanOrder, owner_client: Client) -> None:
        """The link leads to the bank, which sends the person back, and the plan begins."""
        collection = driven(account, "asks", order)
        page = owner_client.get(collection_url(collection))
        assert "Your bank asks you to confirm" in words_of(page)
        assert f'href="{bank(collection)}"' in page.content.decode()
        assert "$350.00" in owner_client.get(bank(collection)).content.decode()
        answer = owner_client.post(bank(collection), {"confirm": "1"}, follow=True)
        assert [there for there, _ in answer.redirect_chain] == [collection_url(collection), order_url(order)]
        assert "Your plan is registered" in words_of(answer)
        assert Plan.objects.get().state == PlanState.ACTIVE

    def test_refused(self, account: Account, order: PlanOrder, owner_client: Client) -> None:
        collection = driven(account, "asks", order)
        answer = owner_client.post(bank(collection), {"refuse": "1"}, follow=True)
        assert answer.redirect_chain[-1][0] == order_url(order)
        assert "The payment was not confirmed." in words_of(answer)
        assert not Plan.objects.exists()

    def test_answered_once(self, account: Account, order: PlanOrder, owner_client: Client) -> None:
        collection = driven(account, "asks", order)
        owner_client.post(bank(collection), {"refuse": "1"})
        owner_client.post(bank(collection), {"confirm": "1"})
        assert "Nothing is asked any more." in owner_client.get(bank(collection)).content.decode()
        assert TestIntent.objects.get().status == "failed"

    def test_a_bank_that_cannot_be_visited(
        self, account: Account, order: PlanOrder, owner_client: Client
    ) -> None:
        collection = driven(account, "asks", order)
        Collection.objects.update(action_url="")
        assert "in a way that does not work here" in words_of(owner_client.get(collection_url(collection)))

    def test_the_bank_is_not_there_where_money_is_real(
        self, account: Account, order: PlanOrder, owner_client: Client, settings: LazySettings
    ) -> None:
        collection = driven(account, "asks", order)
        settings.PAYMENT_GATEWAY = "stripe"
        assert owner_client.post(bank(collection), {"confirm": "1"}).status_code == 404
        assert TestIntent.objects.get().status == "action"


class TestOfTheBalance:
    """What is paid for no plan ends on its own page."""

    def test_paid(self, account: Account, owner_client: Client) -> None:
        words = words_of(owner_client.get(collection_url(driven(account, "succeeds"))))
        assert "Paid" in words
        assert "$20.00 of it is your credit." in words

    def test_declined(self, account: Account, owner_client: Client) -> None:
        words = words_of(owner_client.get(collection_url(driven(account, "declined"))))
        assert "The payment was declined" in words
        assert "Use another card, or ask the bank that issued it. Nothing was charged." in words

    def test_cancelled(self, account: Account, owner_client: Client) -> None:
        collection = driven(account, "asks")
        answer = owner_client.post(f"{collection_url(collection)}cancel/", follow=True)
        assert "The payment is cancelled" in words_of(answer)


class TestWho:
    def test_a_reader_looks_and_asks_nothing_of_the_bank(
        self, account: Account, order: PlanOrder, role_client: Callable[[Role], Client]
    ) -> None:
        """ACC-4."""
        collection = driven(account, "silent", order)
        client, before = role_client(Role.READ_ONLY), entries()
        assert client.get(f"{collection_url(collection)}?ask=1").status_code == 200
        assert client.post(f"{collection_url(collection)}cancel/").status_code == 403
        assert (Collection.objects.get().state, entries()) == (CollectionState.SENT, before)

    def test_another_accounts_payment_is_not_there(
        self, account: Account, other: Account, owner_client: Client
    ) -> None:
        """ACC-4."""
        theirs = driven(other, "asks")
        for key in (theirs.key, uuid4()):
            assert owner_client.get(f"/a/acme/billing/payments/{key}/").status_code == 404
            assert owner_client.post(f"/a/acme/billing/payments/{key}/cancel/").status_code == 404
        assert owner_client.post(bank(theirs), {"confirm": "1"}).status_code == 404
        assert client_of(member(other)).get("/a/acme/test-bank/payments/x/").status_code == 404
        assert Collection.objects.get().state == CollectionState.ACTION

    def test_queries(
        self, account: Account, order: PlanOrder, owner_client: Client, opens_cheaply: OpensCheaply
    ) -> None:
        opens_cheaply(owner_client, collection_url(driven(account, "silent", order)))

    def test_queries_where_the_bank_is_asked(
        self,
        account: Account,
        order: PlanOrder,
        owner_client: Client,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        """It is an action then: the payment is claimed, asked for, and written down under the account's lock."""
        address = collection_url(driven(account, "asks", order))
        with django_assert_max_num_queries(30):
            assert owner_client.get(address).status_code == 200
