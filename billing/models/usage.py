"""Usage: meters and their rates, the records that came in, and the imports that brought them."""

from __future__ import annotations

from typing import ClassVar

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from djmoney.models.fields import MoneyField
from djmoney.models.validators import MinMoneyValidator

from accounts.models import Account, Brand
from billing.engine import Aggregation, Pooling
from billing.models.subscriptions import Subscription

PREFIX = RegexValidator(r"^\+[1-9]\d{0,14}$", "A prefix is like +44 or +1876.")


class Meter(models.Model):
    """One kind of usage, and how it is counted (USE-2, USE-3)."""

    code = models.SlugField(max_length=40, primary_key=True)
    name = models.CharField(max_length=80)
    unit = models.CharField(max_length=20, help_text="What is counted, in the singular: minute, agent.")
    is_call = models.BooleanField(default=False, help_text="Kept in seconds, priced by the minute.")
    aggregation = models.CharField(
        max_length=10,
        choices=[(value.value, value.value) for value in Aggregation],
        default=Aggregation.SUM.value,
    )
    pooling = models.CharField(
        max_length=10, choices=[(value.value, value.value) for value in Pooling], default=Pooling.NONE.value
    )
    ledger_code = models.CharField(max_length=20, help_text="The account of finance's books.")
    tax_category = models.CharField(max_length=20, default="telecom")
    rank = models.PositiveSmallIntegerField(default=0, help_text="Its place in lists and invoices.")

    class Meta:
        ordering = ("rank", "code")

    def __str__(self) -> str:
        return self.name


class MeterRate(models.Model):
    """The rate of a meter from a day on. A change is a new row; a brand's goes before one for all brands.

    `per_unit` is per minute for calls. A call lasts `minimum_seconds` at least, and beyond that is rounded
    up to whole increments (USE-3).
    """

    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="rates")
    brand = models.ForeignKey(
        Brand, on_delete=models.CASCADE, null=True, blank=True, related_name="meter_rates"
    )
    per_unit = MoneyField(max_digits=18, decimal_places=8, validators=[MinMoneyValidator(0)])
    minimum_seconds = models.PositiveIntegerField(default=60)
    increment_seconds = models.PositiveIntegerField(default=60)
    effective_on = models.DateField()

    objects: ClassVar[models.Manager[MeterRate]] = models.Manager()

    class Meta:
        ordering = ("meter", "effective_on")
        constraints = (
            models.UniqueConstraint(
                fields=("meter", "per_unit_currency", "effective_on"),
                condition=Q(brand=None),
                name="one_rate_a_day",
                violation_error_message="A rate from that day is there already.",
            ),
            models.UniqueConstraint(
                fields=("meter", "brand", "per_unit_currency", "effective_on"),
                condition=Q(brand__isnull=False),
                name="one_rate_a_day_and_brand",
                violation_error_message="A rate of this brand from that day is there already.",
            ),
            models.CheckConstraint(condition=Q(per_unit__gte=0), name="rate_not_negative"),
            models.CheckConstraint(condition=Q(increment_seconds__gte=1), name="increment_of_a_second"),
        )

    def __str__(self) -> str:
        return f"{self.meter_id}: {self.per_unit} from {self.effective_on}"


class PrefixRate(models.Model):
    """What a minute to a destination costs from a day on; the longest prefix of a number decides (USE-2).

    A change is a new row; a brand's goes before one for all brands. `ends_on` is the first day on which it
    no longer holds, if it ends without a successor.
    """

    brand = models.ForeignKey(
        Brand, on_delete=models.CASCADE, null=True, blank=True, related_name="prefix_rates"
    )
    prefix = models.CharField(max_length=16, validators=[PREFIX])
    destination = models.CharField(max_length=80, blank=True)
    per_unit = MoneyField(max_digits=18, decimal_places=8, validators=[MinMoneyValidator(0)])
    effective_on = models.DateField()
    ends_on = models.DateField(null=True, blank=True)

    objects: ClassVar[models.Manager[PrefixRate]] = models.Manager()

    class Meta:
        ordering = ("prefix", "effective_on")
        constraints = (
            models.UniqueConstraint(
                fields=("prefix", "per_unit_currency", "effective_on"),
                condition=Q(brand=None),
                name="one_prefix_rate_a_day",
                violation_error_message="A rate of this prefix from that day is there already.",
            ),
            models.UniqueConstraint(
                fields=("prefix", "brand", "per_unit_currency", "effective_on"),
                condition=Q(brand__isnull=False),
                name="one_prefix_rate_a_day_and_brand",
                violation_error_message="A rate of this prefix and brand from that day is there already.",
            ),
            models.CheckConstraint(condition=Q(per_unit__gte=0), name="prefix_rate_not_negative"),
        )

    def __str__(self) -> str:
        return f"{self.prefix}: {self.per_unit} from {self.effective_on}"


