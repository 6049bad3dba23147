"""Money that comes in and goes back: saved methods, collections, payments, what they settle, refunds."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import uuid4

from django.db import models
from django.db.models import F, Q
from django_fsm import FSMField, transition

from accounts.models import Account
from billing.models.invoices import Invoice
from billing.models.plans import PlanOrder


class PaymentCustomer(models.Model):
    """An account as a gateway knows it."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="payment_customers")
    gateway = models.CharField(max_length=12)
    gateway_id = models.CharField(max_length=80)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("account", "gateway"), name="one_customer_a_gateway"),
            models.UniqueConstraint(fields=("gateway", "gateway_id"), name="one_account_a_customer"),
        )

    def __str__(self) -> str:
        return self.gateway_id


class PaymentMethod(models.Model):
    """A card that a gateway keeps for an account. The panel knows its last digits and never its number."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="payment_methods")
    gateway = models.CharField(max_length=12)
    gateway_id = models.CharField(max_length=80)
    brand = models.CharField(max_length=20)
    last4 = models.CharField(max_length=4)
    exp_month = models.PositiveSmallIntegerField()
    exp_year = models.PositiveSmallIntegerField()
    is_default = models.BooleanField(default=False, help_text="What is collected by itself goes to it.")
    added_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-is_default", "id")
        constraints = (
            models.UniqueConstraint(fields=("gateway", "gateway_id"), name="one_method_a_token"),
            models.UniqueConstraint(
                fields=("account",),
                condition=Q(is_default=True, removed_at=None),
                name="one_default_method_an_account",
            ),
        )

    def __str__(self) -> str:
        return f"{self.brand} ···· {self.last4}"

    def is_expired(self, at: datetime) -> bool:
        """Whether its month was over at the instant `at`."""
        return (self.exp_year, self.exp_month) < (at.year, at.month)


class CardSetup(models.Model):
    """A card on its way: the person is at the gateway's own page, where it is entered."""

    key = models.UUIDField(default=uuid4, unique=True, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="card_setups")
    gateway = models.CharField(max_length=12)
    gateway_id = models.CharField(max_length=120, blank=True)
    url = models.CharField(max_length=5000, blank=True, help_text="Where the card is entered.")
    next_url = models.CharField(max_length=300, blank=True, help_text="Where the person goes on afterwards.")
    method = models.ForeignKey(PaymentMethod, on_delete=models.PROTECT, null=True, blank=True)
    began_at = models.DateTimeField()
    began_by = models.CharField(max_length=120)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return str(self.key)


class Payment(models.Model):
    """Money received. `left` is what of it neither an invoice nor a refund has taken yet: the account's credit.

    Received `on` the account's own day. Written by `billing.payments` alone.
    """

    class Kind(models.TextChoices):
        CARD = "card", "Card"
        TRANSFER = "transfer", "Bank transfer"
        SIMULATED = "simulated", "Simulation"

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="payments")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    amount = models.DecimalField(max_digits=18, decimal_places=4)
    left = models.DecimalField(max_digits=18, decimal_places=4)
    currency = models.CharField(max_length=3)
    on = models.DateField()
    reference = models.CharField(max_length=140, blank=True)
    gateway = models.CharField(max_length=12, blank=True)
    gateway_id = models.CharField(max_length=80, blank=True)
    method = models.ForeignKey(
        PaymentMethod, on_delete=models.PROTECT, null=True, blank=True, related_name="payments"
    )
    recorded_at = models.DateTimeField()
    recorded_by = models.CharField(max_length=120)

    class Meta:
        ordering = ("-on", "-id")
        constraints = (
            models.CheckConstraint(condition=Q(amount__gt=0), name="payment_above_zero"),
            models.CheckConstraint(
                condition=Q(left__gte=0) & Q(left__lte=F("amount")), name="payment_left_within_amount"
            ),
            models.UniqueConstraint(
                fields=("gateway", "gateway_id"), condition=~Q(gateway_id=""), name="one_payment_an_intent"
            ),
        )
        indexes = (
            models.Index(fields=("account", "-on", "-id"), name="payment_by_account"),
            models.Index(fields=("-on", "-id"), name="payment_by_date"),
            models.Index(fields=("account",), condition=Q(left__gt=0), name="payment_with_credit"),
        )

    def __str__(self) -> str:
        return self.reference or f"{self.get_kind_display()} {self.pk}"


