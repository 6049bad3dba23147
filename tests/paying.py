"""Money for tests: invoices of an amount, cards, and bank transfers that come in."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

from accounts.models import Account
from accounts.trail import Actor
from billing.engine import Line, Section, plan_draft
from billing.issuing import issue_one
from billing.models import Invoice, InvoiceKind, Payment, PaymentMethod
from billing.payments.gateways.test_gateway import new_card
from billing.payments.settling import Received, open_books, receive_payment, use_credit


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


def invoiced(account: Account, amount: Decimal, on: date, *, actor: Actor, at: datetime) -> Invoice:
    """An invoice of one line, below zero too, with which the account's credit has been used as a run does."""
    line = Line(
        section=Section.RECURRING if amount >= 0 else Section.CREDIT,
        product="uc-licence",
        quantity=1,
        unit_price=abs(amount),
        starts_on=on,
        ends_on=on + timedelta(days=1),
        days=1,
        of_days=1,
        amount=amount,
        subscription=None,
        subject="",
        subject_label="",
        holder="",
        rule="BIL-4",
        why="for a test",
        charges=(),
    )
    with open_books(account):
        invoice = issue_one(account, InvoiceKind.PLAN, plan_draft(line), on=on, actor=actor, at=at)
        use_credit(account, actor=actor, at=at)
    return Invoice.objects.get(pk=invoice.pk)


def a_card(
    account: Account, does: str = "succeeds", *, is_default: bool = True, at: datetime
) -> PaymentMethod:
    """A saved card of the test gateway that does what its code says."""
    card = new_card(does)
    return PaymentMethod.objects.create(
        account=account,
        gateway="test",
        gateway_id=card.token,
        brand=card.brand,
        last4=card.last4,
        exp_month=card.exp_month,
        exp_year=card.exp_year,
        is_default=is_default,
        added_at=at,
    )
