"""Subscriptions: commitments to licences and usage for a term, several in one tenant (SUB-1)."""

from __future__ import annotations

from datetime import date

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from accounts.models import Account, Partner


class LicenceMode(models.TextChoices):
    """Whether licences are counted by who works at a time, or by name (SUB-2)."""

    CONCURRENT = "concurrent", "Concurrent"
    NAMED = "named", "Named"


class TelephonyOption(models.TextChoices):
    """What carries a tenant's calls (SUB-3)."""

    WEBEX_CALLING = "webex-calling", "Webex Calling"
    BUNDLED_PSTN = "bundled-pstn", "Bundled PSTN"
    VPOP = "vpop", "VPOP"


class Offer(models.TextChoices):
    """The offer that a subscription was sold under; both stand beside each other (SUB-1)."""

    FLEX = "flex", "Flex"
    FLEX_3 = "flex-3", "Flex 3"


class Tenancy(models.Model):
    """What all subscriptions of an account have in common, ended ones too (SUB-2, SUB-3).

    A subscription has no mode or option of its own, and an account has one such row: the database has
    no place for a mixture.
    """

    account = models.OneToOneField(
        Account, on_delete=models.PROTECT, primary_key=True, related_name="tenancy"
    )
    licence_mode = models.CharField(max_length=10, choices=LicenceMode.choices)
    telephony_option = models.CharField(max_length=16, choices=TelephonyOption.choices)

    class Meta:
        verbose_name_plural = "tenancies"
        constraints = (
            models.CheckConstraint(
                condition=Q(licence_mode__in=LicenceMode.values), name="tenancy_has_a_licence_mode"
            ),
            models.CheckConstraint(
                condition=Q(telephony_option__in=TelephonyOption.values),
                name="tenancy_has_a_telephony_option",
            ),
        )

    def __str__(self) -> str:
        return f"{self.account}: {self.get_licence_mode_display()}, {self.get_telephony_option_display()}"


class Subscription(models.Model):
    """A commitment for a term: active on the days from `starts_on` up to, not including, `ends_on`.

    Dates are the account's own. `agreed_until` is the end that was agreed, `ends_on` the end as it is
    now: earlier where the subscription was ended. The `…recorded_on` dates say from when on an invoice
    run can know (BIL-7). Written by `billing.subscriptions` alone.
    """

    tenancy = models.ForeignKey(
        Tenancy, on_delete=models.PROTECT, related_name="subscriptions", db_column="account_id"
    )
    name = models.CharField(max_length=80)
    offer = models.CharField(max_length=10, choices=Offer.choices, default=Offer.FLEX_3)
    term_months = models.PositiveSmallIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(60)], help_text="A month that is begun counts."
    )
    starts_on = models.DateField()
    agreed_until = models.DateField()
    ends_on = models.DateField()
    recorded_on = models.DateField()
    end_recorded_on = models.DateField(null=True, blank=True)
    partner = models.ForeignKey(
        Partner, on_delete=models.PROTECT, null=True, blank=True, related_name="subscriptions"
    )
    department = models.CharField(max_length=80, blank=True)
    billing_contact = models.EmailField(blank=True)
    warned_days = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="The last warning before its end that went out, as days."
    )

    class Meta:
        ordering = ("starts_on", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("tenancy", "name"),
                name="one_subscription_a_name",
                violation_error_message="A subscription of this name is there already.",
            ),
            models.CheckConstraint(
                condition=Q(agreed_until__gt=F("starts_on")), name="subscription_has_a_day"
            ),
            models.CheckConstraint(
                condition=Q(ends_on__gte=F("starts_on")) & Q(ends_on__lte=F("agreed_until")),
                name="subscription_ends_in_its_term",
            ),
            models.CheckConstraint(
                condition=Q(term_months__gte=1) & Q(term_months__lte=60), name="subscription_term_1_to_60"
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def account(self) -> Account:
        """The account whose tenant it is in."""
        return self.tenancy.account

    def has_ended(self, on: date) -> bool:
        """Whether it is over by the account's day `on`: its end has come, or it was ended before it began."""
        return self.ends_on <= max(on, self.starts_on)

    @property
    def was_called_off(self) -> bool:
        """Whether it was ended before its start, so that it never begins."""
        return self.end_recorded_on is not None and self.end_recorded_on < self.starts_on

    @property
    def end_words(self) -> str:
        """How it ended, after its name: "ended on 2026-03-01"."""
        return "ended before it began" if self.was_called_off else f"ended on {self.ends_on}"


class SubscriptionCommitment(models.Model):
    """How much of a meter a subscription pays for anyway, from a day on. A change is a new row."""

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="commitments")
    meter = models.CharField(max_length=40)
    quantity = models.PositiveIntegerField()
    starts_on = models.DateField()
    ends_on = models.DateField(null=True, blank=True)
    recorded_on = models.DateField()

    class Meta:
        ordering = ("meter", "starts_on")
        constraints = (
            models.UniqueConstraint(
                fields=("subscription", "meter", "starts_on"), name="one_commitment_a_meter_and_day"
            ),
            models.CheckConstraint(
                condition=Q(ends_on=None) | Q(ends_on__gte=F("starts_on")), name="commitment_ends_after_start"
            ),
        )

    def __str__(self) -> str:
        return f"{self.quantity} × {self.meter}"
