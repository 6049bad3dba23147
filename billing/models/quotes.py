"""Quotes: what a sales representative offers, and what a customer says to it (ORD-1)."""

from __future__ import annotations

import secrets
from datetime import date, datetime

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django_fsm import FSMField, transition

from accounts.models import Account, Brand, User, validate_currency, validate_timezone
from billing.models.catalogue import Product
from billing.models.orders import Order


class QuoteState(models.TextChoices):
    """Where a quote is in its life."""

    DRAFT = "draft", "Draft"
    SENT = "sent", "Sent"
    ACCEPTED = "accepted", "Accepted"
    DECLINED = "declined", "Declined"
    EXPIRED = "expired", "Expired"


def new_token() -> str:
    """What makes the address of a quote one that nobody guesses."""
    return secrets.token_urlsafe(24)


class Quote(models.Model):
    """An offer of an initial order. Sent, it does not change; accepted, it has opened an account (ORD-2).

    `valid_until` is the last day on which it can be accepted, in its own time zone. `bdom` is None for the
    day of acceptance. `edition` is that of the contact center to be installed, "" for none.
    """

    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="quotes")
    state = FSMField(default=QuoteState.DRAFT, choices=QuoteState.choices, protected=True)
    token = models.CharField(max_length=40, unique=True, default=new_token, editable=False)
    company = models.CharField(max_length=120)
    contact_name = models.CharField(max_length=120)
    contact_email = models.EmailField()
    billing_address = models.TextField(blank=True)
    shipping_address = models.TextField(blank=True)
    currency = models.CharField(max_length=3, default="USD", validators=[validate_currency])
    timezone = models.CharField(max_length=64, default="America/New_York", validators=[validate_timezone])
    language = models.CharField(max_length=10, default="en-us")
    bdom = models.PositiveSmallIntegerField(
        "billing day of the month",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(31)],
        help_text="Empty: the day of acceptance (ORD-2).",
    )
    edition = models.CharField("contact center", max_length=10, blank=True)
    terms = models.TextField(blank=True)
    valid_until = models.DateField()
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="quotes")
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.CharField(max_length=120, blank=True, help_text="Who accepted or declined, by name.")
    decline_reason = models.CharField(max_length=300, blank=True)
    account = models.OneToOneField(
        Account, on_delete=models.PROTECT, null=True, blank=True, related_name="quote"
    )
    order = models.OneToOneField(Order, on_delete=models.PROTECT, null=True, blank=True, related_name="quote")

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=~Q(state="accepted") | Q(account__isnull=False, order__isnull=False),
                name="accepted_quote_has_its_order",
            ),
            models.CheckConstraint(
                condition=Q(bdom=None) | Q(bdom__gte=1, bdom__lte=31), name="quote_bdom_1_to_31"
            ),
        )

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        """How people call it: Q-00012."""
        return f"Q-{self.pk or 0:05d}"

    @transition(state, source=QuoteState.DRAFT, target=QuoteState.SENT)
    def send(self, at: datetime) -> None:
        """The customer has it; from here on it does not change."""
        self.sent_at = at

    @transition(state, source=QuoteState.SENT, target=QuoteState.ACCEPTED)
    def accept(self, by: str, at: datetime, account: Account, order: Order) -> None:
        """It was agreed to: the account is open and the order made (ORD-2)."""
        self.decided_by, self.decided_at = by, at
        self.account, self.order = account, order

    @transition(state, source=QuoteState.SENT, target=QuoteState.DECLINED)
    def decline(self, by: str, at: datetime, reason: str) -> None:
        """It was turned down."""
        self.decided_by, self.decided_at, self.decline_reason = by, at, reason

    @transition(state, source=QuoteState.SENT, target=QuoteState.EXPIRED)
    def expire(self, at: datetime) -> None:
        """Its last day is over."""
        self.decided_at = at

    def is_over(self, on: date) -> bool:
        """Whether it cannot be accepted any more on a day of its own time zone."""
        return on > self.valid_until


class QuoteLine(models.Model):
    """So many units of a product at an agreed price, which holds when the quote is accepted."""

    quote = models.ForeignKey(Quote, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="quote_lines")
    quantity = models.PositiveIntegerField()
    unit_price = models.DecimalField(max_digits=18, decimal_places=8)

    class Meta:
        ordering = ("product__rank", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("quote", "product"),
                name="one_line_a_product",
                violation_error_message="This product is on the quote already.",
            ),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="quote_line_has_a_quantity"),
            models.CheckConstraint(condition=Q(unit_price__gte=0), name="quote_price_not_negative"),
        )

    def __str__(self) -> str:
        return f"{self.quantity} × {self.product_id}"
