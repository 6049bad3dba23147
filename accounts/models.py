"""Brands, accounts, the people who sign in, the people who are served, and the audit trail."""

from __future__ import annotations

from datetime import date, datetime
from functools import cache
from typing import Any, ClassVar
from zoneinfo import ZoneInfo, available_timezones

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from moneyed import CURRENCIES

from accounts.addresses import Address, is_complete


@cache
def known_timezones() -> frozenset[str]:
    """The names of the time zone database, read once: it is a walk through some 600 files."""
    return frozenset(available_timezones())


def validate_timezone(name: str) -> None:
    """Refuse what the time zone database does not know."""
    if name not in known_timezones():
        raise ValidationError(f"“{name}” is not a time zone. Use a name like America/New_York.")


def validate_currency(code: str) -> None:
    """Refuse what is not an ISO 4217 code in upper case."""
    if code not in CURRENCIES:
        raise ValidationError(f"“{code}” is not a currency. Use a code like USD.")


def days_of(text: str) -> tuple[int, ...]:
    """The days in a text like 3, 10, 20. Raises ValueError where it is none."""
    return tuple(int(part) for part in text.split(",")) if text.strip() else ()


def validate_days(text: str) -> None:
    """Refuse what is no list of days that grow, from 1 to 365."""
    try:
        days = days_of(text)
    except ValueError:
        days = (0,)
    if any(not 1 <= day <= 365 for day in days) or list(days) != sorted(set(days)):
        raise ValidationError("Write days from 1 to 365, the smallest first, as 3, 10, 20.")


