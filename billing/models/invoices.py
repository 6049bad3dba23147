"""Invoices, their lines and numbers, and the runs that made them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import F, Q
from django_fsm import FSMField, transition
from moneyed import Money

from accounts.models import Account, Brand
from billing.engine import Section


class InvoiceRun(models.Model):
    """One go of the invoice run: everything that was due at `as_of`."""

    class Trigger(models.TextChoices):
        SCHEDULE = "schedule", "Schedule"
        COMMAND = "command", "Command"
        STAFF = "staff", "Run again"

    trigger = models.CharField(max_length=10, choices=Trigger.choices)
    as_of = models.DateTimeField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    by = models.CharField(max_length=120)
    until = models.DateField(null=True, blank=True, help_text="Later BDOMs are left alone.")
    only = models.ForeignKey(
        Account,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="invoice_runs",
        help_text="Other accounts are left alone.",
    )
    accounts = models.PositiveIntegerField(default=0, help_text="BDOMs dealt with.")
    invoices = models.PositiveIntegerField(default=0)
    lines = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"Run {self.pk}"


class RunTotal(models.Model):
    """What a run invoiced in one currency."""

    run = models.ForeignKey(InvoiceRun, on_delete=models.CASCADE, related_name="totals")
    currency = models.CharField(max_length=3)
    amount = models.DecimalField(max_digits=20, decimal_places=4, default=0)

    class Meta:
        ordering = ("currency",)
        constraints = (models.UniqueConstraint(fields=("run", "currency"), name="one_total_a_currency"),)

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"


class RunFailure(models.Model):
    """An account that a run set aside, and why. It is resolved by a later run."""

    run = models.ForeignKey(InvoiceRun, on_delete=models.CASCADE, related_name="failed")
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="run_failures")
    bdom_on = models.DateField()
    reason = models.CharField(max_length=300)
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.account}: {self.reason}"


class InvoiceCounter(models.Model):
    """The next invoice number of a brand. Locked while numbers are drawn, so they have no gaps."""

    brand = models.OneToOneField(Brand, on_delete=models.CASCADE, primary_key=True)
    next_number = models.PositiveIntegerField(default=1)

    def __str__(self) -> str:
        return f"{self.brand_id}: {self.next_number}"


class InvoiceState(models.TextChoices):
    """Where an invoice is in its life (INV-1)."""

    DRAFT = "draft", "Draft"
    ISSUED = "issued", "Issued"
    PAID = "paid", "Paid"
    VOID = "void", "Void"


class InvoiceKind(models.TextChoices):
    """What made the invoice."""

    BDOM = "bdom", "Monthly invoice"
    PLAN = "plan", "Plan invoice"
    CREDIT_NOTE = "credit-note", "Credit note"


class Invoice(models.Model):
    """What an account owes for a period. Issued, its lines and amounts never change (INV-1).

    `period_start` up to, not including, `period_end` is the month ahead, or what a plan was paid for.
    Amounts are in `currency`, in whole minor units. A credit note refers to the invoice that it corrects;
    its amounts are negative.
    """

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="invoices", db_index=False)
    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="invoices", db_index=False)
    run = models.ForeignKey(
        InvoiceRun,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="issued_invoices",
    )
    kind = models.CharField(max_length=12, choices=InvoiceKind.choices)
    state = FSMField(default=InvoiceState.DRAFT, choices=InvoiceState.choices, protected=True)
    number = models.CharField(max_length=24, unique=True, null=True)
    sequence = models.PositiveIntegerField(null=True)
    issued_on = models.DateField()
    issued_at = models.DateTimeField(null=True)
    due_on = models.DateField()
    period_start = models.DateField()
    period_end = models.DateField()
    currency = models.CharField(max_length=3)
    subtotal = models.DecimalField(max_digits=18, decimal_places=4)
    tax = models.DecimalField(max_digits=18, decimal_places=4)
    total = models.DecimalField(max_digits=18, decimal_places=4)
    settled = models.DecimalField(
        max_digits=18,
        decimal_places=4,
        default=0,
        db_default=0,
        help_text="How much of the total has been paid, or of a credit been used; with the total's sign.",
    )
    paid_on = models.DateField(null=True, blank=True)
    payment_reference = models.CharField(max_length=80, blank=True)
    void_reason = models.CharField(max_length=300, blank=True)
    corrects = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="credit_notes"
    )

    class Meta:
        ordering = ("-issued_on", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("account", "kind", "period_start"),
                condition=Q(kind="bdom"),
                name="one_bdom_invoice_a_period",
            ),
            models.UniqueConstraint(fields=("brand", "sequence"), name="one_invoice_a_number"),
            models.CheckConstraint(
                condition=Q(state="draft") | Q(number__isnull=False), name="issued_has_a_number"
            ),
            models.CheckConstraint(
                condition=Q(total__gte=0, settled__gte=0, settled__lte=F("total"))
                | Q(total__lt=0, settled__lte=0, settled__gte=F("total")),
                name="invoice_settled_within_total",
            ),
            models.CheckConstraint(
                condition=~Q(state="paid") | Q(settled=F("total")), name="paid_is_settled"
            ),
            models.CheckConstraint(
                condition=~Q(kind="credit-note") | Q(corrects__isnull=False),
                name="credit_note_corrects_an_invoice",
            ),
        )
        indexes = (
            models.Index(fields=("account", "-issued_on", "-id"), name="invoice_by_account"),
            models.Index(fields=("-issued_on", "-id"), name="invoice_by_date"),
            models.Index(fields=("total", "id"), name="invoice_by_total"),
            models.Index(fields=("account",), condition=Q(state="issued"), name="invoice_open"),
            models.Index(
                fields=("due_on", "id"), condition=Q(state="issued"), name="invoice_open_by_due_day"
            ),
            # Rare ones, found among millions; the monthly run hardly writes a row of these.
            models.Index(
                fields=("account",),
                condition=Q(state="issued", total__lte=0),
                name="invoice_with_credit",
            ),
            models.Index(
                fields=("-issued_on", "-id"), condition=Q(state="void"), name="invoice_void_by_date"
            ),
            models.Index(
                fields=("-issued_on", "-id"),
                condition=Q(kind__in=("plan", "credit-note")),
                name="invoice_special_by_date",
            ),
        )

    def __str__(self) -> str:
        return self.number or "Draft"

    @transition(state, source=InvoiceState.DRAFT, target=InvoiceState.ISSUED)
    def issue(self, number: str, sequence: int, at: datetime) -> None:
        """Give the invoice its number; from here on it does not change."""
        self.number = number
        self.sequence = sequence
        self.issued_at = at

    @transition(state, source=InvoiceState.ISSUED, target=InvoiceState.PAID)
    def settle(self, on: date, reference: str) -> None:
        """It has been paid, on the account's own date `on`."""
        self.paid_on = on
        self.payment_reference = reference

    @transition(state, source=InvoiceState.ISSUED, target=InvoiceState.VOID)
    def void(self, reason: str) -> None:
        """It is no longer owed."""
        self.void_reason = reason

    @property
    def last_day(self) -> date:
        """The last day of its period."""
        return self.period_end - timedelta(days=1)

    @property
    def open_amount(self) -> Decimal:
        """What is left to be paid, in the invoice's currency; below zero for a credit that is left to be used."""
        return self.total - self.settled if self.state == InvoiceState.ISSUED else Decimal(0)

    @property
    def total_money(self) -> Money:
        """The total with its currency."""
        return Money(self.total, self.currency)


