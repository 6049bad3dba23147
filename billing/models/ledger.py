"""The billing ledger: charges, the conditions they wait for, limits, and each account's schedule."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import uuid4

from django.db import models
from django.db.models import F, Q
from django_fsm import FSMField, transition

from accounts.models import Account, EndUser
from billing.engine.reasons import Basis
from billing.models.catalogue import Product
from billing.models.subscriptions import Subscription


class BillingSchedule(models.Model):
    """Where an account stands in its billing. Its row is the lock under which the ledger moves.

    `next_run_at` is the start of `next_bdom_on` in the account's time zone; `last_bdom_on` the last
    BDOM whose run is done. An account that failed is held until somebody runs it again.
    """

    account = models.OneToOneField(
        Account, on_delete=models.CASCADE, primary_key=True, related_name="schedule"
    )
    next_bdom_on = models.DateField()
    next_run_at = models.DateTimeField()
    last_bdom_on = models.DateField(null=True, blank=True)
    stamp = models.UUIDField(
        default=uuid4, help_text="New with each change to the ledger; previews are kept by it."
    )
    usage_recorded_on = models.DateField(
        null=True, blank=True, help_text="The last day of which invoice runs find usage, if there is any."
    )
    held_at = models.DateTimeField(null=True, blank=True)
    held_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        indexes = (
            models.Index(
                fields=("next_run_at", "account"),
                condition=Q(held_at=None),
                name="schedule_due",
            ),
        )

    def __str__(self) -> str:
        return f"{self.account}: {self.next_bdom_on}"


class ChargeState(models.TextChoices):
    """Where a charge is in its life."""

    WAITING = "waiting", "Waiting"
    BILLING = "billing", "Billing"
    ENDED = "ended", "Ended"


def _has_a_start(charge: models.Model) -> bool:
    """Whether it is known when the billing of a charge begins."""
    return isinstance(charge, Charge) and charge.billing_starts_on is not None


class Charge(models.Model):
    """One thing that is billed: product, quantity, locked unit price (BIL-6), dates.

    Dates are the account's own. `billing_starts_on` is None while a condition is not met. The
    `…recorded_on` dates say from when on an invoice run can know (BIL-7). Written by
    `billing.charges` alone.
    """

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="charges", db_index=False)
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="charges", db_index=False)
    quantity = models.PositiveIntegerField()
    unit_price = models.DecimalField(max_digits=18, decimal_places=8, null=True)
    state = FSMField(default=ChargeState.WAITING, choices=ChargeState.choices, protected=True)
    added_on = models.DateField()
    billing_starts_on = models.DateField(null=True)
    start_recorded_on = models.DateField(null=True)
    term_ends_on = models.DateField(null=True)
    ended_on = models.DateField(null=True)
    end_recorded_on = models.DateField(null=True)
    condition = models.CharField(max_length=40, blank=True)
    basis = models.CharField(max_length=24, choices=[(basis.value, basis.value) for basis in Basis])
    basis_on = models.DateField()
    basis_days = models.PositiveSmallIntegerField(default=0)
    subject = models.CharField(max_length=40, blank=True, help_text="What it is for, as kind:id.")
    subject_label = models.CharField(max_length=80, blank=True)
    holder = models.CharField(
        max_length=80, blank=True, help_text="The end user or service that the subject serves."
    )

    subscription = models.ForeignKey(
        Subscription,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="charges",
        db_index=False,
        help_text="The subscription that it is billed for, from its start to its end (SUB-10).",
    )
    brought_by = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        related_name="brought",
        db_index=False,
        help_text="The charge that this one came along with.",
    )

    class Meta:
        ordering = ("id",)
        indexes = (
            models.Index(fields=("account", "state"), name="charge_by_account"),
            models.Index(
                fields=("billing_starts_on",),
                condition=Q(state="waiting"),
                name="charge_waiting",
            ),
            models.Index(fields=("account", "subject"), condition=~Q(subject=""), name="charge_by_subject"),
            models.Index(
                fields=("subscription",),
                condition=Q(subscription__isnull=False),
                name="charge_by_subscription",
            ),
        )
        constraints = (
            models.CheckConstraint(condition=Q(quantity__gte=1), name="charge_has_a_quantity"),
            models.CheckConstraint(
                condition=Q(ended_on=None, end_recorded_on=None)
                | Q(ended_on__isnull=False, end_recorded_on__isnull=False),
                name="charge_end_is_recorded",
            ),
            models.CheckConstraint(
                condition=Q(billing_starts_on=None, start_recorded_on=None)
                | Q(billing_starts_on__isnull=False, start_recorded_on__isnull=False),
                name="charge_start_is_recorded",
            ),
            models.CheckConstraint(
                condition=Q(ended_on=None) | Q(ended_on__gte=F("added_on")),
                name="charge_ends_after_it_was_added",
            ),
        )

    def __str__(self) -> str:
        return f"{self.quantity} × {self.product_id}"

    @transition(state, source=ChargeState.WAITING, target=ChargeState.BILLING, conditions=[_has_a_start])
    def begin(self) -> None:
        """Billing has begun, on `billing_starts_on`."""

    @transition(state, source=(ChargeState.WAITING, ChargeState.BILLING), target=ChargeState.ENDED)
    def end(self, on: date, recorded_on: date) -> None:
        """The charge is over: `on` is the first day that is no longer billed (BIL-5)."""
        self.ended_on = on
        self.end_recorded_on = recorded_on

    @property
    def monthly(self) -> Decimal | None:
        """Unit price × quantity, not rounded; None while no price is set."""
        return None if self.unit_price is None else self.unit_price * self.quantity


class Condition(models.Model):
    """Something that charges of an account wait for, once it has come about (BIL-3)."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="conditions")
    key = models.CharField(max_length=40)
    met_on = models.DateField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("account", "key"), name="condition_met_once"),)

    def __str__(self) -> str:
        return f"{self.key} on {self.met_on}"


class Limit(models.Model):
    """At most so many of some products on an account, until it is lifted."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="limits")
    key = models.CharField(max_length=40)
    products = models.JSONField(help_text="Product codes that count together.")
    maximum = models.PositiveIntegerField()
    reason = models.CharField(max_length=300, help_text="What a person is told who asks for more.")
    rule = models.CharField(max_length=10)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("account", "key"), name="limit_set_once"),)

    def __str__(self) -> str:
        return f"{self.key}: at most {self.maximum}"


class LicenceAssignment(models.Model):
    """A licence in the hands of an end user, from a day, and to a day once it was taken back."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="licence_assignments")
    end_user = models.ForeignKey(EndUser, on_delete=models.PROTECT, related_name="licence_assignments")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="assignments")
    subscription = models.ForeignKey(
        Subscription,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="assignments",
        help_text="The subscription whose licence it is; without one, the account's own.",
    )
    assigned_on = models.DateField()
    unassigned_on = models.DateField(null=True, blank=True)

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(
                fields=("end_user", "product"),
                condition=Q(unassigned_on=None),
                name="one_licence_of_a_kind",
                violation_error_message="This end user holds such a licence already.",
            ),
        )
        indexes = (
            models.Index(
                fields=("account", "product"),
                condition=Q(unassigned_on=None),
                name="licences_in_use",
            ),
        )

    def __str__(self) -> str:
        return f"{self.product_id} of {self.end_user}"
