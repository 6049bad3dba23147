"""Plans: the package that an account has, the discounts of longer cycles, and each thing that was to be paid for."""

from __future__ import annotations

from datetime import date, timedelta
from typing import ClassVar
from uuid import uuid4

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django_fsm import FSMField, transition

from accounts.models import Account, Brand
from billing.engine import PlanTerms
from billing.engine.plans import CYCLES
from billing.models.catalogue import Product
from billing.models.invoices import Invoice

_CYCLES = [(months, "1 month" if months == 1 else f"{months} months") for months in CYCLES]


class PlanDiscount(models.Model):
    """What a cycle of so many months is cheaper by, from a day on. A row of a brand goes before one for all."""

    brand = models.ForeignKey(
        Brand, on_delete=models.CASCADE, null=True, blank=True, related_name="plan_discounts"
    )
    months = models.PositiveSmallIntegerField("cycle", choices=_CYCLES)
    discount = models.DecimalField(
        max_digits=5,
        decimal_places=4,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="A share of the total: 0.15 is 15%.",
    )
    effective_on = models.DateField()

    objects: ClassVar[models.Manager[PlanDiscount]] = models.Manager()

    class Meta:
        ordering = ("months", "effective_on")
        constraints = (
            models.UniqueConstraint(
                fields=("months", "effective_on"), condition=Q(brand=None), name="one_plan_discount_a_day"
            ),
            models.UniqueConstraint(
                fields=("brand", "months", "effective_on"),
                condition=Q(brand__isnull=False),
                name="one_plan_discount_a_day_and_brand",
            ),
            models.CheckConstraint(
                condition=Q(discount__gte=0) & Q(discount__lte=1), name="plan_discount_0_to_1"
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_months_display()}: {self.discount}"


class PlanState(models.TextChoices):
    """The status of a plan (PLN-2)."""

    TRY = "try", "Try"
    ACTIVE = "active", "Active"
    INACTIVE = "inactive", "Inactive"


class Plan(models.Model):
    """The package that an account has or had last. Written by `billing.plans` alone.

    `unit_price` is for one account and month, in the account's currency, locked when bought (BIL-6). Cycles
    are counted from `anchor_on`, the day of registration; `months_done` are those of the cycles before this
    one. What is paid for ends with `cycle_ends_on`, the first day that is not. The `next_…` terms hold from
    the renewal on (PLN-4).
    """

    account = models.OneToOneField(Account, on_delete=models.PROTECT, primary_key=True, related_name="plan")
    state = FSMField(default=PlanState.INACTIVE, choices=PlanState.choices, protected=True)
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="plans")
    quantity = models.PositiveIntegerField()
    unit_price = models.DecimalField(max_digits=18, decimal_places=8)
    months = models.PositiveSmallIntegerField(choices=_CYCLES)
    discount = models.DecimalField(max_digits=5, decimal_places=4, default=0)
    trial_ends_on = models.DateField(null=True, blank=True)
    warned_days = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="How many days before the end of the trial the last warning was for."
    )
    registered_at = models.DateTimeField(null=True, blank=True, help_text="When it was first paid for.")
    anchor_on = models.DateField(null=True, blank=True)
    months_done = models.PositiveSmallIntegerField(default=0)
    cycle_starts_on = models.DateField(null=True, blank=True)
    cycle_ends_on = models.DateField(null=True, blank=True)
    unsubscribed_on = models.DateField(null=True, blank=True)
    ended_on = models.DateField(null=True, blank=True, help_text="Since when it is inactive.")
    next_product = models.ForeignKey(
        Product, on_delete=models.PROTECT, null=True, blank=True, related_name="plans_to_come"
    )
    next_quantity = models.PositiveIntegerField(null=True, blank=True)
    next_unit_price = models.DecimalField(max_digits=18, decimal_places=8, null=True, blank=True)
    next_months = models.PositiveSmallIntegerField(choices=_CYCLES, null=True, blank=True)
    next_discount = models.DecimalField(max_digits=5, decimal_places=4, null=True, blank=True)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(quantity__gte=1), name="plan_has_a_quantity"),
            models.CheckConstraint(
                condition=~Q(state="active")
                | Q(cycle_ends_on__gt=F("cycle_starts_on"), anchor_on__isnull=False),
                name="active_plan_has_a_cycle",
            ),
            models.CheckConstraint(
                condition=~Q(state="try") | Q(trial_ends_on__isnull=False), name="trial_has_an_end"
            ),
            models.CheckConstraint(
                condition=Q(
                    next_product=None,
                    next_quantity=None,
                    next_unit_price=None,
                    next_months=None,
                    next_discount=None,
                )
                | Q(
                    next_product__isnull=False,
                    next_quantity__isnull=False,
                    next_unit_price__isnull=False,
                    next_months__isnull=False,
                    next_discount__isnull=False,
                ),
                name="plan_change_is_whole",
            ),
        )
        indexes = (
            models.Index(fields=("cycle_ends_on",), condition=Q(state="active"), name="plan_by_renewal"),
            models.Index(fields=("trial_ends_on",), condition=Q(state="try"), name="plan_by_trial"),
        )

    def __str__(self) -> str:
        return f"{self.quantity} × {self.product_id}"

    @property
    def terms(self) -> PlanTerms:
        """What it is now."""
        return PlanTerms(self.product_id, self.quantity, self.unit_price, self.months, self.discount)

    @property
    def next_terms(self) -> PlanTerms:
        """What it will be from its renewal on."""
        if (
            self.next_product_id is None
            or self.next_quantity is None
            or self.next_unit_price is None
            or self.next_months is None
            or self.next_discount is None
        ):
            return self.terms
        return PlanTerms(
            self.next_product_id,
            self.next_quantity,
            self.next_unit_price,
            self.next_months,
            self.next_discount,
        )

    @property
    def last_day(self) -> date | None:
        """The last day that is paid for."""
        return None if self.cycle_ends_on is None else self.cycle_ends_on - timedelta(days=1)

    @property
    def is_current(self) -> bool:
        """Whether it can be used: tried or active."""
        return self.state in (PlanState.TRY, PlanState.ACTIVE)

    @property
    def ends_on(self) -> date | None:
        """The first day on which it cannot be used any more, as things stand; None while it will renew."""
        if self.state == PlanState.TRY:
            return self.trial_ends_on
        if self.state == PlanState.ACTIVE:
            return self.cycle_ends_on if self.unsubscribed_on else None
        return self.ended_on

    @transition(state, source=PlanState.INACTIVE, target=PlanState.TRY)
    def try_out(self, ends_on: date) -> None:
        """It is tried up to, not including, `ends_on`."""
        self.trial_ends_on = ends_on
        self.ended_on = None

    @transition(state, source=(PlanState.TRY, PlanState.ACTIVE, PlanState.INACTIVE), target=PlanState.ACTIVE)
    def activate(self) -> None:
        """It has been paid for (PLN-3)."""
        self.ended_on = None

    @transition(state, source=(PlanState.TRY, PlanState.ACTIVE), target=PlanState.INACTIVE)
    def end(self, on: date) -> None:
        """It cannot be used from the day `on`."""
        self.ended_on = on