class Brand(models.Model):
    """Who runs the panel under its own name: look, contacts, invoice numbering, policies."""

    name = models.CharField(max_length=80, unique=True)
    slug = models.SlugField(max_length=40, unique=True)
    logo_text = models.CharField(max_length=40)
    accent = models.CharField(
        max_length=7,
        default="#1f5fd0",
        validators=[RegexValidator(r"^#[0-9a-fA-F]{6}$", "Use a colour like #1f5fd0.")],
        help_text="The brand's colour, as #rrggbb.",
    )
    support_name = models.CharField(max_length=80, default="Support")
    support_email = models.EmailField()
    support_phone = models.CharField(max_length=20, blank=True)
    onboarding_name = models.CharField(max_length=80, default="Onboarding team")
    onboarding_email = models.EmailField()
    onboarding_phone = models.CharField(max_length=20, blank=True)
    legal_name = models.CharField(max_length=120, help_text="The party that issues the invoices.")
    legal_address = models.TextField(blank=True)
    invoice_prefix = models.CharField(
        max_length=8,
        unique=True,
        validators=[RegexValidator(r"^[A-Z][A-Z0-9]*$", "Use capital letters and digits.")],
        help_text="Invoice numbers begin with it, for example CP in CP-000123.",
    )
    payment_days = models.PositiveSmallIntegerField(
        default=14, help_text="Days from the invoice's date to the day it is due."
    )
    toll_free_upgrade_in_onboarding = models.BooleanField(default=False)
    auto_activate_after_days = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Contact centers in onboarding go live by themselves at this age; empty: never.",
    )
    auto_activate_from = models.DateField(
        null=True,
        blank=True,
        editable=False,
        help_text="The day on which that was decided: nothing goes live for days before it.",
    )
    bank_details = models.TextField(
        blank=True, help_text="Where customers transfer money to. It is shown beside what they owe."
    )
    trial_days = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        default=14,
        validators=[MinValueValidator(1), MaxValueValidator(365)],
        help_text="How many days a plan can be tried for; empty: there are no trials.",
    )
    reminder_days = models.CharField(
        max_length=60,
        blank=True,
        default="3, 10, 20",
        validators=[validate_days],
        help_text="Days after an invoice was due on which a reminder is sent, as 3, 10, 20; empty: none is.",
    )
    suspend_after_days = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(365)],
        help_text="Days after an invoice was due from which the account is suspended; empty: never.",
    )

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Partner(models.Model):
    """An organisation that sells to accounts under a brand; its people sign in for it (ACC-2)."""

    brand = models.ForeignKey(
        Brand, on_delete=models.PROTECT, related_name="partners", help_text="The brand it sells under."
    )
    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=60, unique=True)
    email = models.EmailField("contact e-mail")
    is_active = models.BooleanField(
        default=True, help_text="Switched off, its people open none of the accounts it has access to."
    )

    class Meta:
        ordering = ("name", "pk")

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    """Makes users with a normalised address and a hashed (or unusable) password."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A user who can sign in with `password`, or not at all while it is None."""
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A user with every permission, for `manage.py createsuperuser`."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> User:
        """The user with this address, whatever the case it is typed in."""
        return self.get(email__iexact=username)


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in to the panel: customer admin, partner or staff."""

    email = models.EmailField(unique=True)
    full_name = models.CharField(max_length=120)
    is_staff = models.BooleanField(
        default=False, help_text="Works for the provider: onboarding, finance or support."
    )
    is_active = models.BooleanField(default=True)
    joined_at = models.DateTimeField(null=True, blank=True)
    partner = models.ForeignKey(
        Partner,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="people",
        help_text="The partner organisation that the person works for, if any. Staff work for none.",
    )

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["full_name"]

    class Meta:
        ordering = ("email",)
        constraints = (
            models.UniqueConstraint(
                Lower("email"),
                name="user_email_any_case",
                violation_error_message="A person with this e-mail address signs in already.",
            ),
            models.CheckConstraint(
                condition=Q(is_staff=False) | Q(partner=None),
                name="staff_work_for_no_partner",
                violation_error_message="A person is either staff or works for a partner, never both.",
            ),
        )

    def __str__(self) -> str:
        return self.full_name or self.email

    def get_short_name(self) -> str:
        """The name by which the panel greets the person."""
        return self.full_name.split(" ", 1)[0] or self.email


class Account(models.Model):
    """A customer company, the tenant: one BDOM, currency, time zone, language and brand."""

    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="accounts")
    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=60, unique=True)
    currency = models.CharField(max_length=3, default="USD", validators=[validate_currency])
    timezone = models.CharField(max_length=64, default="America/New_York", validators=[validate_timezone])
    language = models.CharField(max_length=10, default="en-us")
    bdom = models.PositiveSmallIntegerField(
        "billing day of the month",
        validators=[MinValueValidator(1), MaxValueValidator(31)],
        help_text="1 to 31; in a shorter month the last day (BIL-1).",
    )
    opened_on = models.DateField()
    extension_length = models.PositiveSmallIntegerField(
        default=4, validators=[MinValueValidator(2), MaxValueValidator(8)]
    )
    billing_name = models.CharField(max_length=120, blank=True)
    billing_address = models.TextField(blank=True)
    collects_by_card = models.BooleanField(
        default=True, help_text="Invoices are collected from the saved card on the day they are due."
    )
    suspended_on = models.DateField(
        null=True,
        blank=True,
        editable=False,
        help_text="Since when the panel can only be looked at, as invoices are overdue.",
    )
    suspended_because = models.CharField(
        max_length=200, blank=True, editable=False, help_text="Why it is suspended, as a sentence."
    )
    suspended_by_hand = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="Finance suspended it, so finance lifts it: a payment does not.",
    )
    dunning_held_until = models.DateField(
        null=True,
        blank=True,
        editable=False,
        help_text="Before this day no reminder is sent and nothing is suspended by itself.",
    )
    is_simulation = models.BooleanField(
        default=False,
        editable=False,
        help_text="A scratch account of the simulator: its numbers are a space of their own.",
    )

    class Meta:
        ordering = ("name", "pk")
        constraints = (
            models.CheckConstraint(condition=Q(bdom__gte=1) & Q(bdom__lte=31), name="account_bdom_1_to_31"),
            models.CheckConstraint(
                condition=Q(suspended_on=None, suspended_because="", suspended_by_hand=False)
                | (Q(suspended_on__isnull=False) & ~Q(suspended_because="")),
                name="account_suspended_for_a_reason",
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        """The account's time zone."""
        return ZoneInfo(self.timezone)

    def local_date(self, at: datetime) -> date:
        """The account's own date at the instant `at` (aware)."""
        if at.tzinfo is None:
            raise ValueError("an instant carries its time zone")
        return at.astimezone(self.zone).date()

    @property
    def is_suspended(self) -> bool:
        """Whether its members can look at the panel and pay, and change nothing else (INV-6)."""
        return self.suspended_on is not None


