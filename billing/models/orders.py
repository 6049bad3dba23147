"""Orders and their lines: what was asked for, at which price, and what has become of it (ORD-3, ORD-5)."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django_fsm import FSMField, transition

from accounts.models import Account
from billing.models.catalogue import Product
from billing.models.ledger import Charge


class OrderKind(models.TextChoices):
    """The first order of an account, as it was quoted, or a later one (ORD-1, ORD-3)."""

    INITIAL = "initial", "Initial order"
    ADD_ON = "add-on", "Add-on order"


class OrderState(models.TextChoices):
    """Where an order is in its life."""

    QUOTED = "quoted", "Quoted"
    ACCEPTED = "accepted", "Accepted"
    PROCESSING = "processing", "Processing"
    COMPLETED = "completed", "Completed"
    CANCELLED = "cancelled", "Cancelled"


class Order(models.Model):
    """What an account ordered. It is completed when no line of it waits any more."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="orders")
    kind = models.CharField(max_length=10, choices=OrderKind.choices)
    state = FSMField(default=OrderState.QUOTED, choices=OrderState.choices, protected=True)
    reference = models.CharField(
        max_length=80, blank=True, help_text="The customer's own, as a purchase order."
    )
    placed_on = models.DateField(help_text="The account's own date.")
    placed_at = models.DateTimeField()
    placed_by = models.CharField(max_length=120)
    completed_on = models.DateField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("account", "-id"), name="order_by_account"),)

    def __str__(self) -> str:
        return f"Order {self.pk}"

    @transition(state, source=OrderState.QUOTED, target=OrderState.ACCEPTED)
    def accept(self) -> None:
        """It has been agreed to; nothing of it is processed before (ORD-1)."""

    @transition(state, source=OrderState.ACCEPTED, target=OrderState.PROCESSING)
    def process(self) -> None:
        """What can be had at once is provided, the rest waits."""

    @transition(state, source=OrderState.PROCESSING, target=OrderState.COMPLETED)
    def complete(self) -> None:
        """Nothing of it waits any more."""

    @transition(
        state,
        source=(OrderState.QUOTED, OrderState.ACCEPTED, OrderState.PROCESSING),
        target=OrderState.CANCELLED,
    )
    def cancel(self) -> None:
        """All of it was cancelled."""


class OrderLineState(models.TextChoices):
    """What has become of a line."""

    WAITING = "waiting", "Waiting"
    SHIPPED = "shipped", "Shipped"
    PROVIDED = "provided", "Provided"
    CANCELLED = "cancelled", "Cancelled"


class OrderLine(models.Model):
    """Units of one product at the price of the day of the order (BIL-6).

    Hardware ships in parts: of `quantity` units so many are `shipped` and `cancelled`, the rest waits.
    """

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="lines")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="order_lines")
    quantity = models.PositiveIntegerField()
    unit_price = models.DecimalField(max_digits=18, decimal_places=8)
    wish = models.CharField(
        max_length=40,
        blank=True,
        help_text="What the customer wants of it besides: the area code of numbers.",
    )
    state = FSMField(default=OrderLineState.WAITING, choices=OrderLineState.choices, protected=True)
    charge = models.OneToOneField(
        Charge,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="order_line",
        help_text="The charge of the units that wait for their shipment.",
    )
    shipped = models.PositiveIntegerField(default=0)
    cancelled = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("id",)
        constraints = (
            models.CheckConstraint(condition=Q(quantity__gte=1), name="order_line_has_a_quantity"),
            models.CheckConstraint(
                condition=Q(quantity__gte=F("shipped") + F("cancelled")), name="order_line_not_exceeded"
            ),
        )

    def __str__(self) -> str:
        return f"{self.quantity} × {self.product_id} of {self.order}"

    @property
    def left(self) -> int:
        """How many units wait for their shipment."""
        return self.quantity - self.shipped - self.cancelled if self.state == OrderLineState.WAITING else 0

    @transition(state, source=OrderLineState.WAITING, target=OrderLineState.SHIPPED)
    def ship(self) -> None:
        """The last units that waited have left."""

    @transition(state, source=OrderLineState.WAITING, target=OrderLineState.PROVIDED)
    def provide(self) -> None:
        """What needs no shipment has been provided."""

    @transition(state, source=OrderLineState.WAITING, target=OrderLineState.CANCELLED)
    def cancel(self) -> None:
        """No unit of it was shipped, and none will be."""