class UsageImport(models.Model):
    """A file of usage and what came of it. `lines_done` lets one that was cut short go on where it was (USE-1)."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        FINISHED = "finished", "Finished"
        FAILED = "failed", "Failed"

    class Source(models.TextChoices):
        UPLOAD = "upload", "Upload"
        COMMAND = "command", "Command"
        FOLDER = "folder", "Watched folder"

    name = models.CharField(max_length=200, help_text="The file's name, as it came.")
    path = models.CharField(max_length=500, help_text="Where the file lies while it is read.")
    size = models.PositiveBigIntegerField(help_text="In bytes.")
    source = models.CharField(max_length=10, choices=Source.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    by = models.CharField(max_length=120)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    lines_done = models.PositiveBigIntegerField(
        default=0, help_text="Lines of the file dealt with, the header too."
    )
    bytes_done = models.PositiveBigIntegerField(default=0)
    taken = models.PositiveBigIntegerField(default=0)
    known = models.PositiveBigIntegerField(default=0, help_text="Records that had come in before.")
    free = models.PositiveBigIntegerField(default=0, help_text="Calls that cost nothing by their kind.")
    refused = models.PositiveBigIntegerField(default=0)
    unrated = models.PositiveBigIntegerField(default=0, help_text="Taken, and no rate is set for them.")
    failed_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.name


class UsageFault(models.Model):
    """A row of an import that was refused: its line, the field, and why."""

    id = models.BigAutoField(primary_key=True)
    usage_import = models.ForeignKey(UsageImport, on_delete=models.CASCADE, related_name="faults")
    line = models.PositiveBigIntegerField()
    field = models.CharField(max_length=40, blank=True)
    reason = models.CharField(max_length=300)
    content = models.CharField(max_length=500, help_text="The line as it came, cut where it is long.")

    class Meta:
        ordering = ("line",)
        constraints = (models.UniqueConstraint(fields=("usage_import", "line"), name="one_fault_a_line"),)

    def __str__(self) -> str:
        return f"Line {self.line}: {self.reason}"


class UsageRecord(models.Model):
    """One call, or one record of other usage, with the rate of its day. Written by `billing.usage` alone.

    `quantity` is as it came: seconds for calls; `units` is what is billed of it: seconds rounded by the
    minimum and the increment. `occurred_on` is the account's own date. `recorded_on` says which invoice
    runs know of it, as it does of charges (BIL-7): a record is billed on the first BDOM after it, on
    that invoice alone. `subject` is what is counted where different ones count. `number` is the account's
    own, `peer` the other one, `holder` who held the number then.
    """

    id = models.BigAutoField(primary_key=True)
    # As with invoice lines: checking keys again for each of a million rows costs more than writing them.
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="usage", db_index=False, db_constraint=False
    )
    record_id = models.CharField(max_length=64)
    meter = models.CharField(max_length=40)
    occurred_at = models.DateTimeField()
    occurred_on = models.DateField()
    recorded_on = models.DateField()
    quantity = models.PositiveBigIntegerField()
    units = models.PositiveBigIntegerField()
    unit_price = models.DecimalField(max_digits=18, decimal_places=8, null=True)
    subscription = models.ForeignKey(
        Subscription,
        on_delete=models.PROTECT,
        null=True,
        related_name="usage",
        db_index=False,
        db_constraint=False,
    )
    subject = models.CharField(max_length=80, blank=True)
    destination = models.CharField(
        max_length=16, blank=True, help_text="The prefix that decided on the rate."
    )
    number = models.CharField(max_length=16, blank=True)
    peer = models.CharField(max_length=20, blank=True)
    holder = models.CharField(max_length=80, blank=True)
    usage_import = models.ForeignKey(
        UsageImport,
        on_delete=models.PROTECT,
        null=True,
        related_name="records",
        db_index=False,
        db_constraint=False,
    )

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=("account", "record_id"), name="one_usage_record_an_id"),
        )
        indexes = (
            models.Index(fields=("account", "recorded_on"), name="usage_by_record_day"),
            models.Index(fields=("account", "occurred_on"), name="usage_by_day"),
        )

    def __str__(self) -> str:
        return f"{self.meter} {self.record_id}"
