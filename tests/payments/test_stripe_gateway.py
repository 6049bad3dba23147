"""The panel's side of Stripe, against a server that stands for it: what is sent, and what each answer means (INV-6)."""

from __future__ import annotations

import logging
import time
from decimal import Decimal

import pytest
import stripe

from billing.payments.collecting import LEASE
from billing.payments.gateways.base import Ask, Card, GatewayDown, GatewayRefused, Outcome, Status
from billing.payments.gateways.stripe_gateway import API_VERSION, RETRIES, TIMEOUT, StripeGateway
from billing.payments.gateways.stripe_values import brand_name, decline_words, to_major, to_minor
from tests import stripe_peer as peers
from tests.payments.conftest import WEBHOOK_SECRET
from tests.stripe_peer import KEY, LIMITED_KEY, StripePeer

BACK = "https://panel.example/back"
TEN = Decimal("10.00")
LONGEST_RETRY_PAUSE = 5


def saved(
    gateway: StripeGateway, peer: StripePeer, number: str = peers.VISA, brand: str = "visa"
) -> tuple[str, Card]:
    """A customer with a card."""
    customer = gateway.customer(key="account-1", name="Acme", email="ann@acme.example")
    setup = gateway.begin_setup(customer, key="setup-1", return_url=BACK)
    assert peer.enter_card(setup.id, number, brand)
    card = gateway.finish_setup(setup.id)
    assert card is not None
    return customer, card


def prepared(
    gateway: StripeGateway, peer: StripePeer, number: str = peers.VISA, amount: Decimal = TEN
) -> str:
    customer, card = saved(gateway, peer, number)
    return gateway.prepare(Ask("key-1", amount, "USD", customer, card.token, "Plan of Acme"))


def tries_of(how: str) -> int:
    """How often one call is tried that goes wrong in this way."""
    return 1 if how in ("429", "500") else 1 + RETRIES


def confirmed(gateway: StripeGateway, intent: str, *, off_session: bool = False) -> Outcome:
    return gateway.confirm(intent, key="key-1-confirm", off_session=off_session, return_url=BACK)


class TestCards:
    def test_a_card_is_entered_on_stripe_s_page_and_known_by_a_token(
        self, stripe_gateway: StripeGateway, stripe_peer: StripePeer
    ) -> None:
        customer = stripe_gateway.customer(key="account-1", name="Acme", email="ann@acme.example")
        setup = stripe_gateway.begin_setup(customer, key="setup-1", return_url=BACK)
        assert setup.url.startswith(stripe_peer.url)
        assert stripe_gateway.finish_setup(setup.id) is None
        assert not stripe_peer.enter_card(setup.id, peers.DECLINED_AT_ONCE)
        assert stripe_gateway.finish_setup(setup.id) is None
        stripe_peer.enter_card(setup.id, brand="mastercard")
        card = stripe_gateway.finish_setup(setup.id)
        assert card is not None
        assert card.token.startswith("pm_")
        assert card[1:] == ("Mastercard", "4242", 12, 2034)
        (sent,) = stripe_peer.calls("begin_setup")
        assert sent["version"] == API_VERSION
        assert sent["params"] == {
            "mode": "setup",
            "customer": customer,
            "allowed_payment_method_types[0]": "card",
            "success_url": BACK,
            "cancel_url": BACK,
            "client_reference_id": "setup-1",
            "setup_intent_data[metadata][card_setup]": "setup-1",
        }

    def test_a_card_is_forgotten_once_and_is_of_no_use_then(
        self, stripe_gateway: StripeGateway, stripe_peer: StripePeer
    ) -> None:
        customer, card = saved(stripe_gateway, stripe_peer)
        stripe_gateway.forget(card.token)
        stripe_gateway.forget(card.token)
        with pytest.raises(GatewayRefused, match="does not have a payment method"):
            stripe_gateway.prepare(Ask("key-1", TEN, "USD", customer, card.token, "Plan of Acme"))

    def test_a_customer_is_made_once_though_it_has_another_name_by_then(
        self, stripe_gateway: StripeGateway, stripe_peer: StripePeer
    ) -> None:
        stripe_peer.fail("customer", "429", done=True)
        with pytest.raises(GatewayDown):
            stripe_gateway.customer(key="account-1", name="Acme", email="ann@acme.example")
        again = stripe_gateway.customer(key="account-1", name="Acme", email="ann@acme.example")
        assert stripe_peer.calls("customer")[-1]["replayed"]
        assert stripe_gateway.customer(key="account-1", name="Acme Inc.", email="x@acme.example") != again


