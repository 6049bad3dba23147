"""Saved cards, and the test bank's page on which one is chosen (INV-6)."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account, Role
from billing.models import CardSetup, PaymentMethod
from billing.payments.gateways.base import GatewayDown
from billing.payments.gateways.test_gateway import TestGateway
from tests.billing_pages.conftest import client_of, entries, words_of
from tests.factories import member
from tests.planned import begin_test_card, collection_of, order_of, save_card

CARDS = "/a/acme/billing/cards/"
ADD = f"{CARDS}add/"
NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)

OpensCheaply = Callable[[Client, str], HttpResponseBase]


def bank(setup: CardSetup) -> str:
    return f"/a/acme/test-bank/cards/{setup.key}/"


def back(setup: CardSetup) -> str:
    return f"{CARDS}return/{setup.key}/"


class TestList:
    def test_cards_with_their_expiry(self, account: Account, owner_client: Client) -> None:
        first, second, third = (save_card(account, at=NOW) for _ in range(3))
        PaymentMethod.objects.filter(pk=second.pk).update(exp_month=3, exp_year=2026, last4="1111")
        PaymentMethod.objects.filter(pk=third.pk).update(exp_month=2, exp_year=2026, last4="2222")
        words = words_of(owner_client.get(CARDS))
        assert "Visa ···· 4242 Default 12/2034 Mar 2, 2026 Remove" in words
        assert "Visa ···· 1111 03/2026 Expires soon" in words
        assert "Visa ···· 2222 02/2026 Expired" in words
        assert first.is_default

    def test_how_to_begin(self, account: Account, owner_client: Client) -> None:
        words = words_of(owner_client.get(CARDS))
        assert "No card is saved" in words
        assert "Add a card" in words

    def test_where_cards_are_not_taken(
        self, account: Account, owner_client: Client, settings: LazySettings
    ) -> None:
        settings.PAYMENT_GATEWAY = ""
        words = words_of(owner_client.get(CARDS))
        assert "Cards are not taken here." in words
        assert "Add a card" not in words
        refused = owner_client.post(ADD)
        assert refused.status_code == 400
        assert "Cards are not taken here. Pay by bank transfer." in words_of(refused)

    def test_a_reader_is_offered_nothing(
        self, account: Account, role_client: Callable[[Role], Client]
    ) -> None:
        save_card(account, at=NOW)
        words = words_of(role_client(Role.READ_ONLY).get(CARDS))
        assert "4242" in words
        assert "Remove" not in words

    def test_queries(self, account: Account, owner_client: Client, opens_cheaply: OpensCheaply) -> None:
        for _ in range(30):
            save_card(account, at=NOW)
        opens_cheaply(owner_client, CARDS)


class TestAdd:
    def test_the_way_there_is_a_link_and_the_way_back_saves_the_card(
        self, account: Account, owner_client: Client
    ) -> None:
        """A form may lead to no other host, so a page of the panel's own has the link."""
        answer = owner_client.post(ADD, follow=True)
        setup = CardSetup.objects.get()
        assert answer.redirect_chain == [(f"{ADD}{setup.key}/", 302)]
        assert f'href="{bank(setup)}"' in answer.content.decode()
        answer = owner_client.post(bank(setup), {"card": "asks"})
        assert answer.headers["Location"] == back(setup)
        assert "Mastercard ···· 3155 is saved." in owner_client.get(back(setup), follow=True).content.decode()
        card = PaymentMethod.objects.get()
        assert (card.last4, card.is_default) == ("3155", True)

    def test_it_goes_on_where_it_was_begun_and_says_which_card_it_is(
        self, account: Account, owner_client: Client
    ) -> None:
        review = f"/a/acme/plans/orders/{order_of(account, at=NOW).key}/"
        owner_client.post(ADD, {"next": review})
        setup = CardSetup.objects.get()
        owner_client.post(bank(setup), {"card": "succeeds"})
        there = owner_client.get(back(setup)).headers["Location"]
        assert there == f"{review}?card={PaymentMethod.objects.get().pk}"

    @pytest.mark.parametrize(
        "elsewhere",
        [
            "https://evil.example/",
            "//evil.example/a/acme/",
            "/a/elsewhere/plans/",
            "javascript:alert(1)",
            "/a/acme/" + "x" * 300,
        ],
    )
    def test_it_goes_on_nowhere_else(self, elsewhere: str, account: Account, owner_client: Client) -> None:
        owner_client.post(ADD, {"next": elsewhere})
        assert CardSetup.objects.get().next_url == ""

    def test_back_twice_is_one_card(self, account: Account, owner_client: Client) -> None:
        owner_client.post(ADD)
        setup = CardSetup.objects.get()
        owner_client.post(bank(setup), {"card": "succeeds"})
        for _ in range(2):
            owner_client.get(back(setup))
        owner_client.post(bank(setup), {"card": "declined"})
        owner_client.get(back(setup))
        assert PaymentMethod.objects.get().last4 == "4242"

    def test_back_without_a_card(self, account: Account, owner_client: Client) -> None:
        owner_client.post(ADD)
        setup = CardSetup.objects.get()
        answer = owner_client.get(back(setup), follow=True)
        assert "No card was saved." in answer.content.decode()
        assert not PaymentMethod.objects.exists()

    def test_a_bank_that_cannot_be_reached(
        self, account: Account, owner_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """INV-6: nothing is changed, and one is told to try again."""

        def down(*args: object, **kwargs: object) -> None:
            raise GatewayDown

        setup = begin_test_card(account, at=NOW)
        monkeypatch.setattr(TestGateway, "begin_setup", down)
        monkeypatch.setattr(TestGateway, "finish_setup", down)
        answer = owner_client.post(ADD)
        assert answer.status_code == 400
        assert "cannot be reached at the moment" in words_of(answer)
        assert "cannot be reached" in owner_client.get(back(setup), follow=True).content.decode()


class TestDefaultAndRemove:
    def test_another_is_the_default(self, account: Account, owner_client: Client) -> None:
        _, second = save_card(account, at=NOW), save_card(account, "asks", at=NOW)
        answer = owner_client.post(f"{CARDS}{second.pk}/default/", follow=True)
        assert "Mastercard ···· 3155 is what is collected from." in answer.content.decode()
        assert PaymentMethod.objects.get(is_default=True) == second

    def test_removing_says_what_is_collected_from_then(self, account: Account, owner_client: Client) -> None:
        first, second = save_card(account, at=NOW), save_card(account, "asks", at=NOW)
        address = f"{CARDS}{first.pk}/remove/"
        assert "goes to Mastercard ···· 3155 from now on" in words_of(owner_client.get(address))
        owner_client.post(address)
        assert PaymentMethod.objects.get(removed_at=None) == second
        assert "No card is left then" in words_of(owner_client.get(f"{CARDS}{second.pk}/remove/"))
        assert owner_client.post(address).status_code == 404

    def test_a_card_that_is_being_charged_is_kept(self, account: Account, owner_client: Client) -> None:
        card = save_card(account, at=NOW)
        collection_of(order_of(account, at=NOW), card, at=NOW)
        answer = owner_client.post(f"{CARDS}{card.pk}/remove/")
        assert answer.status_code == 400
        assert "A payment by this card is on its way." in words_of(answer)
        assert PaymentMethod.objects.filter(removed_at=None).exists()


class TestBank:
    @pytest.fixture
    def setup(self, account: Account) -> CardSetup:
        return begin_test_card(account, at=NOW)

    def test_it_looks_like_no_page_of_the_panel(self, setup: CardSetup, owner_client: Client) -> None:
        content = owner_client.get(bank(setup)).content.decode()
        assert "Test bank" in content
        assert "No money moves here" in content
        assert "sidebar" not in content
        for what in ("Every payment succeeds", "Every payment is declined", "The bank does not answer"):
            assert what in content

    @pytest.mark.parametrize("sent", [{}, {"card": "4242424242424242"}])
    def test_bad_input(self, sent: dict[str, str], setup: CardSetup, owner_client: Client) -> None:
        answer = owner_client.post(bank(setup), sent)
        assert answer.status_code == 400
        assert answer.context["form"].errors["card"]

    @pytest.mark.parametrize("gateway", ["", "stripe"])
    def test_it_is_not_there_where_money_is_real(
        self, gateway: str, setup: CardSetup, owner_client: Client, settings: LazySettings
    ) -> None:
        """INV-6: whatever somebody guesses."""
        settings.PAYMENT_GATEWAY = gateway
        assert owner_client.get(bank(setup)).status_code == 404
        assert owner_client.post(bank(setup), {"card": "succeeds"}).status_code == 404
        assert CardSetup.objects.get().gateway_id == str(setup.key)


class TestWho:
    def test_a_reader_is_refused(self, account: Account, role_client: Callable[[Role], Client]) -> None:
        """ACC-4."""
        card, setup = save_card(account, at=NOW), begin_test_card(account, at=NOW)
        client, before = role_client(Role.READ_ONLY), entries()
        for address in (ADD, f"{CARDS}{card.pk}/default/", f"{CARDS}{card.pk}/remove/", bank(setup)):
            assert client.post(address, {"card": "succeeds"}).status_code == 403
        assert client.get(back(setup)).status_code == 403
        assert entries() == before

    def test_another_accounts_things_are_not_there(
        self, account: Account, other: Account, owner_client: Client
    ) -> None:
        """ACC-4."""
        theirs, setup = save_card(other, at=NOW), begin_test_card(other, at=NOW)
        for address in (f"{CARDS}{theirs.pk}/default/", f"{CARDS}{theirs.pk}/remove/", bank(setup)):
            assert owner_client.post(address, {"card": "succeeds"}).status_code == 404
        for address in (f"{ADD}{setup.key}/", back(setup), f"{CARDS}return/{uuid4()}/"):
            assert owner_client.get(address).status_code == 404
        assert client_of(member(other)).get(CARDS).status_code == 404
        assert PaymentMethod.objects.get().removed_at is None
