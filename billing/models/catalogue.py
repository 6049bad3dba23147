"""Products and their dated prices."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from djmoney.models.fields import MoneyField
from djmoney.models.validators import MinMoneyValidator

from accounts.models import Brand
from billing.engine import Section


class Delay(models.TextChoices):
    """The rule that says when a charge's billing begins (BIL-3)."""

    NONE = "none", "None: at once"
    TIMED = "timed", "Timed: days after it was added"
    PARKED = "parked", "Parked: days after it was parked"
    SHIPPED = "shipped", "Shipped: the day of shipment"
    ACTIVATED = "activated", "Activated: when a condition of the account is met"


class CreditPolicy(models.TextChoices):
    """Whether the days left of a paid period are given back when a charge ends (BIL-5)."""

    CREDIT = "credit", "Credit the days left"
    NO_CREDIT = "no-credit", "No credit"


class Family(models.TextChoices):
    """The shelf of the catalogue on which a product stands."""

    LICENCE = "licence", "Licences"
    CONTACT_CENTER = "contact-center", "Contact center"
    NUMBER = "number", "Numbers"
    SERVICE = "service", "Services"
    PACKAGE = "package", "Toll-free packages"
    HARDWARE = "hardware", "Hardware"
    SHIPPING = "shipping", "Shipping"
    PLAN = "plan", "Plans"


class Product(models.Model):
    """One thing that can be sold, and how it is billed."""

    code = models.SlugField(max_length=40, primary_key=True)
    name = models.CharField(max_length=80)
    family = models.CharField(max_length=20, choices=Family.choices)
    section = models.CharField(max_length=10, choices=[(section.value, section.value) for section in Section])
    is_recurring = models.BooleanField(default=True, help_text="Billed every month; otherwise once.")
    is_licence = models.BooleanField(
        default=False, help_text="Bought in quantities and assigned to end users (LIC-1)."
    )
    delay = models.CharField(max_length=10, choices=Delay.choices, default=Delay.NONE)
    delay_days = models.PositiveSmallIntegerField(default=0)
    condition = models.CharField(
        max_length=40, blank=True, help_text="The condition that an activated charge waits for."
    )
    credit_policy = models.CharField(max_length=10, choices=CreditPolicy.choices, default=CreditPolicy.CREDIT)
    ledger_code = models.CharField(max_length=20, help_text="The account of finance's books.")
    tax_category = models.CharField(max_length=20, default="telecom")
    rank = models.PositiveSmallIntegerField(default=0, help_text="Its place in lists and invoices.")
    is_on_sale = models.BooleanField(default=True)
    requires = models.CharField(
        max_length=40, blank=True, help_text="The condition without which it cannot be bought."
    )
    brings = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="brought_by",
        help_text="What each unit brings along once, like an activation fee.",
    )

    class Meta:
        ordering = ("rank", "code")
        constraints = (
            models.CheckConstraint(
                condition=~Q(delay="activated") | ~Q(condition=""),
                name="activated_product_names_its_condition",
            ),
            models.CheckConstraint(
                condition=Q(delay_days=0) | Q(delay__in=("timed", "parked")),
                name="only_timed_and_parked_delays_have_days",
            ),
        )

    def __str__(self) -> str:
        return self.name


class Price(models.Model):
    """The price of a product from a day on. A change is a new row; a row is never overwritten.

    A row of a brand goes before one for all brands. `amount` is per month for what recurs.
    """

    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="prices")
    brand = models.ForeignKey(Brand, on_delete=models.CASCADE, null=True, blank=True, related_name="prices")
    amount = MoneyField(max_digits=18, decimal_places=8, validators=[MinMoneyValidator(0)])
    effective_on = models.DateField()

    objects: ClassVar[models.Manager[Price]] = models.Manager()

    class Meta:
        ordering = ("product", "effective_on")
        constraints = (
            models.UniqueConstraint(
                fields=("product", "amount_currency", "effective_on"),
                condition=Q(brand=None),
                name="one_price_a_day",
                violation_error_message="A price from that day is there already.",
            ),
            models.UniqueConstraint(
                fields=("product", "brand", "amount_currency", "effective_on"),
                condition=Q(brand__isnull=False),
                name="one_price_a_day_and_brand",
                violation_error_message="A price of this brand from that day is there already.",
            ),
            models.CheckConstraint(condition=Q(amount__gte=0), name="price_not_negative"),
        )

    def __str__(self) -> str:
        return f"{self.product_id}: {self.amount} from {self.effective_on}"


class PackageTerms(models.Model):
    """What a toll-free package holds, from a day on. A row of a brand goes before one for all brands.

    `minutes` are included in a billing period; `overage` is the price of each minute above them.
    """

    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="package_terms")
    brand = models.ForeignKey(
        Brand, on_delete=models.CASCADE, null=True, blank=True, related_name="package_terms"
    )
    minutes = models.PositiveIntegerField()
    overage = MoneyField(max_digits=18, decimal_places=8)
    effective_on = models.DateField()

    objects: ClassVar[models.Manager[PackageTerms]] = models.Manager()

    class Meta:
        verbose_name_plural = "package terms"
        ordering = ("minutes", "effective_on")
        constraints = (
            models.UniqueConstraint(
                fields=("product", "overage_currency", "effective_on"),
                condition=Q(brand=None),
                name="one_package_a_day",
            ),
            models.UniqueConstraint(
                fields=("product", "brand", "overage_currency", "effective_on"),
                condition=Q(brand__isnull=False),
                name="one_package_a_day_and_brand",
            ),
        )

    def __str__(self) -> str:
        return f"{self.product_id}: {self.minutes} minutes from {self.effective_on}"