if TYPE_CHECKING:
    _Decimals = models.DecimalField[int | Decimal, int | Decimal]
else:
    _Decimals = models.DecimalField


class QuantityField(_Decimals):
    """How many units: whole ones as int, parts of a minute as Decimal, with at most four decimals."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_digits": 18, "decimal_places": 4} | options)

    def deconstruct(self) -> Any:
        """As the column that it is: migrations need not know more."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.DecimalField", args, kwargs

    def from_db_value(self, value: Decimal | None, expression: Any, connection: Any) -> int | Decimal | None:
        """A whole quantity without the decimals that its column has."""
        if value is None:
            return None
        return int(value) if value == value.to_integral_value() else value.normalize()


class InvoiceLine(models.Model):
    """One line of an invoice, with all that is needed to say why it is there (BIL-11).

    What it names (product, subject, holder) is kept in words of the invoice's day. `charges` are
    ids in the ledger.
    """

    id = models.BigAutoField(primary_key=True)
    # Written in one transaction with its invoice, and neither is ever deleted: checking the key of each
    # line again would cost more than writing it.
    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, related_name="lines", db_index=False, db_constraint=False
    )
    position = models.PositiveIntegerField()
    section = models.CharField(max_length=10, choices=[(section.value, section.value) for section in Section])
    product = models.CharField(max_length=40)
    description = models.CharField(max_length=120)
    quantity = QuantityField()
    unit_price = models.DecimalField(max_digits=18, decimal_places=8)
    starts_on = models.DateField()
    ends_on = models.DateField()
    days = models.PositiveSmallIntegerField(null=True)
    of_days = models.PositiveSmallIntegerField(null=True)
    amount = models.DecimalField(max_digits=18, decimal_places=4)
    subscription = models.CharField(max_length=80, null=True)
    subject = models.CharField(max_length=40, blank=True)
    subject_label = models.CharField(max_length=80, blank=True)
    holder = models.CharField(max_length=80, blank=True)
    rule = models.CharField(max_length=10)
    why = models.CharField(max_length=300)
    ledger_code = models.CharField(max_length=20)
    tax_category = models.CharField(max_length=20)
    charges = models.JSONField(default=list)
    corrects_position = models.PositiveIntegerField(
        null=True, help_text="On a credit note: the line of the corrected invoice."
    )

    class Meta:
        ordering = ("invoice", "position")
        constraints = (models.UniqueConstraint(fields=("invoice", "position"), name="one_line_a_position"),)

    def __str__(self) -> str:
        return f"{self.description}: {self.amount}"
