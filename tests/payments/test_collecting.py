"""Money is taken from a card once, whatever dies in between (INV-6)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from accounts.models import Account, AuditEntry
from accounts.refusals import Refused
from billing.models import Collection, CollectionState, Payment, PaymentMethod, Plan, Product
from billing.payments.collecting import (
    LEASE,
    PATIENCE,
    begin_collection,
    cancel_collection,
    drive,
    reconcile,
)
from billing.payments.gateways.base import Ask, Status
from billing.plans.orders import place_order
from tests.factories import AT, TESTS, AccountFactory
from tests.payments.conftest import save_card
from tests.payments.scripted import ScriptedGateway

TEN = Decimal("10.00")
State = CollectionState


def begun(
    account: Account, card: PaymentMethod, amount: Decimal = TEN, off_session: bool = False
) -> Collection:
    return begin_collection(account, amount, card, off_session=off_session, actor=TESTS, at=AT)


def driven(collection: Collection, minutes: int = 0) -> Collection:
    at = AT + timedelta(minutes=minutes)
    return drive(collection, actor=TESTS, clock=lambda: at)


def swept(minutes: int) -> int:
    at = AT + timedelta(minutes=minutes)
    return reconcile(lambda: at)


def now(collection: Collection) -> Collection:
    return Collection.objects.get(pk=collection.pk)


def test_a_collection_becomes_a_payment(
    account: Account, card: PaymentMethod, gateway: ScriptedGateway
) -> None:
    """INV-6, ACC-5."""
    found = driven(begun(account, card))
    assert (found.state, gateway.taken) == (State.SUCCEEDED, 1)
    payment = Payment.objects.get()
    assert found.payment == payment
    assert (payment.kind, payment.amount, payment.left, payment.method, payment.reference) == (
        "card",
        TEN,
        TEN,
        card,
        "Visa ···· 4242",
    )
    actions = AuditEntry.objects.filter(account=account).order_by("pk").values_list("action", flat=True)
    assert list(actions)[-2:] == ["begin-collection", "receive-payment"]


def test_a_second_click_finds_the_first(
    account: Account, card: PaymentMethod, gateway: ScriptedGateway
) -> None:
    """INV-6: one at a time; and one that is done is not done again."""
    first = begun(account, card)
    assert begun(account, card, Decimal(99)).pk == first.pk
    driven(first)
    driven(first)
    assert (gateway.taken, Payment.objects.count()) == (1, 1)


def test_a_decline_is_told_and_nothing_is_kept(
    account: Account, card: PaymentMethod, gateway: ScriptedGateway
) -> None:
    """INV-6: and another go is another collection."""
    gateway.answer, gateway.failure = Status.FAILED, "The card was declined."
    found = driven(begun(account, card))
    assert (found.state, found.failure) == (State.FAILED, "The card was declined.")
    assert not Payment.objects.exists()
    gateway.answer = Status.SUCCEEDED
    assert driven(begun(account, card)).state == State.SUCCEEDED


@pytest.mark.parametrize("call", ["prepare", "confirm"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_answer_that_is_lost_is_found_by_the_task(
    account: Account, card: PaymentMethod, gateway: ScriptedGateway, call: str, when: str
) -> None:
    """INV-6: charged once, and known within the task's interval, wherever the line broke."""
    silent = gateway.silent_before if when == "before" else gateway.silent_after
    silent.add(call)
    found = driven(begun(account, card))
    assert found.is_live
    assert not Payment.objects.exists()
    silent.clear()
    assert swept(1) == 1
    assert (now(found).state, gateway.taken, Payment.objects.count()) == (State.SUCCEEDED, 1, 1)
    assert swept(2) == 0


def test_a_gateway_that_stays_away_is_asked_again_and_again(
    account: Account, card: PaymentMethod, gateway: ScriptedGateway
) -> None:
    """INV-6: for a day, and nothing is lost or taken twice."""
    gateway.silent_after.add("confirm")
    gateway.silent_before.add("look_up")
    found = driven(begun(account, card))
    for minute in range(1, 20):
        swept(minute)
    assert (now(found).state, gateway.taken) == (State.SENT, 1)
    gateway.silent_before.clear()
    swept(30)
    assert (now(found).state, gateway.taken, Payment.objects.count()) == (State.SUCCEEDED, 1, 1)


def test_one_who_died_with_it_is_waited_for_and_then_relieved(
    account: Account, card: PaymentMethod, gateway: ScriptedGateway
) -> None:
    """INV-6: one at a time is at work on a collection."""
    found = begun(account, card)
    Collection.objects.filter(pk=found.pk).update(busy_until=AT + LEASE)
    assert driven(found).state == State.NEW
    assert swept(1) == 0
    assert swept(2) == 1
    assert now(found).state == State.SUCCEEDED


def test_a_bank_that_asks_is_answered_by_the_person(
    account: Account, card: PaymentMethod, gateway: ScriptedGateway
) -> None:
    """INV-6: 3-D Secure; the way back finds the money."""
    gateway.answer = Status.ACTION
    found = driven(begun(account, card))
    assert (found.state, found.action_url) == (State.ACTION, "https://bank.example/confirm")
    assert driven(found, 5).state == State.ACTION
    gateway.confirmed_by_person(found.gateway_id)
    assert driven(found, 6).state == State.SUCCEEDED