class TestCharges:
    def test_preparing_charges_nothing_and_confirming_does(
        self, stripe_gateway: StripeGateway, stripe_peer: StripePeer
    ) -> None:
        intent = prepared(stripe_gateway, stripe_peer)
        assert stripe_gateway.look_up(intent) == Outcome(Status.READY, TEN, "USD")
        assert stripe_peer.charges() == []
        assert confirmed(stripe_gateway, intent) == Outcome(Status.SUCCEEDED, TEN, "USD")
        assert stripe_gateway.look_up(intent).status is Status.SUCCEEDED
        assert stripe_peer.charges() == [{"intent": intent, "amount": 1000, "currency": "usd", "refunded": 0}]

    def test_what_is_sent_says_whose_it_is(
        self, stripe_gateway: StripeGateway, stripe_peer: StripePeer
    ) -> None:
        confirmed(stripe_gateway, prepared(stripe_gateway, stripe_peer))
        (prepare,), (confirm,) = stripe_peer.calls("prepare"), stripe_peer.calls("confirm")
        for name, value in {
            "amount": "1000",
            "currency": "usd",
            "description": "Plan of Acme",
            "metadata[collection]": "key-1",
            "allowed_payment_method_types[0]": "card",
        }.items():
            assert prepare["params"][name] == value
        assert (prepare["key"], confirm["key"]) == ("key-1", "key-1-confirm")
        assert confirm["params"] == {"return_url": BACK}
        assert {prepare["version"], confirm["version"]} == {API_VERSION}

    def test_the_same_key_is_the_same_intent(
        self, stripe_gateway: StripeGateway, stripe_peer: StripePeer
    ) -> None:
        customer, card = saved(stripe_gateway, stripe_peer)
        ask = Ask("key-1", TEN, "USD", customer, card.token, "Plan of Acme")
        assert stripe_gateway.prepare(ask) == stripe_gateway.prepare(ask)
        assert len(stripe_peer.intents()) == 1

    def test_an_intent_that_has_succeeded_is_not_charged_again(
        self, stripe_gateway: StripeGateway, stripe_peer: StripePeer
    ) -> None:
        intent = prepared(stripe_gateway, stripe_peer)
        confirmed(stripe_gateway, intent)
        with pytest.raises(GatewayRefused):
            stripe_gateway.confirm(intent, key="another", off_session=False, return_url=BACK)
        assert len(stripe_peer.charges()) == 1

    @pytest.mark.parametrize(
        ("code", "words"),
        [
            ("insufficient_funds", "too little money"),
            ("stolen_card", "Use another card"),
            ("generic_decline", "declined"),
        ],
    )
    def test_a_decline_is_an_outcome(
        self, stripe_gateway: StripeGateway, stripe_peer: StripePeer, code: str, words: str
    ) -> None:
        stripe_peer.decline_with(code)
        intent = prepared(stripe_gateway, stripe_peer, peers.DECLINED_LATER)
        for outcome in (confirmed(stripe_gateway, intent), stripe_gateway.look_up(intent)):
            assert (outcome.status, outcome.failure_code) == (Status.FAILED, code)
            assert words in outcome.failure
            assert "stolen" not in outcome.failure
        assert stripe_peer.charges() == []

    @pytest.mark.parametrize("says_yes", [True, False])
    def test_a_bank_that_asks_is_visited_by_its_address(
        self, stripe_gateway: StripeGateway, stripe_peer: StripePeer, says_yes: bool
    ) -> None:
        intent = prepared(stripe_gateway, stripe_peer, peers.ASKS_ALWAYS)
        outcome = confirmed(stripe_gateway, intent)
        assert outcome.status is Status.ACTION
        assert outcome.action_url == f"{stripe_peer.url}/bank/{intent}"
        stripe_peer.answer_bank(intent, confirmed=says_yes)
        outcome = stripe_gateway.look_up(intent)
        assert outcome.status is (Status.SUCCEEDED if says_yes else Status.FAILED)
        assert ("not confirmed" in outcome.failure) is not says_yes
        assert len(stripe_peer.charges()) == says_yes

    def test_where_nobody_is_a_card_that_was_set_up_is_charged(
        self, stripe_gateway: StripeGateway, stripe_peer: StripePeer
    ) -> None:
        intent = prepared(stripe_gateway, stripe_peer, peers.ASKS_WHEN_THERE)
        assert confirmed(stripe_gateway, intent, off_session=True).status is Status.SUCCEEDED
        assert stripe_peer.calls("confirm")[0]["params"] == {"off_session": "true"}

    def test_where_nobody_is_a_bank_that_asks_declines(
        self, stripe_gateway: StripeGateway, stripe_peer: StripePeer
    ) -> None:
        intent = prepared(stripe_gateway, stripe_peer, peers.ASKS_ALWAYS)
        for outcome in (
            confirmed(stripe_gateway, intent, off_session=True),
            stripe_gateway.look_up(intent),
        ):
            assert (outcome.status, outcome.failure_code) == (Status.FAILED, "authentication_required")
            assert "Pay it here" in outcome.failure

    def test_cancelled_is_never_charged_and_paid_is_never_cancelled(
        self, stripe_gateway: StripeGateway, stripe_peer: StripePeer
    ) -> None:
        intent = prepared(stripe_gateway, stripe_peer)
        assert stripe_gateway.cancel(intent).status is Status.CANCELLED
        with pytest.raises(GatewayRefused):
            confirmed(stripe_gateway, intent)
        customer, card = saved(stripe_gateway, stripe_peer)
        other = stripe_gateway.prepare(Ask("key-2", TEN, "USD", customer, card.token, ""))
        stripe_gateway.confirm(other, key="key-2-confirm", off_session=True, return_url="")
        assert stripe_gateway.cancel(other) == Outcome(Status.SUCCEEDED, TEN, "USD")

    def test_an_amount_that_is_too_small_is_refused(
        self, stripe_gateway: StripeGateway, stripe_peer: StripePeer
    ) -> None:
        with pytest.raises(GatewayRefused, match="at least"):
            prepared(stripe_gateway, stripe_peer, amount=Decimal("0.10"))


