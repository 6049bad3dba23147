"""Numbers, the services they are assigned to, who held them when, and each brand's inventory."""

from __future__ import annotations

from datetime import date

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django_fsm import FSMField, transition

from accounts.models import Account, Brand, EndUser

E164 = RegexValidator(r"^\+[1-9]\d{4,14}$", "Use the international form, like +12125550100.")


class ServiceKind(models.TextChoices):
    """What a number can be assigned to, beside an end user."""

    RESOURCE_LINE = "resource-line", "Resource line"
    FAX_LINE = "fax-line", "Fax line"
    WEBFAX = "webfax", "Webfax"
    AUTO_ATTENDANT = "auto-attendant", "Auto attendant"
    HUNT_GROUP = "hunt-group", "Hunt group"
    CONTACT_CENTER = "contact-center", "Contact center"


# These work without a number of their own, so none of their numbers is included (NUM-4).
NEEDS_NO_NUMBER = frozenset({ServiceKind.HUNT_GROUP, ServiceKind.CONTACT_CENTER})


class Service(models.Model):
    """A resource line, fax line, webfax, auto attendant, hunt group or contact center."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="services")
    kind = models.CharField(max_length=16, choices=ServiceKind.choices)
    name = models.CharField(max_length=80)
    extension = models.CharField(
        max_length=8, blank=True, validators=[RegexValidator(r"^\d*$", "Use digits only.")]
    )
    added_on = models.DateField()
    removed_on = models.DateField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("name", "pk")
        constraints = (
            models.UniqueConstraint(
                fields=("account", "kind", "name"),
                condition=Q(removed_on=None),
                name="one_service_a_name",
                violation_error_message="A service of this kind and name is there already.",
            ),
            models.UniqueConstraint(
                fields=("account",),
                condition=Q(removed_on=None, kind="contact-center"),
                name="one_contact_center",
            ),
        )
        indexes = (models.Index(fields=("account", "name", "id"), name="service_by_name"),)

    def __str__(self) -> str:
        return self.name

    @property
    def needs_a_number(self) -> bool:
        """Whether its first number is included at no charge (NUM-3)."""
        return self.kind not in NEEDS_NO_NUMBER


class NumberKind(models.TextChoices):
    """Kinds of numbers; the kind follows from the number itself (NUM-1)."""

    LOCAL = "local", "Local"
    TOLL_FREE = "toll-free", "Toll-free"


class NumberState(models.TextChoices):
    """Where a number is (NUM-2)."""

    PARKED = "parked", "Parked"
    ASSIGNED = "assigned", "Assigned"
    RELEASED = "released", "Released"


class Number(models.Model):
    """A phone number of an account, in E.164: parked, or assigned to exactly one holder.

    `space` keeps the numbers of simulated accounts apart from those that ring: it is empty for the
    latter. `holding` is the row of the history that is open now; a holder's numbers are in the order
    of their holdings.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="numbers")
    e164 = models.CharField("number", max_length=16, validators=[E164])
    kind = models.CharField(max_length=10, choices=NumberKind.choices)
    country = models.CharField(max_length=2)
    region = models.CharField(max_length=40, blank=True)
    space = models.CharField(max_length=24, blank=True, editable=False)
    state = FSMField(default=NumberState.PARKED, choices=NumberState.choices, protected=True)
    end_user = models.ForeignKey(
        EndUser, on_delete=models.PROTECT, null=True, blank=True, related_name="numbers"
    )
    service = models.ForeignKey(
        Service, on_delete=models.PROTECT, null=True, blank=True, related_name="numbers"
    )
    holding = models.OneToOneField(
        "NumberHolding", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    added_on = models.DateField()
    parked_on = models.DateField(null=True, blank=True)
    assigned_on = models.DateField(null=True, blank=True)
    released_on = models.DateField(null=True, blank=True)

    class Meta:
        ordering = ("e164", "pk")
        constraints = (
            models.UniqueConstraint(
                fields=("e164", "space"),
                condition=~Q(state="released"),
                name="live_number_once",
            ),
            models.CheckConstraint(
                condition=Q(state="assigned", end_user__isnull=False, service=None)
                | Q(state="assigned", end_user=None, service__isnull=False)
                | Q(state__in=("parked", "released"), end_user=None, service=None),
                name="number_has_one_holder",
            ),
        )
        indexes = (models.Index(fields=("account", "e164", "id"), name="number_by_account"),)

    def __str__(self) -> str:
        return self.e164

    @property
    def holder(self) -> EndUser | Service | None:
        """The end user or service it is assigned to, or None while it is parked or released."""
        return self.end_user or self.service

    @transition(
        state,
        source=(NumberState.PARKED, NumberState.ASSIGNED),
        target=NumberState.ASSIGNED,
    )
    def assign(self, to: EndUser | Service, on: date) -> None:
        """Give it to a holder; it is active from here (NUM-2)."""
        self.end_user = to if isinstance(to, EndUser) else None
        self.service = to if isinstance(to, Service) else None
        self.assigned_on = on
        self.parked_on = None

    @transition(state, source=NumberState.ASSIGNED, target=NumberState.PARKED)
    def park(self, on: date) -> None:
        """Take it from its holder and keep it."""
        self.end_user = None
        self.service = None
        self.assigned_on = None
        self.parked_on = on

    @transition(state, source=(NumberState.PARKED, NumberState.ASSIGNED), target=NumberState.RELEASED)
    def release(self, on: date) -> None:
        """Give it up for good."""
        self.end_user = None
        self.service = None
        self.assigned_on = None
        self.parked_on = None
        self.released_on = on


class NumberHolding(models.Model):
    """Who held a number from when to when; without a holder it was parked (NUM-2)."""

    id = models.BigAutoField(primary_key=True)
    number = models.ForeignKey(Number, on_delete=models.CASCADE, related_name="holdings")
    end_user = models.ForeignKey(
        EndUser, on_delete=models.PROTECT, null=True, blank=True, related_name="number_holdings"
    )
    service = models.ForeignKey(
        Service, on_delete=models.PROTECT, null=True, blank=True, related_name="number_holdings"
    )
    holder = models.CharField(max_length=120, help_text="In words of its day.")
    from_at = models.DateTimeField()
    to_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.number}: {self.holder}"


class InventoryNumber(models.Model):
    """A number that a brand has on its shelf, to be picked by area code (NUM-1)."""

    brand = models.ForeignKey(Brand, on_delete=models.CASCADE, related_name="inventory")
    e164 = models.CharField("number", max_length=16, unique=True, validators=[E164])
    area_code = models.CharField(max_length=6)
    kind = models.CharField(max_length=10, choices=NumberKind.choices)
    region = models.CharField(max_length=40, blank=True)
    taken_by = models.ForeignKey(Account, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ("e164",)
        indexes = (
            models.Index(
                fields=("brand", "area_code", "e164"),
                condition=Q(taken_by=None),
                name="inventory_free",
            ),
        )

    def __str__(self) -> str:
        return self.e164