class PlanOrderKind(models.TextChoices):
    """Why a plan is paid for."""

    REGISTRATION = "registration", "Registration"
    CHANGE = "change", "Change"
    RENEWAL = "renewal", "Renewal"


class PlanOrderState(models.TextChoices):
    """Where an order of a plan is in its life."""

    OPEN = "open", "To be paid"
    PAID = "paid", "Paid"
    CANCELLED = "cancelled", "Cancelled"


class PlanOrder(models.Model):
    """One plan event that costs something, with one invoice at most (BIL-9). Its amounts do not change.

    `key` is its address and makes paying it happen once, however often it is asked for. The terms are those
    that hold when it is paid; `amount` is what is charged for the days from `starts_on` up to, not including,
    `ends_on`, of `of_days`, worked out for the account's own day `on`.
    """

    key = models.UUIDField(default=uuid4, unique=True, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="plan_orders")
    kind = models.CharField(max_length=12, choices=PlanOrderKind.choices)
    state = FSMField(default=PlanOrderState.OPEN, choices=PlanOrderState.choices, protected=True)
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="plan_orders")
    quantity = models.PositiveIntegerField()
    unit_price = models.DecimalField(max_digits=18, decimal_places=8)
    months = models.PositiveSmallIntegerField(choices=_CYCLES)
    discount = models.DecimalField(max_digits=5, decimal_places=4)
    next_months = models.PositiveSmallIntegerField(
        choices=_CYCLES, null=True, blank=True, help_text="The cycle that was chosen from the renewal on."
    )
    next_discount = models.DecimalField(max_digits=5, decimal_places=4, null=True, blank=True)
    on = models.DateField()
    starts_on = models.DateField()
    ends_on = models.DateField()
    of_days = models.PositiveSmallIntegerField()
    amount = models.DecimalField(max_digits=18, decimal_places=4)
    rule = models.CharField(max_length=10)
    why = models.CharField(max_length=300)
    placed_by = models.CharField(max_length=120)
    placed_at = models.DateTimeField()
    paid_at = models.DateTimeField(null=True, blank=True)
    by_transfer = models.BooleanField(
        default=False, help_text="It is paid as soon as a bank transfer covers it."
    )
    tries = models.PositiveSmallIntegerField(default=0, help_text="How often a saved card was asked for it.")
    next_try_on = models.DateField(null=True, blank=True)
    invoice = models.OneToOneField(
        Invoice, on_delete=models.PROTECT, null=True, blank=True, related_name="plan_order"
    )

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(condition=Q(quantity__gte=1), name="plan_order_has_a_quantity"),
            models.CheckConstraint(condition=Q(amount__gte=0), name="plan_order_not_negative"),
            models.CheckConstraint(condition=Q(ends_on__gt=F("starts_on")), name="plan_order_has_days"),
            models.UniqueConstraint(
                fields=("account",), condition=Q(state="open"), name="one_open_plan_order_an_account"
            ),
            models.UniqueConstraint(
                fields=("account", "starts_on"),
                condition=Q(kind="renewal") & ~Q(state="cancelled"),
                name="one_renewal_a_cycle",
            ),
        )
        indexes = (
            models.Index(
                fields=("next_try_on",), condition=Q(state="open", kind="renewal"), name="plan_order_to_try"
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.quantity} × {self.product_id}"

    @property
    def terms(self) -> PlanTerms:
        """What the plan is once this is paid."""
        return PlanTerms(self.product_id, self.quantity, self.unit_price, self.months, self.discount)

    @property
    def next_terms(self) -> PlanTerms:
        """What the plan is from its next renewal on, once this is paid."""
        if self.next_months is None or self.next_discount is None:
            return self.terms
        return self.terms._replace(months=self.next_months, discount=self.next_discount)

    @property
    def last_day(self) -> date:
        """The last day that it pays for."""
        return self.ends_on - timedelta(days=1)

    @transition(state, source=PlanOrderState.OPEN, target=PlanOrderState.PAID)
    def pay(self) -> None:
        """It has been paid for."""

    @transition(state, source=PlanOrderState.OPEN, target=PlanOrderState.CANCELLED)
    def cancel(self) -> None:
        """It is no longer wanted, or was not paid in time."""
