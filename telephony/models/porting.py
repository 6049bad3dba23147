"""Requests to bring numbers along from another carrier, or to take them there."""

from __future__ import annotations

from datetime import date

from django.db import models
from django.db.models import Q
from django_fsm import FSMField, transition

from accounts.models import Account
from telephony.models.numbers import E164


class PortDirection(models.TextChoices):
    """Which way the numbers go."""

    IN = "in", "Port-in"
    OUT = "out", "Port-out"


class PortState(models.TextChoices):
    """Where a request is in its life."""

    DRAFT = "draft", "Draft"
    SUBMITTED = "submitted", "Submitted"
    CONFIRMED = "confirmed", "Confirmed"
    DONE = "done", "Done"
    REJECTED = "rejected", "Rejected"
    CANCELLED = "cancelled", "Cancelled"


OPEN_STATES = (PortState.DRAFT, PortState.SUBMITTED, PortState.CONFIRMED)


class PortRequest(models.Model):
    """Numbers that change carriers together. On the day it is confirmed for they move, and billing with them."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="port_requests")
    direction = models.CharField(max_length=3, choices=PortDirection.choices)
    state = FSMField(default=PortState.DRAFT, choices=PortState.choices, protected=True)
    carrier = models.CharField(max_length=80, help_text="The other carrier: where from, or where to.")
    carrier_account = models.CharField(
        "account number there", max_length=40, blank=True, help_text="As the other carrier's bill has it."
    )
    authorised_by = models.CharField(
        max_length=120, help_text="Who may speak for the numbers, as the other carrier knows them."
    )
    wanted_on = models.DateField(null=True, blank=True, help_text="The day that the customer asks for.")
    confirmed_for = models.DateField(null=True, blank=True)
    done_on = models.DateField(null=True, blank=True)
    reason = models.CharField(max_length=300, blank=True, help_text="Why it was rejected.")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=120)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=~Q(state__in=("confirmed", "done")) | Q(confirmed_for__isnull=False),
                name="confirmed_port_has_its_day",
            ),
            models.CheckConstraint(
                condition=~Q(state="rejected") | ~Q(reason=""), name="rejected_port_says_why"
            ),
        )
        indexes = (
            models.Index(fields=("account", "-id"), name="port_by_account"),
            models.Index(fields=("confirmed_for",), condition=Q(state="confirmed"), name="port_due"),
        )

    def __str__(self) -> str:
        return f"{self.get_direction_display()} {self.pk}"

    @property
    def is_open(self) -> bool:
        """Whether something is still to come of it."""
        return self.state in OPEN_STATES

    @transition(state, source=PortState.DRAFT, target=PortState.SUBMITTED)
    def submit(self) -> None:
        """The provider has it."""

    @transition(state, source=(PortState.SUBMITTED, PortState.CONFIRMED), target=PortState.CONFIRMED)
    def confirm(self, on: date) -> None:
        """The other carrier has agreed to a day, or to another one."""
        self.confirmed_for = on

    @transition(state, source=PortState.CONFIRMED, target=PortState.DONE)
    def finish(self, on: date) -> None:
        """The numbers have moved."""
        self.done_on = on

    @transition(state, source=(PortState.SUBMITTED, PortState.CONFIRMED), target=PortState.REJECTED)
    def reject(self, reason: str) -> None:
        """The other carrier, or the panel, would not have it."""
        self.reason = reason

    @transition(
        state, source=(PortState.DRAFT, PortState.SUBMITTED, PortState.CONFIRMED), target=PortState.CANCELLED
    )
    def cancel(self) -> None:
        """Whoever asked for it took it back."""


class PortNumber(models.Model):
    """One number of a request."""

    request = models.ForeignKey(PortRequest, on_delete=models.CASCADE, related_name="numbers")
    e164 = models.CharField("number", max_length=16, validators=[E164])

    class Meta:
        ordering = ("e164",)
        constraints = (models.UniqueConstraint(fields=("request", "e164"), name="one_number_of_a_port_once"),)
        indexes = (models.Index(fields=("e164",), name="port_by_number"),)

    def __str__(self) -> str:
        return self.e164