class Role(models.TextChoices):
    """What a member may do (ACC-1)."""

    OWNER = "owner", "Owner"
    ADMIN = "admin", "Admin"
    BILLING = "billing", "Billing"
    READ_ONLY = "read-only", "Read-only"


class Membership(models.Model):
    """A user's place in an account. A user may be a member of many (ACC-1)."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices)
    since = models.DateTimeField()

    class Meta:
        ordering = ("pk",)
        constraints = (models.UniqueConstraint(fields=("account", "user"), name="one_membership_a_user"),)

    def __str__(self) -> str:
        return f"{self.user}: {self.get_role_display()}"


class PartnerLevel(models.TextChoices):
    """What a partner's people may do in an account (ACC-2)."""

    FULL = "full", "Full administration"
    READ_ONLY = "read-only", "Read-only"


class PartnerAccess(models.Model):
    """A partner's place in an account. At most one of an account's is the first (ACC-2)."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="partner_accesses")
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="accesses")
    level = models.CharField(max_length=10, choices=PartnerLevel.choices)
    is_first = models.BooleanField(
        default=False, help_text="It came in when the account had no partner: its full administration stays."
    )
    since = models.DateTimeField(help_text="When it came in.")

    class Meta:
        verbose_name = "partner access"
        verbose_name_plural = "partner accesses"
        ordering = ("pk",)
        constraints = (
            models.UniqueConstraint(fields=("account", "partner"), name="one_access_a_partner"),
            models.UniqueConstraint(
                fields=("account",), condition=Q(is_first=True), name="one_first_partner_an_account"
            ),
            models.CheckConstraint(
                condition=Q(is_first=False) | Q(level="full"), name="first_partner_has_full_administration"
            ),
        )

    def __str__(self) -> str:
        return f"{self.partner}: {self.get_level_display()}"


class Location(models.Model):
    """A site of the account with its emergency (E911) address."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="locations")
    name = models.CharField(max_length=80)
    street = models.CharField(max_length=120, blank=True)
    city = models.CharField(max_length=80, blank=True)
    region = models.CharField(max_length=40, blank=True)
    postal_code = models.CharField(max_length=16, blank=True)
    country = models.CharField(max_length=2, default="US")

    class Meta:
        ordering = ("name", "pk")
        constraints = (models.UniqueConstraint(fields=("account", "name"), name="one_location_a_name"),)

    def __str__(self) -> str:
        return self.name

    @property
    def address(self) -> Address:
        """Its emergency address, as far as it is known."""
        return Address(self.street, self.city, self.region, self.postal_code, self.country)

    @property
    def is_complete(self) -> bool:
        """Whether the emergency address has all that its country needs."""
        return is_complete(self.address)


