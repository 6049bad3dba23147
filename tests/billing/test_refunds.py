"""INV-6: giving money back, by the gateway of a card or by hand; nothing is both refunded and used."""

from datetime import date, datetime
from decimal import Decimal

import pytest

from accounts.models import Account, AuditEntry
from accounts.refusals import Refused
from billing.models import Invoice, Payment, Refund, RefundState, TestIntent
from billing.payments.collecting import begin_collection, drive
from billing.payments.gateways import base, test_gateway
from billing.payments.refunds import ask_again, ask_refund, call_off, drive_refund, finish_by_hand, refundable
from billing.payments.settling import Received, receive_payment
from billing.queries import balance_of
from tests.billing.world import ACTOR, an_account, on, trail_of
from tests.paying import a_card, invoiced, transfer

DAY = date(2026, 1, 20)


@pytest.fixture
def account(db: None) -> Account:
    return an_account(slug="acme", name="Acme")


@pytest.fixture
def at(account: Account) -> datetime:
    found: datetime = on(account, "01-20")["at"]
    return found


@pytest.fixture
def paid(account: Account, at: datetime) -> Payment:
    """100.00 taken from a card that succeeds, 40.00 of which are left as credit."""
    invoiced(account, Decimal(60), date(2026, 1, 15), **on(account, "01-15"))
    card = a_card(account, at=at)
    collection = begin_collection(account, Decimal(100), card, off_session=False, actor=ACTOR, at=at)
    found = drive(collection, actor=ACTOR, clock=lambda: at).payment
    assert found is not None
    return found


def refund_of(paid: Payment, amount: str, at: datetime) -> Refund:
    refund = ask_refund(paid, Decimal(amount), reason="Paid too much", actor=ACTOR, at=at)
    return drive_refund(refund, actor=ACTOR, clock=lambda: at)


def left(paid: Payment) -> Decimal:
    return Payment.objects.get(pk=paid.pk).left


def test_a_card_is_given_back_what_is_left(paid: Payment, at: datetime) -> None:
    refund = refund_of(paid, "25.00", at)
    assert (refund.state, refund.finished_at, left(paid)) == (RefundState.DONE, at, Decimal(15))
    assert TestIntent.objects.get().refunded == 25
    assert trail_of(paid.account)[-2:] == ["ask-refund", "refund-payment"]
    assert balance_of(paid.account, DAY).credit == 15


def test_a_gateway_that_does_not_answer_is_asked_again_and_does_it_once(
    paid: Payment, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have done what it was asked; by the key it does it once."""
    asked: list[str] = []

    def dead(self: object, intent: str, *, amount: Decimal, currency: str, key: str) -> base.RefundOutcome:
        asked.append(key)
        raise base.GatewayDown("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(test_gateway.TestGateway, "refund", dead)
        refund = refund_of(paid, "25.00", at)
        assert ask_again(lambda: at) == 1
    assert (refund.state, left(paid)) == (RefundState.ASKED, Decimal(15))
    assert asked == [str(refund.key)] * 2
    assert ask_again(lambda: at) == 1
    assert ask_again(lambda: at) == 0
    assert Refund.objects.get().state == RefundState.DONE
    assert TestIntent.objects.get().refunded == 25


def test_what_a_gateway_refuses_is_credit_again_and_settles_what_is_open(
    paid: Payment, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(self: object, intent: str, **_: object) -> base.RefundOutcome:
        raise base.GatewayRefused("the charge is disputed")

    monkeypatch.setattr(test_gateway.TestGateway, "refund", refuses)
    refund = ask_refund(paid, Decimal(40), reason="Paid too much", actor=ACTOR, at=at)
    later = invoiced(paid.account, Decimal(30), DAY, **on(paid.account, "01-20"))
    assert later.open_amount == 30
    done = drive_refund(refund, actor=ACTOR, clock=lambda: at)
    assert done.state == RefundState.FAILED
    assert "disputed" in done.failure
    assert Invoice.objects.get(pk=later.pk).state == "paid"
    assert left(paid) == 10
    assert refundable(Payment.objects.get(pk=paid.pk)).most == 100


def test_a_refund_on_its_way_is_looked_up_and_not_asked_for_again(
    paid: Payment, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pending(self: object, intent: str, **_: object) -> base.RefundOutcome:
        return base.RefundOutcome("re_1", is_done=False)

    with monkeypatch.context() as patch:
        patch.setattr(test_gateway.TestGateway, "refund", pending)
        refund = refund_of(paid, "10.00", at)
    assert (refund.state, refund.gateway_id) == (RefundState.ASKED, "re_1")
    ask_again(lambda: at)
    assert Refund.objects.get().state == RefundState.DONE
    assert TestIntent.objects.get().refunded == 0


def test_a_transfer_waits_until_it_is_recorded_as_sent(account: Account, at: datetime) -> None:
    payment = transfer(account, Decimal(50), DAY, actor=ACTOR, at=at)
    refund = refund_of(payment, "50.00", at)
    assert (refund.state, ask_again(lambda: at)) == (RefundState.ASKED, 0)
    done = finish_by_hand(refund, "Sent 7", actor=ACTOR, at=at)
    assert (done.state, done.gateway_id) == (RefundState.DONE, "Sent 7")
    with pytest.raises(Refused, match="refunded already"):
        call_off(refund, "Never mind", actor=ACTOR, at=at)
    assert left(payment) == 0


def test_a_refund_by_card_is_the_gateways(paid: Payment, at: datetime) -> None:
    refund = ask_refund(paid, Decimal(1), reason="x", actor=ACTOR, at=at)
    with pytest.raises(Refused, match="gateway sees to"):
        finish_by_hand(refund, "By hand", actor=ACTOR, at=at)


def test_the_simulators_money_is_not_given_back(account: Account, at: datetime) -> None:
    received = Received(Payment.Kind.SIMULATED, Decimal(5), DAY)
    payment = receive_payment(account, received, actor=ACTOR, at=at)
    with pytest.raises(Refused):
        ask_refund(payment, Decimal(1), reason="x", actor=ACTOR, at=at)
    assert not AuditEntry.objects.filter(action="ask-refund").exists()
