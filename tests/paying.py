"""Money for tests: a bank transfer that comes in, and a card that is saved."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from accounts.models import Account
from accounts.trail import Actor
from billing.models import Invoice, Payment, PaymentMethod
from billing.payments.gateways.test_gateway import new_card
from billing.payments.settling import Received, receive_payment


def transfer(
    account: Account, amount: Decimal, on: date, *, reference: str = "Transfer", actor: Actor, at: datetime
) -> Payment:
    """An account's transfer of an amount in its currency, on its own day."""
    received = Received(Payment.Kind.TRANSFER, amount, on, reference)
    return receive_payment(account, received, actor=actor, at=at)


def pay(invoice: Invoice, on: date, *, reference: str = "Transfer", actor: Actor, at: datetime) -> Payment:
    """A transfer of just what is open of an invoice."""
    left = Invoice.objects.get(pk=invoice.pk).open_amount
    return transfer(invoice.account, left, on, reference=reference, actor=actor, at=at)


def saved_card(account: Account, code: str, *, at: datetime) -> PaymentMethod:
    """The account's default card, which does what `code` says (`CARDS` of the test gateway)."""
    card = new_card(code)
    return PaymentMethod.objects.create(
        account=account,
        gateway="test",
        gateway_id=card.token,
        brand=card.brand,
        last4=card.last4,
        exp_month=card.exp_month,
        exp_year=card.exp_year,
        is_default=True,
        added_at=at,
    )
