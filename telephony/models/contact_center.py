"""The contact center of an account, and its way from installation to going live."""

from __future__ import annotations

from datetime import date, datetime

from django.db import models
from django.db.models import Q
from django_fsm import FSMField, transition

from accounts.models import Account, User
from telephony.models.numbers import Service


class Edition(models.TextChoices):
    """What is installed. Express has no onboarding (ONB-1)."""

    EXPRESS = "express", "Contact Center Express"
    PRO = "pro", "Contact Center Pro"
    ELITE = "elite", "Contact Center Elite"


class OnboardingState(models.TextChoices):
    """Where a contact center is. There is no way back from active (ONB-8)."""

    ONBOARDING = "onboarding", "Onboarding"
    ACTIVE = "active", "Active"


class ContactCenter(models.Model):
    """The contact center of an account: its edition, its state, and how it came there.

    Dates are the account's own. `activated_by` names who or what activated it, `activation_rule` the
    rule where nobody did (ONB-9).
    """

    account = models.OneToOneField(Account, on_delete=models.PROTECT, related_name="contact_center")
    service = models.OneToOneField(Service, on_delete=models.PROTECT, related_name="contact_center")
    edition = models.CharField(max_length=10, choices=Edition.choices)
    state = FSMField(default=OnboardingState.ONBOARDING, choices=OnboardingState.choices, protected=True)
    installed_on = models.DateField()
    installed_at = models.DateTimeField()
    requested_at = models.DateTimeField(null=True, blank=True, help_text="When going live was asked for.")
    requested_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    toll_free_chosen_on = models.DateField(null=True, blank=True)
    test_call_on = models.DateField(null=True, blank=True)
    activated_on = models.DateField(null=True, blank=True)
    activated_at = models.DateTimeField(null=True, blank=True)
    activated_by = models.CharField(max_length=120, blank=True)
    activation_reason = models.CharField(max_length=300, blank=True)
    activation_rule = models.CharField(max_length=10, blank=True)
    warned_days = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="The last warning that went out: days before automatic activation."
    )

    class Meta:
        ordering = ("installed_at",)
        constraints = (
            models.CheckConstraint(
                condition=Q(state="onboarding", activated_on=None)
                | Q(state="active", activated_on__isnull=False),
                name="active_contact_center_has_a_day",
            ),
            models.CheckConstraint(
                condition=~Q(edition="express") | Q(state="active"), name="express_has_no_onboarding"
            ),
        )
        indexes = (
            models.Index(
                fields=("installed_on",), condition=Q(state="onboarding"), name="contact_center_onboarding"
            ),
        )

    def __str__(self) -> str:
        return self.get_edition_display()

    @property
    def is_onboarding(self) -> bool:
        """Whether it is being set up, and not live yet."""
        return bool(self.state == OnboardingState.ONBOARDING)

    @transition(state, source=OnboardingState.ONBOARDING, target=OnboardingState.ACTIVE)
    def activate(self, on: date, at: datetime, by: str, reason: str, rule: str = "") -> None:
        """Go live, once and for good: there is no transition back (ONB-8)."""
        self.activated_on = on
        self.activated_at = at
        self.activated_by = by
        self.activation_reason = reason
        self.activation_rule = rule


class OnboardingNote(models.Model):
    """What the onboarding team writes down about a contact center, for itself."""

    contact_center = models.ForeignKey(ContactCenter, on_delete=models.CASCADE, related_name="notes")
    at = models.DateTimeField()
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    text = models.TextField(max_length=2000)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.text[:80]