class EndUser(models.Model):
    """A person of the account who gets licences, numbers and devices."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="end_users")
    name = models.CharField(max_length=120)
    email = models.EmailField(blank=True)
    extension = models.CharField(
        max_length=8, blank=True, validators=[RegexValidator(r"^\d*$", "Use digits only.")]
    )
    department = models.CharField(max_length=80, blank=True)
    location = models.ForeignKey(
        Location, on_delete=models.SET_NULL, null=True, blank=True, related_name="end_users"
    )
    added_on = models.DateField()
    removed_on = models.DateField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("name", "pk")
        constraints = (
            models.UniqueConstraint(
                "account",
                Lower("email"),
                condition=Q(removed_on=None) & ~Q(email=""),
                name="one_end_user_an_email",
                violation_error_message="An end user with this e-mail address is there already.",
            ),
        )
        indexes = (models.Index(fields=("account", "name", "id"), name="end_user_by_name"),)

    def __str__(self) -> str:
        return self.name


class ExtensionClaim(models.Model):
    """One extension of an account and who has it: end users and services share the numbers (NUM-6)."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="extensions")
    extension = models.CharField(max_length=8)
    holder = models.CharField(max_length=40, help_text="Whose it is, as kind:id.")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("account", "extension"), name="one_holder_an_extension"),
            models.UniqueConstraint(fields=("account", "holder"), name="one_extension_a_holder"),
        )

    def __str__(self) -> str:
        return self.extension


class AuditEntry(models.Model):
    """One change: who, when, from where, what, before and after. Append-only (ACC-5)."""

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, null=True, blank=True, related_name="audit_entries"
    )
    at = models.DateTimeField()
    user = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="audit_entries"
    )
    by = models.CharField(max_length=120, help_text="The person's address, or the task's name.")
    is_task = models.BooleanField(default=False)
    address = models.GenericIPAddressField(null=True, blank=True)
    action = models.CharField(max_length=60, help_text="Verb and noun, as assign-number.")
    target_kind = models.CharField(max_length=30)
    target_id = models.CharField(max_length=40, blank=True)
    target = models.CharField(max_length=160, help_text="What was changed, in words of its day.")
    summary = models.CharField(max_length=300)
    before = models.JSONField(default=dict, blank=True)
    after = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name_plural = "audit entries"
        ordering = ("-id",)
        indexes = (models.Index(fields=("account", "-id"), name="audit_by_account"),)

    def __str__(self) -> str:
        return self.summary

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Write a new entry; one that is there already never changes."""
        if not self._state.adding:
            raise TypeError("the audit trail is append-only (ACC-5)")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Refuse: the audit trail is append-only."""
        raise TypeError("the audit trail is append-only (ACC-5)")


class OutgoingMail(models.Model):
    """A message to one person, written with the change that it tells of, and sent from here.

    `next_try_at` is None once it was sent, and once it was given up. Times are instants.
    """

    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, null=True, blank=True, related_name="outgoing_mail"
    )
    brand = models.ForeignKey(
        Brand,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="outgoing_mail",
        help_text="The sender, where there is no account yet.",
    )
    kind = models.CharField(max_length=40)
    to = models.EmailField()
    subject = models.CharField(max_length=200)
    text = models.TextField()
    html = models.TextField()
    attachment_name = models.CharField(max_length=80, blank=True)
    attachment = models.BinaryField(null=True, blank=True, help_text="A PDF.")
    language = models.CharField(max_length=10)
    created_at = models.DateTimeField()
    next_try_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    failed_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name_plural = "outgoing mail"
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(sent_at=None) | Q(next_try_at=None), name="sent_mail_is_not_tried_again"
            ),
            models.CheckConstraint(
                condition=Q(account__isnull=False, brand=None) | Q(account=None, brand__isnull=False),
                name="mail_is_of_an_account_or_a_brand",
            ),
        )
        indexes = (
            models.Index(
                fields=("next_try_at",), condition=Q(next_try_at__isnull=False), name="mail_to_be_sent"
            ),
        )

    def __str__(self) -> str:
        return self.subject

    @property
    def sender(self) -> Brand:
        """Under whose name it is sent."""
        brand = self.account.brand if self.account is not None else self.brand
        if brand is None:
            raise ValueError("mail is of an account or of a brand")
        return brand

    @property
    def is_given_up(self) -> bool:
        """Whether it was tried so often that nobody tries any more."""
        return self.sent_at is None and self.next_try_at is None
