"""What a bank's file says: one line for each transfer that came in, and what has become of it."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q
from django_fsm import FSMField, transition

from accounts.models import Account
from billing.models.payments import Payment


class BankFile(models.Model):
    """A file of a bank that has been taken in. Written by `billing.payments.banking` alone."""

    name = models.CharField(max_length=120)
    taken_at = models.DateTimeField()
    taken_by = models.CharField(max_length=120)
    rows = models.PositiveIntegerField(help_text="Lines of the file, without the one that names the columns.")
    known = models.PositiveIntegerField(default=0, help_text="Lines that an earlier file had brought.")
    refused = models.JSONField(
        default=list, help_text="What could not be read: line, field, reason, and the line as it came."
    )

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.name


class BankLineState(models.TextChoices):
    """Where a line of a bank's file is in its life."""

    MATCHED = "matched", "To be booked"
    BOOKED = "booked", "Booked"
    WAITING = "waiting", "Unmatched"
    DISMISSED = "dismissed", "Dismissed"


class BankLine(models.Model):
    """A transfer that a bank's file tells of, known by the bank's own id: it counts once, in however many files.

    `account` is whose it is taken to be, None while nobody knows; `why` says by what, or why nobody does.
    """

    file = models.ForeignKey(BankFile, on_delete=models.PROTECT, related_name="lines")
    line = models.PositiveIntegerField(
        help_text="Its place in the file; the line that names the columns is 1."
    )
    key = models.CharField(max_length=80, unique=True, help_text="The bank's own id of the transfer.")
    on = models.DateField()
    amount = models.DecimalField(max_digits=18, decimal_places=4)
    currency = models.CharField(max_length=3)
    payer = models.CharField(max_length=140, blank=True)
    text = models.CharField(max_length=300, blank=True)
    state = FSMField(default=BankLineState.WAITING, choices=BankLineState.choices, protected=True)
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, null=True, blank=True, related_name="bank_lines"
    )
    why = models.CharField(max_length=300, blank=True)
    payment = models.OneToOneField(
        Payment, on_delete=models.PROTECT, null=True, blank=True, related_name="bank_line"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering = ("-on", "-id")
        constraints = (
            models.CheckConstraint(condition=Q(amount__gt=0), name="bank_line_above_zero"),
            models.CheckConstraint(
                condition=~Q(state="booked") | Q(payment__isnull=False, account__isnull=False),
                name="booked_line_has_a_payment",
            ),
        )
        indexes = (
            models.Index(fields=("state", "-on", "-id"), name="bank_line_by_state"),
            models.Index(fields=("file", "line"), name="bank_line_by_file"),
        )

    def __str__(self) -> str:
        return self.key

    @transition(state, source=BankLineState.WAITING, target=BankLineState.MATCHED)
    def match(self, account: Account, why: str) -> None:
        """It is that account's, for a reason in words."""
        self.account, self.why = account, why[:300]

    @transition(state, source=(BankLineState.MATCHED, BankLineState.WAITING), target=BankLineState.BOOKED)
    def book(self, account: Account, payment: Payment, by: str, at: datetime) -> None:
        """Its money has come in, for that account."""
        self.account, self.payment = account, payment
        self.decided_by, self.decided_at = by[:120], at

    @transition(state, source=BankLineState.MATCHED, target=BankLineState.WAITING)
    def set_aside(self, why: str) -> None:
        """What it was matched with is no longer so: a person decides."""
        self.account, self.why = None, why[:300]

    @transition(state, source=BankLineState.WAITING, target=BankLineState.DISMISSED)
    def dismiss(self, why: str, by: str, at: datetime) -> None:
        """It is no payment of an account's, for a reason in words."""
        self.why = why[:300]
        self.decided_by, self.decided_at = by[:120], at

    @transition(state, source=BankLineState.DISMISSED, target=BankLineState.WAITING)
    def take_up(self, by: str, at: datetime) -> None:
        """It waits for a person once more."""
        self.why = f"Dismissed before: {self.why}"[:300]
        self.decided_by, self.decided_at = by[:120], at
