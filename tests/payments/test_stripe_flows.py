"""Cards and payments through Stripe, from the first click to the books: what it took is what was booked (INV-6)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import product

import pytest
from django.conf import settings

from accounts.models import Account
from accounts.refusals import Refused
from billing.models import (
    CardSetup,
    Collection,
    CollectionState,
    Payment,
    PaymentCustomer,
    PaymentMethod,
    Refund,
    RefundState,
)
from billing.payments import gateways
from billing.payments.collecting import PATIENCE, begin_collection, cancel_collection, drive, reconcile
from billing.payments.gateways.stripe_gateway import RETRIES, StripeGateway
from billing.payments.methods import begin_card, finish_card, remove_method
from billing.payments.refunds import ask_again, ask_refund, drive_refund
from tests import stripe_peer as peers
from tests.factories import AT, TESTS, AccountFactory
from tests.paying import invoiced
from tests.stripe_peer import StripePeer

TEN = Decimal("10.00")
BACK = "https://panel.example/back"
FAULTS = [
    *product(("prepare", "confirm"), ("hang", "drop", "500", "502"), (False, True)),
    *product(("prepare", "confirm", "look_up"), ("half",), (True,)),
    *product(("prepare", "confirm", "look_up"), ("429", "409"), (False,)),
    *product(("look_up",), ("hang", "drop", "500", "502"), (False,)),
]
"""Which call goes wrong, how, and whether it was done before."""
State = CollectionState


def begun_card(account: Account) -> CardSetup:
    return begin_card(account, return_url=lambda setup: BACK, next_url="/", actor=TESTS, at=AT)


def save(account: Account, peer: StripePeer, number: str = peers.VISA) -> PaymentMethod:
    """A card that the person has entered and come back from."""
    setup = begun_card(account)
    peer.enter_card(setup.gateway_id, number)
    method = finish_card(setup, actor=TESTS, at=AT)
    assert method is not None
    return method


def begun(
    account: Account, card: PaymentMethod, *, off_session: bool = True, amount: Decimal = TEN
) -> Collection:
    """An amount that the account owes, to be taken from its card."""
    invoiced(account, amount, account.local_date(AT), actor=TESTS, at=AT)
    return begin_collection(account, amount, card, off_session=off_session, actor=TESTS, at=AT)


def driven(collection: Collection, minutes: int = 0) -> Collection:
    at = AT + timedelta(minutes=minutes)
    return drive(collection, actor=TESTS, clock=lambda: at)


def swept(minutes: int) -> None:
    at = AT + timedelta(minutes=minutes)
    reconcile(lambda: at)


def assert_books_are_right(peer: StripePeer) -> None:
    """What Stripe took is what came in, and none of it twice."""
    taken = sorted((charge["intent"], Decimal(charge["amount"]).scaleb(-2)) for charge in peer.charges())
    booked = Payment.objects.order_by("gateway_id").values_list("gateway_id", "amount")
    assert taken == [(intent, amount.quantize(TEN)) for intent, amount in booked]


class TestSavingACard:
    def test_it_is_kept_once_with_the_customer(
        self, account: Account, stripe_gateway: StripeGateway, stripe_peer: StripePeer
    ) -> None:
        """INV-6: no number of it is known here."""
        setup = begun_card(account)
        assert setup.url.startswith(f"{stripe_peer.url}/pay/{setup.gateway_id}")
        assert finish_card(setup, actor=TESTS, at=AT) is None
        stripe_peer.enter_card(setup.gateway_id)
        first = finish_card(setup, actor=TESTS, at=AT)
        again = finish_card(CardSetup.objects.get(pk=setup.pk), actor=TESTS, at=AT)
        assert first == again == PaymentMethod.objects.get()
        assert str(first) == "Visa ···· 4242"
        save(account, stripe_peer)
        assert PaymentCustomer.objects.count() == len(stripe_peer.calls("customer")) == 1

    @pytest.mark.parametrize("how", ["hang", "drop", "429", "502"])
    def test_it_can_be_begun_anew_when_stripe_is_away(
        self, account: Account, stripe_gateway: StripeGateway, stripe_peer: StripePeer, how: str
    ) -> None:
        """INV-6."""
        stripe_peer.fail("begin_setup", how, times=1 + RETRIES)
        with pytest.raises(Refused, match="Nothing was changed"):
            begun_card(account)
        if how == "429":
            with pytest.raises(Refused):
                begun_card(account)
        assert save(account, stripe_peer).is_default

    def test_one_that_is_removed_cannot_be_charged_at_stripe_either(
        self, account: Account, stripe_gateway: StripeGateway, stripe_peer: StripePeer
    ) -> None:
        """INV-6: also where it was removed while Stripe was away."""
        card = save(account, stripe_peer)
        remove_method(card, actor=TESTS, at=AT)
        assert [call["subject"] for call in stripe_peer.calls("forget")] == [card.gateway_id]
        with pytest.raises(Refused, match="has been removed"):
            begun(account, PaymentMethod.objects.get(pk=card.pk))


class TestCharging:
    @pytest.mark.parametrize("off_session", [True, False])
    def test_a_payment(
        self, account: Account, stripe_gateway: StripeGateway, stripe_peer: StripePeer, off_session: bool
    ) -> None:
        """INV-6: with the person there, and by itself."""
        card = save(account, stripe_peer)
        found = driven(begun(account, card, off_session=off_session))
        assert found.state == State.SUCCEEDED
        (confirm,) = stripe_peer.calls("confirm")
        way_back = f"{settings.PANEL_URL}/a/{account.slug}/"
        assert confirm["params"].get("off_session") == ("true" if off_session else None)
        assert confirm["params"].get("return_url", way_back).startswith(way_back)
        assert_books_are_right(stripe_peer)

    def test_a_decline_is_told_and_another_card_pays(
        self, account: Account, stripe_gateway: StripeGateway, stripe_peer: StripePeer
    ) -> None:
        """INV-6."""
        stripe_peer.decline_with("insufficient_funds")
        bad, good = save(account, stripe_peer, peers.DECLINED_LATER), save(account, stripe_peer)
        found = driven(begun(account, bad))
        assert (found.state, found.failure_code) == (State.FAILED, "insufficient_funds")
        assert "too little money" in found.failure
        assert driven(begun(account, good)).state == State.SUCCEEDED
        assert_books_are_right(stripe_peer)

    @pytest.mark.parametrize(("says_yes", "state"), [(True, State.SUCCEEDED), (False, State.FAILED)])
    def test_a_confirmation(
        self,
        account: Account,
        stripe_gateway: StripeGateway,
        stripe_peer: StripePeer,
        says_yes: bool,
        state: State,
    ) -> None:
        """INV-6: 3-D Secure, said yes or no to; the way back finds out."""
        found = driven(begun(account, save(account, stripe_peer, peers.ASKS_ALWAYS), off_session=False))
        assert (found.state, found.action_url) == (State.ACTION, f"{stripe_peer.url}/bank/{found.gateway_id}")
        stripe_peer.answer_bank(found.gateway_id, confirmed=says_yes)
        assert driven(found, 1).state == state
        assert_books_are_right(stripe_peer)

    def test_a_confirmation_that_nobody_gives_is_called_off(
        self, account: Account, stripe_gateway: StripeGateway, stripe_peer: StripePeer
    ) -> None:
        """INV-6."""
        found = driven(begun(account, save(account, stripe_peer, peers.ASKS_ALWAYS), off_session=False))
        swept(int(PATIENCE.total_seconds() // 60))
        assert driven(found, 70).state == State.CANCELLED
        assert stripe_peer.charges() == []

    def test_nobody_is_there_to_confirm(
        self, account: Account, stripe_gateway: StripeGateway, stripe_peer: StripePeer
    ) -> None:
        """INV-6: a renewal is declined, and says that the person can pay it."""
        found = driven(begun(account, save(account, stripe_peer, peers.ASKS_ALWAYS)))
        assert (found.state, found.failure_code) == (State.FAILED, "authentication_required")

    def test_what_is_called_off_is_never_charged(
        self, account: Account, stripe_gateway: StripeGateway, stripe_peer: StripePeer
    ) -> None:
        """INV-6."""
        stripe_peer.fail("confirm", "drop", times=1 + RETRIES)
        found = driven(begun(account, save(account, stripe_peer)))
        assert found.state == State.SENT
        assert cancel_collection(found, actor=TESTS, clock=lambda: AT).state == State.CANCELLED
        swept(5)
        assert stripe_peer.charges() == []


class TestRefunding:
    """Money that goes back goes back once."""

    @pytest.fixture
    def refund(self, account: Account, stripe_gateway: StripeGateway, stripe_peer: StripePeer) -> Refund:
        # More than is owed is credit, and credit is what can be given back.
        card = save(account, stripe_peer)
        driven(begin_collection(account, TEN, card, off_session=False, actor=TESTS, at=AT))
        return ask_refund(Payment.objects.get(), Decimal(4), reason="Too much", actor=TESTS, at=AT)

    def test_it_is_given_back(self, refund: Refund, stripe_peer: StripePeer) -> None:
        """INV-6."""
        found = drive_refund(refund, actor=TESTS, clock=lambda: AT)
        assert (found.state, found.gateway_id[:3]) == (RefundState.DONE, "re_")
        assert stripe_peer.charges()[0]["refunded"] == 400
        assert stripe_peer.calls("refund")[0]["params"]["metadata[refund]"] == str(refund.key)

    @pytest.mark.parametrize(
        ("how", "done"), [("hang", True), ("drop", False), ("drop", True), ("500", True)]
    )
    def test_an_answer_that_was_lost_is_found_by_the_task(
        self, refund: Refund, stripe_peer: StripePeer, how: str, done: bool
    ) -> None:
        """INV-6."""
        stripe_peer.fail("refund", how, done=done, times=1 + RETRIES)
        assert drive_refund(refund, actor=TESTS, clock=lambda: AT).state == RefundState.ASKED
        for _ in range(3):
            ask_again(lambda: AT)
        assert Refund.objects.get().state == RefundState.DONE
        assert stripe_peer.charges()[0]["refunded"] == 400

    def test_one_that_stripe_does_not_make_is_credit_again(
        self, refund: Refund, stripe_gateway: StripeGateway, stripe_peer: StripePeer
    ) -> None:
        """INV-6: staff gave all of it back at Stripe meanwhile."""
        intent = Payment.objects.get().gateway_id
        stripe_gateway.refund(intent, amount=TEN, currency="USD", key="by-hand")
        assert drive_refund(refund, actor=TESTS, clock=lambda: AT).state == RefundState.FAILED
        assert Payment.objects.get().left == TEN


class TestFaults:
    """Wherever the line breaks: charged once at most, and paid here as soon as it is there."""

    @pytest.mark.parametrize(("call", "how", "done"), FAULTS)
    def test_never_two_charges_and_never_a_paid_thing_unpaid(
        self,
        account: Account,
        stripe_gateway: StripeGateway,
        stripe_peer: StripePeer,
        call: str,
        how: str,
        done: bool,
    ) -> None:
        """INV-6: one run of the task after the fault is over is enough."""
        found = begun(account, save(account, stripe_peer))
        if call == "look_up":
            stripe_peer.fail("confirm", "drop", done=True, times=1 + RETRIES)
        stripe_peer.fail(call, how, done=done, times=1 + RETRIES)
        driven(found)
        if call == "look_up":
            swept(1)
        for minute in range(2, 5):
            assert len(stripe_peer.charges()) <= 1
            swept(minute)
        now = Collection.objects.get(pk=found.pk)
        assert now.state == State.SUCCEEDED
        assert len(stripe_peer.charges()) == 1
        assert_books_are_right(stripe_peer)

    def test_a_name_that_changed_meanwhile_is_no_obstacle(
        self, account: Account, stripe_gateway: StripeGateway, stripe_peer: StripePeer
    ) -> None:
        """INV-6: Stripe compares what is sent under one key."""
        found = begun(account, save(account, stripe_peer))
        stripe_peer.fail("prepare", "429", done=True)
        assert driven(found).state == State.NEW
        Account.objects.filter(pk=account.pk).update(name="Renamed")
        assert driven(found, 1).state == State.SUCCEEDED
        assert_books_are_right(stripe_peer)

    def test_a_key_of_another_account_does_not_make_a_paid_thing_unpaid(
        self, account: Account, stripe_gateway: StripeGateway, stripe_peer: StripePeer
    ) -> None:
        """INV-6: as long as nobody knows, it is neither paid nor declined."""
        stripe_peer.fail("confirm", "drop", times=1 + RETRIES)
        found = driven(begun(account, save(account, stripe_peer)))
        Collection.objects.filter(pk=found.pk).update(gateway_id="pi_of_another_account")
        swept(1)
        assert Collection.objects.get(pk=found.pk).state == State.SENT

    def test_one_that_cannot_be_worked_on_does_not_keep_the_others_waiting(
        self,
        account: Account,
        stripe_gateway: StripeGateway,
        stripe_peer: StripePeer,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """INV-6."""
        first = begun(account, save(account, stripe_peer))
        other = AccountFactory()
        second = begun(other, save(other, stripe_peer))

        def named(name: str) -> StripeGateway:
            if name == "gone":
                raise LookupError("no gateway is called 'gone'")
            return stripe_gateway

        monkeypatch.setattr(gateways, "named", named)
        Collection.objects.filter(pk=first.pk).update(gateway="gone")
        swept(1)
        assert Collection.objects.get(pk=second.pk).state == State.SUCCEEDED
        assert f"collection {first.pk} could not be brought on" in caplog.text