class Settlement(models.Model):
    """That much of an invoice was covered: by a payment, or by credit of a note or an invoice below zero (INV-6)."""

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="settlements")
    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, null=True, blank=True, related_name="settlements"
    )
    credit = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, null=True, blank=True, related_name="used_for"
    )
    amount = models.DecimalField(max_digits=18, decimal_places=4)
    on = models.DateField()
    at = models.DateTimeField()

    class Meta:
        ordering = ("id",)
        constraints = (
            models.CheckConstraint(condition=Q(amount__gt=0), name="settlement_above_zero"),
            models.CheckConstraint(
                condition=Q(payment__isnull=False, credit=None) | Q(payment=None, credit__isnull=False),
                name="settlement_has_one_source",
            ),
        )

    def __str__(self) -> str:
        return f"{self.amount} of {self.invoice_id}"


class CollectionState(models.TextChoices):
    """Where a collection is in its life."""

    NEW = "new", "Begun"
    SENT = "sent", "With the bank"
    ACTION = "action", "Waiting for confirmation"
    SUCCEEDED = "succeeded", "Paid"
    FAILED = "failed", "Declined"
    CANCELLED = "cancelled", "Cancelled"


LIVE = (CollectionState.NEW, CollectionState.SENT, CollectionState.ACTION)
_LIVE = Q(state__in=[state.value for state in LIVE])


class Collection(models.Model):
    """One go at taking an amount from a saved card. Written by `billing.payments.collecting` alone.

    What is collected for is a plan's order, an invoice on its due day, or neither: then it is what the account
    owes. At most one of each is on its way at a time. `key` makes the gateway do each thing once.
    """

    key = models.UUIDField(default=uuid4, unique=True, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="collections")
    plan_order = models.ForeignKey(
        PlanOrder, on_delete=models.PROTECT, null=True, blank=True, related_name="collections"
    )
    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, null=True, blank=True, related_name="collections"
    )
    method = models.ForeignKey(PaymentMethod, on_delete=models.PROTECT, related_name="collections")
    amount = models.DecimalField(max_digits=18, decimal_places=4)
    currency = models.CharField(max_length=3)
    off_session = models.BooleanField(help_text="Nobody is there who could confirm it.")
    gateway = models.CharField(max_length=12)
    gateway_id = models.CharField(max_length=80, blank=True)
    state = FSMField(default=CollectionState.NEW, choices=CollectionState.choices, protected=True)
    failure_code = models.CharField(max_length=60, blank=True)
    failure = models.CharField(max_length=300, blank=True)
    action_url = models.CharField(max_length=5000, blank=True)
    payment = models.OneToOneField(
        Payment, on_delete=models.PROTECT, null=True, blank=True, related_name="collection"
    )
    began_at = models.DateTimeField()
    began_by = models.CharField(max_length=120)
    busy_until = models.DateTimeField(help_text="Until then whoever took it on is alone with it.")
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(condition=Q(amount__gt=0), name="collection_above_zero"),
            models.UniqueConstraint(
                fields=("gateway", "gateway_id"), condition=~Q(gateway_id=""), name="one_collection_an_intent"
            ),
            models.UniqueConstraint(
                fields=("plan_order",),
                condition=_LIVE & Q(plan_order__isnull=False),
                name="one_live_collection_a_plan_order",
            ),
            models.UniqueConstraint(
                fields=("account",),
                condition=_LIVE & Q(plan_order=None),
                name="one_live_collection_of_the_balance",
            ),
        )
        indexes = (models.Index(fields=("busy_until",), condition=_LIVE, name="collection_live"),)

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"

    @property
    def is_live(self) -> bool:
        """Whether it is not known yet what comes of it."""
        return self.state in LIVE

    @transition(state, source=CollectionState.NEW, target=CollectionState.SENT)
    def send(self) -> None:
        """The gateway is asked to charge: from here on it may have."""

    @transition(state, source=(CollectionState.NEW, CollectionState.SENT), target=CollectionState.ACTION)
    def wait(self, url: str) -> None:
        """The bank wants the person to confirm, at `url`."""
        self.action_url = url

    @transition(state, source=LIVE, target=CollectionState.SUCCEEDED)
    def succeed(self, payment: Payment, at: datetime) -> None:
        """The money is there."""
        self.payment = payment
        self.finished_at = at

    @transition(state, source=LIVE, target=CollectionState.FAILED)
    def fail(self, code: str, reason: str, at: datetime) -> None:
        """Nothing was charged, for a `reason` in words for the person."""
        self.failure_code, self.failure = code[:60], reason[:300]
        self.finished_at = at

    @transition(state, source=LIVE, target=CollectionState.CANCELLED)
    def cancel(self, at: datetime) -> None:
        """Nothing was charged, and nothing will be."""
        self.finished_at = at