def test_what_nobody_confirms_is_cancelled(
    account: Account, card: PaymentMethod, gateway: ScriptedGateway
) -> None:
    """INV-6: after an hour, so that another go can begin."""
    gateway.answer = Status.ACTION
    found = driven(begun(account, card))
    swept(int(PATIENCE.total_seconds() // 60) - 1)
    assert now(found).state == State.ACTION
    swept(int(PATIENCE.total_seconds() // 60))
    assert (now(found).state, gateway.intents[found.gateway_id].status) == (State.CANCELLED, Status.CANCELLED)


@pytest.mark.parametrize("step", ["new", "action"])
def test_a_person_calls_it_off(
    account: Account, card: PaymentMethod, gateway: ScriptedGateway, step: str
) -> None:
    """INV-6: at the gateway first, so that it cannot be charged any more."""
    gateway.answer = Status.ACTION
    found = begun(account, card)
    if step == "action":
        found = driven(found)
    assert cancel_collection(found, actor=TESTS, clock=lambda: AT).state == State.CANCELLED
    assert driven(found, 5).state == State.CANCELLED
    assert gateway.taken == 0


def test_what_was_paid_meanwhile_is_not_called_off(
    account: Account, card: PaymentMethod, gateway: ScriptedGateway
) -> None:
    """INV-6."""
    gateway.answer = Status.ACTION
    found = driven(begun(account, card))
    gateway.confirmed_by_person(found.gateway_id)
    assert cancel_collection(found, actor=TESTS, clock=lambda: AT).state == State.SUCCEEDED
    assert Payment.objects.count() == 1


def test_a_gateway_that_does_not_say_keeps_it_as_it_is(
    account: Account, card: PaymentMethod, gateway: ScriptedGateway
) -> None:
    """INV-6."""
    gateway.answer = Status.ACTION
    found = driven(begun(account, card))
    gateway.silent_before.add("cancel")
    with pytest.raises(Refused, match="will not be charged twice"):
        cancel_collection(found, actor=TESTS, clock=lambda: AT)
    assert now(found).state == State.ACTION


def test_what_is_called_off_while_it_is_prepared_is_not_sent(
    account: Account, card: PaymentMethod, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INV-6: the person and the worker at one instant."""
    found = begun(account, card)
    prepare = gateway.prepare

    def meanwhile(ask: Ask) -> str:
        Collection.objects.filter(pk=found.pk).update(state=State.CANCELLED)
        return prepare(ask)

    monkeypatch.setattr(gateway, "prepare", meanwhile)
    assert driven(found).state == State.CANCELLED
    assert gateway.taken == 0


@pytest.mark.parametrize("amount", ["0", "-1", "0.001"])
def test_no_amount_that_cannot_be_is_asked_for(
    account: Account, card: PaymentMethod, gateway: ScriptedGateway, amount: str
) -> None:
    """INV-6."""
    with pytest.raises(Refused, match="above zero"):
        begun(account, card, Decimal(amount))
    assert not Collection.objects.exists()


def test_only_the_account_s_own_cards_that_are_there(
    account: Account, card: PaymentMethod, gateway: ScriptedGateway
) -> None:
    """INV-6, ACC-4."""
    other = save_card(AccountFactory(), "succeeds:other")
    PaymentMethod.objects.filter(pk=card.pk).update(removed_at=AT, is_default=False)
    for method in (other, PaymentMethod.objects.get(pk=card.pk)):
        with pytest.raises(Refused, match="has been removed"):
            begun(account, method)


class TestPlans:
    """A collection for a plan (PLN-3)."""

    @pytest.fixture
    def order_key(self, account: Account, card: PaymentMethod) -> Collection:
        product = Product.objects.get(pk="plan-contact-center-1")
        order = place_order(account, product, 10, 1, actor=TESTS, at=AT)
        return begin_collection(
            account, order.amount, card, plan_order=order, off_session=False, actor=TESTS, at=AT
        )

    def test_its_payment_makes_it_active(self, order_key: Collection, gateway: ScriptedGateway) -> None:
        assert driven(order_key).state == State.SUCCEEDED
        assert Plan.objects.get().state == "active"
        assert Payment.objects.get().left == 0

    def test_a_decline_leaves_the_order_to_be_paid(
        self, order_key: Collection, gateway: ScriptedGateway
    ) -> None:
        gateway.answer = Status.FAILED
        driven(order_key)
        assert order_key.plan_order is not None
        assert type(order_key.plan_order).objects.get().state == "open"
        assert not Plan.objects.exists()

    def test_nothing_else_replaces_an_order_whose_payment_is_on_its_way(
        self, account: Account, order_key: Collection, gateway: ScriptedGateway
    ) -> None:
        gateway.answer = Status.ACTION
        driven(order_key)
        product = Product.objects.get(pk="plan-contact-center-2")
        with pytest.raises(Refused, match="on its way"):
            place_order(account, product, 10, 1, actor=TESTS, at=AT)
        gateway.confirmed_by_person(now(order_key).gateway_id)
        assert driven(order_key, 1).state == State.SUCCEEDED
