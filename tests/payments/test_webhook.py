"""Messages of Stripe's: signed by localstripe, checked by Stripe's own library, worked on once (INV-6)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer
from stripe import WebhookSignature

from accounts.models import Account, AuditEntry, Role
from accounts.trail import Actor
from billing.models import (
    CardSetup,
    Collection,
    CollectionState,
    GatewayEvent,
    Payment,
    PaymentMethod,
    Refund,
    RefundState,
)
from billing.payments import events
from billing.payments.collecting import begin_collection, drive
from billing.payments.events import KEPT_FOR
from billing.payments.gateways.stripe_gateway import StripeGateway
from billing.payments.methods import begin_card, finish_card, remove_method
from billing.payments.refunds import ask_refund, drive_refund
from billing.tasks import forget_messages
from billing.views.webhooks import MOST_BYTES
from tests import factories
from tests import stripe_peer as peers
from tests.factories import TESTS
from tests.paying import invoiced
from tests.payments.conftest import WEBHOOK_SECRET
from tests.stripe_peer import StripePeer

ADDRESS = "/webhooks/stripe/"
PATIENCE = 20.0
TEN = Decimal("10.00")
State = CollectionState
Message = tuple[str, bytes, str]


@pytest.fixture(autouse=True)
def _secret(settings: LazySettings) -> None:
    settings.STRIPE_WEBHOOK_SECRET = WEBHOOK_SECRET


@pytest.fixture
def client() -> Client:
    """Nobody, and as strict about forms of other sites as a browser would find it."""
    return Client(enforce_csrf_checks=True)


def wait_until(is_so: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def delivered(client: Client, body: bytes, signature: str) -> int:
    """What the panel answers to a message."""
    response = client.post(
        ADDRESS, body, content_type="application/json", headers={"Stripe-Signature": signature}
    )
    return response.status_code


def signed(
    kind: str, about: dict[str, Any], event_id: str = "evt_1", secret: str = WEBHOOK_SECRET
) -> Message:
    """A message as Stripe sends it."""
    body = json.dumps({"id": event_id, "object": "event", "type": kind, "data": {"object": about}})
    return kind, body.encode(), WebhookSignature.generate_signature_header(body, secret)


def about_intent(collection: Collection) -> dict[str, Any]:
    return {"id": collection.gateway_id, "object": "payment_intent"}


def begun_setup(account: Account, actor: Actor = TESTS) -> CardSetup:
    return begin_card(
        account,
        return_url=lambda setup: "https://panel.example/back",
        next_url="/",
        actor=actor,
        at=timezone.now(),
    )


def save(account: Account, peer: StripePeer, number: str = peers.VISA) -> PaymentMethod:
    setup = begun_setup(account)
    peer.enter_card(setup.gateway_id, number)
    method = finish_card(setup, actor=TESTS, at=timezone.now())
    assert method is not None
    return method


def begun(account: Account, card: PaymentMethod, *, off_session: bool = True) -> Collection:
    at = timezone.now()
    invoiced(account, TEN, account.local_date(at), actor=TESTS, at=at)
    return begin_collection(account, TEN, card, off_session=off_session, actor=TESTS, at=at)


def now(collection: Collection) -> Collection:
    return Collection.objects.get(pk=collection.pk)


def lost(account: Account, peer: StripePeer) -> Collection:
    """A payment that Stripe has taken, and of which the panel has not heard."""
    peer.fail("confirm", "drop", done=True, times=2)
    found = drive(begun(account, save(account, peer)), actor=TESTS, clock=timezone.now)
    assert (found.state, len(peer.charges())) == (State.SENT, 1)
    return found


@pytest.mark.django_db(transaction=True)
def test_localstripe_s_messages_reach_a_panel_that_is_served(
    live_server: LiveServer, stripe_gateway: StripeGateway, stripe_peer: StripePeer
) -> None:
    """INV-6: a payment that was confirmed at the bank, and a card whose person never came back."""
    account = factories.AccountFactory()
    stripe_peer.send_to(f"{live_server.url}{ADDRESS}", WEBHOOK_SECRET)
    found = lost(account, stripe_peer)
    setup = begun_setup(account)
    stripe_peer.enter_card(setup.gateway_id)
    wait_until(lambda: now(found).state == State.SUCCEEDED)
    wait_until(lambda: CardSetup.objects.filter(pk=setup.pk, method__isnull=False).exists())
    assert Payment.objects.count() == len(stripe_peer.charges()) == 1
    wait_until(lambda: not GatewayEvent.objects.filter(done_at=None).exists())
    kinds = set(GatewayEvent.objects.values_list("kind", flat=True))
    assert {"customer.created", "payment_intent.succeeded", "checkout.session.completed"} <= kinds


@pytest.mark.django_db
class TestPayments:
    @pytest.fixture
    def account(self) -> Account:
        return factories.AccountFactory()

    @pytest.fixture
    def message(
        self, account: Account, stripe_gateway: StripeGateway, stripe_peer: StripePeer
    ) -> tuple[Collection, Message]:
        """A payment of which the panel has not heard, and localstripe's message that it succeeded."""
        stripe_peer.keep_messages(WEBHOOK_SECRET)
        found = lost(account, stripe_peer)

        def succeeded() -> list[Message]:
            return [kept for kept in stripe_peer.messages() if kept[0] == "payment_intent.succeeded"]

        wait_until(succeeded)
        return found, succeeded()[0]

    def test_twice_is_once(
        self,
        client: Client,
        message: tuple[Collection, Message],
        stripe_peer: StripePeer,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """INV-6: known by its id, and looked up once."""
        found, (_, body, signature) = message
        before = len(stripe_peer.calls("look_up"))
        assert delivered(client, body, signature) == 200
        with monkeypatch.context() as patch:
            # Nobody is asked to bring it on again.
            patch.delattr(events, "drive")
            assert delivered(client, body, signature) == delivered(client, body, signature) == 200
        assert (now(found).state, Payment.objects.count()) == (State.SUCCEEDED, 1)
        assert len(stripe_peer.calls("look_up")) == before + 1
        event = GatewayEvent.objects.get(kind="payment_intent.succeeded")
        assert (event.about, event.done_at is not None) == (found.gateway_id, True)

    @pytest.mark.parametrize("fault", ["body", "secret", "header", "letters", "none", "empty"])
    def test_what_stripe_did_not_sign_is_not_read(
        self, client: Client, message: tuple[Collection, Message], fault: str
    ) -> None:
        """INV-6: forged, or changed on the way."""
        found, (_, body, signature) = message
        if fault == "body":
            body = body.replace(b"succeeded", b"succeedef")
        elif fault == "secret":
            signature = signed("", {}, secret="whsec_of_somebody_else")[2]
        elif fault == "header":
            signature = "t=now,v1=0"
        elif fault == "letters":
            signature = signature.replace("v1=", "v1=é")
        elif fault == "none":
            signature = ""
        else:
            body = b""
        assert delivered(client, body, signature) == 400
        assert now(found).state == State.SENT
        assert not GatewayEvent.objects.exists()

    def test_what_was_signed_too_long_ago_is_not_read(
        self, client: Client, message: tuple[Collection, Message]
    ) -> None:
        """INV-6: somebody may have kept it."""
        found, (_, body, signature) = message
        with time_machine.travel(timezone.now() + timedelta(minutes=6), tick=True):
            assert delivered(client, body, signature) == 400
        assert now(found).state == State.SENT

    def test_one_that_comes_late_finds_it_done(
        self, client: Client, message: tuple[Collection, Message], stripe_gateway: StripeGateway
    ) -> None:
        """INV-6."""
        found, (_, body, signature) = message
        assert drive(found, actor=TESTS, clock=timezone.now).state == State.SUCCEEDED
        assert delivered(client, body, signature) == 200
        assert Payment.objects.count() == 1

    def test_the_order_does_not_matter(
        self, client: Client, account: Account, stripe_gateway: StripeGateway, stripe_peer: StripePeer
    ) -> None:
        """INV-6: that it failed once is told after it has succeeded; what it is now is looked up."""
        found = lost(account, stripe_peer)
        for place, kind in enumerate(
            ["payment_intent.succeeded", "payment_intent.payment_failed", "payment_intent.created"]
        ):
            message = signed(kind, about_intent(found), f"evt_{place}")
            assert delivered(client, *message[1:]) == 200
        assert (now(found).state, Payment.objects.count()) == (State.SUCCEEDED, 1)

    def test_a_message_that_is_not_true_charges_nothing(
        self, client: Client, account: Account, stripe_gateway: StripeGateway, stripe_peer: StripePeer
    ) -> None:
        """INV-6: a message only says what is to be looked up."""
        found = drive(
            begun(account, save(account, stripe_peer, peers.DECLINED_LATER)), actor=TESTS, clock=timezone.now
        )
        message = signed("payment_intent.succeeded", about_intent(found))
        assert delivered(client, *message[1:]) == 200
        assert (now(found).state, Payment.objects.count()) == (State.FAILED, 0)

    def test_what_was_paid_though_it_is_called_off_here_is_told_to_staff(
        self,
        client: Client,
        account: Account,
        stripe_gateway: StripeGateway,
        stripe_peer: StripePeer,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """INV-6."""
        found = begun(account, save(account, stripe_peer))
        Collection.objects.filter(pk=found.pk).update(gateway_id="pi_1")
        found = now(found)
        found.cancel(timezone.now())
        found.save()
        assert delivered(client, *signed("payment_intent.succeeded", about_intent(found))[1:]) == 200
        assert "says that pi_1 was paid" in caplog.text

    def test_one_who_is_at_work_on_it_is_not_disturbed(
        self, client: Client, account: Account, stripe_gateway: StripeGateway, stripe_peer: StripePeer
    ) -> None:
        """INV-6: the task finds it when they are done, or dead."""
        found = lost(account, stripe_peer)
        Collection.objects.filter(pk=found.pk).update(busy_until=timezone.now() + timedelta(minutes=1))
        assert delivered(client, *signed("payment_intent.succeeded", about_intent(found))[1:]) == 200
        assert now(found).state == State.SENT

    def test_what_is_not_the_panel_s_is_kept_and_no_more(
        self, client: Client, account: Account, stripe_gateway: StripeGateway
    ) -> None:
        """INV-6: other programs may charge by the same account at Stripe."""
        for kind in ("payment_intent.succeeded", "checkout.session.completed", "payment_method.detached"):
            assert (
                delivered(client, *signed(kind, {"id": f"x_{kind}", "object": "x"}, f"evt_{kind}")[1:]) == 200
            )
        assert delivered(client, *signed("payout.paid", {"id": "po_1", "object": "payout"})[1:]) == 200
        assert GatewayEvent.objects.exclude(done_at=None).count() == 4

    def test_one_that_fails_is_not_done_and_comes_again(
        self,
        client: Client,
        message: tuple[Collection, Message],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """INV-6: nothing of it is half done."""
        found, (_, body, signature) = message
        client.raise_request_exception = False

        def fails(*args: object, **kwargs: object) -> None:
            raise RuntimeError("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(events, "drive", fails)
            assert delivered(client, body, signature) == 500
        assert GatewayEvent.objects.get().done_at is None
        assert delivered(client, body, signature) == 200
        assert (now(found).state, GatewayEvent.objects.exclude(done_at=None).count()) == (State.SUCCEEDED, 1)


@pytest.mark.django_db
class TestCards:
    @pytest.fixture
    def account(self) -> Account:
        return factories.AccountFactory()

    def completed(self, setup: CardSetup, event_id: str = "evt_1") -> Message:
        about = {"id": setup.gateway_id, "object": "checkout.session"}
        return signed("checkout.session.completed", about, event_id)

    def test_a_card_is_saved_for_whoever_began_it(
        self, client: Client, account: Account, stripe_gateway: StripeGateway, stripe_peer: StripePeer
    ) -> None:
        """INV-6, ACC-5: also when they come back at the same time, and later."""
        owner = factories.member(account, Role.OWNER)
        setup = begun_setup(account, Actor(user=owner))
        stripe_peer.enter_card(setup.gateway_id)
        assert delivered(client, *self.completed(setup)[1:]) == 200
        assert delivered(client, *self.completed(setup, "evt_2")[1:]) == 200
        saved = PaymentMethod.objects.get()
        assert finish_card(CardSetup.objects.get(pk=setup.pk), actor=TESTS, at=timezone.now()) == saved
        assert AuditEntry.objects.get(action="add-card").user == owner

    def test_whoever_is_gone_by_then_is_not_named(
        self, client: Client, account: Account, stripe_gateway: StripeGateway, stripe_peer: StripePeer
    ) -> None:
        """ACC-5."""
        setup = begun_setup(account)
        stripe_peer.enter_card(setup.gateway_id)
        assert delivered(client, *self.completed(setup)[1:]) == 200
        entry = AuditEntry.objects.get(action="add-card")
        assert (entry.is_task, entry.by) == (True, events.TASK)

    def test_stripe_sends_it_again_when_it_cannot_be_asked(
        self, client: Client, account: Account, stripe_gateway: StripeGateway, stripe_peer: StripePeer
    ) -> None:
        """INV-6."""
        setup = begun_setup(account)
        stripe_peer.enter_card(setup.gateway_id)
        stripe_peer.fail("finish_setup", "502", times=2)
        assert delivered(client, *self.completed(setup)[1:]) == 500
        assert not PaymentMethod.objects.exists()
        assert delivered(client, *self.completed(setup)[1:]) == 200
        assert PaymentMethod.objects.exists()

    def test_a_card_that_stripe_does_not_keep_is_removed(
        self, client: Client, account: Account, stripe_gateway: StripeGateway, stripe_peer: StripePeer
    ) -> None:
        """INV-6: the other one is charged from then on; while a payment by it is on its way, it waits."""
        first, second = save(account, stripe_peer), save(account, stripe_peer)
        about = {"id": first.gateway_id, "object": "payment_method"}
        paying = begun(account, first)
        assert delivered(client, *signed("payment_method.detached", about)[1:]) == 500
        drive(paying, actor=TESTS, clock=timezone.now)
        assert delivered(client, *signed("payment_method.detached", about)[1:]) == 200
        assert PaymentMethod.objects.get(pk=first.pk).removed_at is not None
        assert PaymentMethod.objects.get(pk=second.pk).is_default

    def test_the_echo_of_one_s_own_removal_changes_nothing(
        self, client: Client, account: Account, stripe_gateway: StripeGateway, stripe_peer: StripePeer
    ) -> None:
        """INV-6."""
        card = save(account, stripe_peer)
        remove_method(card, actor=TESTS, at=timezone.now())
        about = {"id": card.gateway_id, "object": "payment_method"}
        assert delivered(client, *signed("payment_method.detached", about)[1:]) == 200
        assert AuditEntry.objects.filter(action="remove-card").count() == 1


@pytest.mark.django_db
class TestRefunds:
    @pytest.fixture
    def paid(self, stripe_gateway: StripeGateway, stripe_peer: StripePeer) -> Collection:
        account = factories.AccountFactory()
        card = save(account, stripe_peer)
        # Nothing is owed: it is credit, which can be given back.
        credit = begin_collection(account, TEN, card, off_session=False, actor=TESTS, at=timezone.now())
        return drive(credit, actor=TESTS, clock=timezone.now)

    def told(self, client: Client, kind: str, intent: str, name: str) -> None:
        about = {"id": name, "object": kind.partition(".")[0], "payment_intent": intent}
        assert delivered(client, *signed(kind, about, f"evt_{kind}")[1:]) == 200

    @pytest.mark.parametrize("kind", ["refund.created", "refund.updated", "charge.refunded"])
    def test_one_that_was_asked_for_here_is_brought_on(
        self,
        client: Client,
        paid: Collection,
        stripe_peer: StripePeer,
        caplog: pytest.LogCaptureFixture,
        kind: str,
    ) -> None:
        """INV-6: the answer was lost, and the message tells of it; told again, it is known."""
        payment = Payment.objects.get()
        refund = ask_refund(payment, Decimal(4), reason="Too much", actor=TESTS, at=timezone.now())
        stripe_peer.fail("refund", "drop", done=True, times=2)
        assert drive_refund(refund, actor=TESTS, clock=timezone.now).state == RefundState.ASKED
        self.told(client, kind, paid.gateway_id, "re_1")
        found = Refund.objects.get()
        assert (found.state, stripe_peer.charges()[0]["refunded"]) == (RefundState.DONE, 400)
        self.told(client, "refund.failed", paid.gateway_id, found.gateway_id)
        assert "its books do not have it" not in caplog.text

    @pytest.mark.parametrize("kind", ["charge.refunded", "refund.created", "charge.dispute.created"])
    def test_one_that_the_panel_does_not_know_is_told_to_staff(
        self, client: Client, paid: Collection, caplog: pytest.LogCaptureFixture, kind: str
    ) -> None:
        """INV-6: somebody gave money back at Stripe itself."""
        self.told(client, kind, paid.gateway_id, "x_1")
        assert paid.gateway_id in caplog.text


@pytest.mark.django_db
class TestAddress:
    def test_it_takes_messages_alone(self, client: Client) -> None:
        assert reverse("webhooks:stripe") == ADDRESS
        assert client.get(ADDRESS).status_code == 405

    def test_where_no_secret_is_set_there_is_no_such_address(
        self, client: Client, settings: LazySettings
    ) -> None:
        """INV-6: what nobody could check nobody reads."""
        settings.STRIPE_WEBHOOK_SECRET = ""
        message = signed("payment_intent.succeeded", {"id": "pi_1", "object": "payment_intent"}, secret="x")
        assert delivered(client, *message[1:]) == 404
        assert client.get(ADDRESS).status_code == 404

    def test_what_is_too_large_is_not_read(self, client: Client, stripe_gateway: StripeGateway) -> None:
        body = b"x" * (MOST_BYTES + 1)
        assert delivered(client, body, "t=1,v1=0") == 413
        assert delivered(client, body[1:], "t=1,v1=0") == 400

    def test_messages_are_kept_for_ninety_days(self) -> None:
        """INV-6."""
        at = timezone.now()
        for days in (89, 91):
            GatewayEvent.objects.create(
                gateway="stripe", event_id=str(days), kind="x", received_at=at - timedelta(days=days)
            )
        assert timedelta(days=90) == KEPT_FOR
        forget_messages()
        assert GatewayEvent.objects.get().event_id == "89"