class RefundState(models.TextChoices):
    """Where a refund is in its life."""

    ASKED = "asked", "Asked for"
    DONE = "done", "Refunded"
    FAILED = "failed", "Failed"


class Refund(models.Model):
    """Money given back of a payment, out of the account's credit: the payment's own, or that of `credit`.

    The amount is taken from the credit when it is asked for, and put back where the gateway says no.
    """

    key = models.UUIDField(default=uuid4, unique=True, editable=False)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    credit = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, null=True, blank=True, related_name="refunds"
    )
    amount = models.DecimalField(max_digits=18, decimal_places=4)
    state = FSMField(default=RefundState.ASKED, choices=RefundState.choices, protected=True)
    reason = models.CharField(max_length=200)
    gateway_id = models.CharField(max_length=80, blank=True)
    failure = models.CharField(max_length=300, blank=True)
    on = models.DateField()
    asked_at = models.DateTimeField()
    asked_by = models.CharField(max_length=120)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        constraints = (models.CheckConstraint(condition=Q(amount__gt=0), name="refund_above_zero"),)

    def __str__(self) -> str:
        return f"{self.amount} of {self.payment}"

    @transition(state, source=RefundState.ASKED, target=RefundState.DONE)
    def finish(self, gateway_id: str, at: datetime) -> None:
        """The money is on its way back."""
        self.gateway_id, self.finished_at = gateway_id, at

    @transition(state, source=RefundState.ASKED, target=RefundState.FAILED)
    def fail(self, reason: str, at: datetime) -> None:
        """The gateway did not give it back."""
        self.failure, self.finished_at = reason[:300], at


class GatewayEvent(models.Model):
    """A message of a gateway, known by its id: one that comes twice is one (INV-6)."""

    gateway = models.CharField(max_length=12)
    event_id = models.CharField(max_length=120)
    kind = models.CharField(max_length=80)
    about = models.CharField(max_length=80, blank=True, help_text="The intent or refund that it tells of.")
    received_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=("gateway", "event_id"), name="one_event_an_id"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.event_id}"


class TestIntent(models.Model):
    """What the built-in test gateway keeps of a payment; it stands for the books of a real one."""

    __test__ = False  # no test of pytest's, whatever it is called

    key = models.CharField(max_length=80, unique=True)
    amount = models.DecimalField(max_digits=18, decimal_places=4)
    currency = models.CharField(max_length=3)
    card = models.CharField(max_length=80)
    status = models.CharField(max_length=12, default="ready")
    failure_code = models.CharField(max_length=60, blank=True)
    return_url = models.CharField(max_length=1000, blank=True)
    refunded = models.DecimalField(max_digits=18, decimal_places=4, default=Decimal(0))

    def __str__(self) -> str:
        return self.key