class TestRefunds:
    @pytest.fixture
    def intent(self, stripe_gateway: StripeGateway, stripe_peer: StripePeer) -> str:
        intent = prepared(stripe_gateway, stripe_peer)
        confirmed(stripe_gateway, intent)
        return intent

    def refund(self, gateway: StripeGateway, intent: str, key: str = "r-1", amount: str = "4.00") -> str:
        outcome = gateway.refund(intent, amount=Decimal(amount), currency="USD", key=key)
        assert outcome.is_done
        return outcome.id

    def test_it_is_given_back_once(
        self, stripe_gateway: StripeGateway, stripe_peer: StripePeer, intent: str
    ) -> None:
        first = self.refund(stripe_gateway, intent)
        assert self.refund(stripe_gateway, intent) == first
        assert self.refund(stripe_gateway, intent, "r-2") != first
        assert stripe_gateway.look_up_refund(first).is_done
        assert stripe_peer.charges()[0]["refunded"] == 800
        with pytest.raises(GatewayRefused, match="greater than"):
            self.refund(stripe_gateway, intent, "r-3")

    @pytest.mark.parametrize("how", ["hang", "drop", "half", "500", "502"])
    def test_an_answer_that_was_lost_is_found_also_when_stripe_has_forgotten_the_key(
        self, stripe_gateway: StripeGateway, stripe_peer: StripePeer, intent: str, how: str
    ) -> None:
        stripe_peer.fail("refund", how, done=True, times=tries_of(how))
        with pytest.raises(GatewayDown):
            self.refund(stripe_gateway, intent)
        self.refund(stripe_gateway, intent)
        assert len(stripe_peer.calls("refund")) <= 1 + RETRIES
        assert stripe_peer.charges()[0]["refunded"] == 400


class TestFaults:
    """What goes wrong between the two is never a charge too many."""

    @pytest.mark.parametrize("how", ["hang", "drop", "half", "500", "429", "409", "502"])
    @pytest.mark.parametrize("done", [False, True])
    def test_of_a_charge_nobody_knows_and_looking_it_up_tells(
        self, stripe_gateway: StripeGateway, stripe_peer: StripePeer, how: str, done: bool
    ) -> None:
        intent = prepared(stripe_gateway, stripe_peer)
        stripe_peer.fail("confirm", how, done=done, times=tries_of(how))
        began = time.monotonic()
        with pytest.raises(GatewayDown):
            confirmed(stripe_gateway, intent)
        assert time.monotonic() - began < 10
        outcome = stripe_gateway.look_up(intent)
        assert outcome.status is (Status.SUCCEEDED if done else Status.READY)
        if not done:
            assert confirmed(stripe_gateway, intent).status is Status.SUCCEEDED
        assert len(stripe_peer.charges()) == 1

    @pytest.mark.parametrize("how", ["drop", "500", "502"])
    def test_one_fault_is_got_over_within_the_call(
        self, stripe_gateway: StripeGateway, stripe_peer: StripePeer, how: str
    ) -> None:
        customer, card = saved(stripe_gateway, stripe_peer)
        ask = Ask("key-1", TEN, "USD", customer, card.token, "")
        stripe_peer.fail("prepare", how, done=how != "500")
        if how == "500":
            # Stripe repeats a failure of its own under the key, and says that it does.
            with pytest.raises(GatewayDown):
                stripe_gateway.prepare(ask)
        assert stripe_gateway.prepare(ask)
        assert len(stripe_peer.intents()) == 1
        assert [call["replayed"] for call in stripe_peer.calls("prepare")][1:2] == [True]

    def test_a_call_is_over_well_before_the_lease_of_a_collection(self) -> None:
        longest = (1 + RETRIES) * sum(TIMEOUT) + RETRIES * LONGEST_RETRY_PAUSE
        assert 2 * longest < LEASE.total_seconds()

    def test_what_is_looked_up_and_is_not_there_is_not_taken_as_unpaid(
        self, stripe_gateway: StripeGateway, stripe_peer: StripePeer, caplog: pytest.LogCaptureFixture
    ) -> None:
        for look_up in (stripe_gateway.look_up, stripe_gateway.look_up_refund, stripe_gateway.cancel):
            with pytest.raises(GatewayDown):
                look_up("pi_unknown")
        with pytest.raises(GatewayDown):
            stripe_gateway.refund("pi_unknown", amount=TEN, currency="USD", key="r-1")
        assert "STRIPE_SECRET_KEY" in caplog.text

    @pytest.mark.parametrize("key", ["sk_test_of_somebody_else", LIMITED_KEY, ""])
    def test_a_wrong_key_is_told_to_the_log_and_decides_nothing(
        self, stripe_peer: StripePeer, caplog: pytest.LogCaptureFixture, key: str
    ) -> None:
        gateway = StripeGateway(key, WEBHOOK_SECRET, stripe_peer.url)
        with pytest.raises(GatewayDown):
            gateway.customer(key="account-1", name="Acme", email="ann@acme.example")
        (told,) = [entry for entry in caplog.records if entry.levelno == logging.ERROR]
        assert "STRIPE_SECRET_KEY" in told.getMessage()
        assert KEY not in caplog.text

    def test_nobody_there_is_nobody_knows(self) -> None:
        gateway = StripeGateway(KEY, WEBHOOK_SECRET, "http://127.0.0.1:9")
        with pytest.raises(GatewayDown):
            gateway.look_up("pi_unknown")


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("29.99", "USD", 2999),
        ("0.50", "EUR", 50),
        ("500", "JPY", 500),
        ("500.00", "KRW", 500),
        ("1.230", "KWD", 1230),
        ("500", "ISK", 50000),
        ("500", "UGX", 50000),
        ("500.00", "HUF", 50000),
        ("5", "MGA", 5),
    ],
)
def test_amounts_are_what_stripe_counts(amount: str, currency: str, minor: int) -> None:
    """INV-6, BIL-12."""
    assert to_minor(Decimal(amount), currency) == minor
    assert to_major(minor, currency) == Decimal(amount)


@pytest.mark.parametrize(
    ("amount", "currency"),
    [("1.001", "USD"), ("0.5", "JPY"), ("1.234", "KWD"), ("10.50", "ISK"), ("0.20", "MGA")],
)
def test_amounts_that_stripe_cannot_take_are_refused(amount: str, currency: str) -> None:
    """INV-6."""
    with pytest.raises(GatewayRefused, match="no amount"):
        to_minor(Decimal(amount), currency)


def test_the_library_s_types_are_of_the_version_that_is_asked_for() -> None:
    """A new library brings a new version of the API: what changed in it is to be read before it is asked for."""
    assert stripe.api_version == API_VERSION


def test_brands_are_written_as_their_owners_do() -> None:
    """And fit where they are kept."""
    names = [
        brand_name(brand) for brand in ("amex", "american_express", "jcb", "visa", "union_pay", "unknown")
    ]
    assert names == ["American Express", "American Express", "JCB", "Visa", "UnionPay", "Card"]


def test_a_decline_without_a_reason_says_what_to_do() -> None:
    assert decline_words("") == decline_words("lost_card") == decline_words("pickup_card")
