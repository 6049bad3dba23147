"""Shipments of ordered hardware, and the devices that its units become."""

from __future__ import annotations

import secrets

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from accounts.models import Account, Brand, EndUser, Location
from billing.models import Charge, Order, OrderLine, Product
from telephony.models import Service

# What a device's secret is made with, beside the panel's own key (see `hardware.provisioning`).
SALT_BYTES = 12

MAC = RegexValidator(r"^([0-9A-F]{2}:){5}[0-9A-F]{2}$", "A MAC address is like 00:15:65:A1:B2:C3.")


class Shipment(models.Model):
    """What left for a customer on one day in one parcel; parts of an order ship separately (ORD-5)."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="shipments")
    shipped_on = models.DateField(help_text="The account's own date of its recording.")
    recorded_at = models.DateTimeField()
    recorded_by = models.CharField(max_length=120)
    carrier = models.CharField(max_length=60, blank=True)
    tracking = models.CharField(max_length=80, blank=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"Shipment {self.pk} of {self.order}"


class Confirmation(models.Model):
    """How a customer confirmed an order in the panel: a basket once, and where its hardware goes (ORD-3)."""

    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="confirmations", db_index=False
    )
    basket = models.UUIDField(help_text="Told by the page, so that a basket that is sent twice is one order.")
    order = models.OneToOneField(Order, on_delete=models.PROTECT, related_name="confirmation")
    ship_to = models.CharField(max_length=400, blank=True, help_text="The address as it was then.")

    class Meta:
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=("account", "basket"), name="one_order_a_basket"),)

    def __str__(self) -> str:
        return f"Confirmation of {self.order}"


class ShippedUnits(models.Model):
    """Units of one line in a shipment, and the charge that they brought."""

    shipment = models.ForeignKey(Shipment, on_delete=models.PROTECT, related_name="units")
    line = models.ForeignKey(OrderLine, on_delete=models.PROTECT, related_name="shipped_units")
    quantity = models.PositiveIntegerField()
    charge = models.ForeignKey(Charge, on_delete=models.PROTECT, related_name="+")

    class Meta:
        verbose_name_plural = "shipped units"
        ordering = ("id",)
        constraints = (
            models.CheckConstraint(condition=Q(quantity__gte=1), name="shipped_units_have_a_quantity"),
        )

    def __str__(self) -> str:
        return f"{self.quantity} × {self.line.product_id}"


class PhoneFamily(models.TextChoices):
    """Whose phones a model belongs to, which decides how its configuration is written."""

    YEALINK = "yealink", "Yealink"
    POLY = "poly", "Poly"


class ProductFamily(models.Model):
    """Which family a product's phones are of. A product without one has no MAC and becomes no device (ORD-6)."""

    product = models.OneToOneField(Product, on_delete=models.CASCADE, related_name="phone_family")
    family = models.CharField(max_length=10, choices=PhoneFamily.choices)

    class Meta:
        verbose_name = "phone family"
        verbose_name_plural = "phone families"
        ordering = ("product__rank", "product")

    def __str__(self) -> str:
        return f"{self.product}: {self.get_family_display()}"


class SipServer(models.Model):
    """Where a brand's phones register; a brand without one uses the panel's (SIP_SERVER)."""

    brand = models.OneToOneField(Brand, on_delete=models.CASCADE, related_name="sip_server")
    host = models.CharField(
        max_length=120,
        validators=[RegexValidator(r"^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$", "Use a host name.")],
    )
    port = models.PositiveIntegerField(default=5061)

    class Meta:
        verbose_name = "SIP server"
        ordering = ("brand",)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def new_salt() -> str:
    """What makes a device's secret its own."""
    return secrets.token_hex(SALT_BYTES)


class Device(models.Model):
    """A unit that has shipped: model, MAC, serial (ORD-6). A MAC is one device's at a time, whatever the account.

    It is with one end user or one service, at an emergency location that somebody has acknowledged, or with
    nobody. Whether it is active follows from three instants, and nowhere is it written (`hardware.facts`).
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="devices")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="devices")
    units = models.ForeignKey(
        ShippedUnits, on_delete=models.PROTECT, null=True, blank=True, related_name="devices"
    )
    mac = models.CharField("MAC", max_length=17, validators=[MAC])
    serial = models.CharField(max_length=40, blank=True)
    added_on = models.DateField()
    retired_on = models.DateField(null=True, blank=True)

    end_user = models.ForeignKey(
        EndUser, on_delete=models.PROTECT, null=True, blank=True, related_name="devices"
    )
    service = models.ForeignKey(
        Service, on_delete=models.PROTECT, null=True, blank=True, related_name="devices"
    )
    assigned_at = models.DateTimeField(null=True, blank=True)
    connected_at = models.DateTimeField(null=True, blank=True, help_text="Its last check-in.")
    rebooted_at = models.DateTimeField(null=True, blank=True, help_text="Its last check-in after starting.")

    location = models.ForeignKey(
        Location, on_delete=models.PROTECT, null=True, blank=True, related_name="devices"
    )
    e911_address = models.CharField(
        "emergency address", max_length=300, blank=True, help_text="As it was acknowledged."
    )
    e911_acknowledged_at = models.DateTimeField("emergency location acknowledged at", null=True, blank=True)
    e911_acknowledged_by = models.CharField("emergency location acknowledged by", max_length=120, blank=True)

    salt = models.CharField(max_length=2 * SALT_BYTES, default=new_salt, editable=False)

    class Meta:
        ordering = ("mac",)
        constraints = (
            models.UniqueConstraint(fields=("mac",), condition=Q(retired_on=None), name="one_device_a_mac"),
            models.CheckConstraint(
                condition=Q(end_user=None, service=None, assigned_at=None, location=None)
                | Q(
                    Q(end_user=None, service__isnull=False) | Q(end_user__isnull=False, service=None),
                    assigned_at__isnull=False,
                    location__isnull=False,
                    e911_acknowledged_at__isnull=False,
                    retired_on=None,
                ),
                name="device_has_one_holder_at_a_location",
            ),
        )
        indexes = (models.Index(fields=("account", "mac"), name="device_by_account"),)

    def __str__(self) -> str:
        return f"{self.product} {self.mac}"

    @property
    def holder(self) -> EndUser | Service | None:
        """Who has it, or None while it is with nobody."""
        return self.end_user or self.service


class RefusedCheckIns(models.Model):
    """How many requests for a configuration were turned away on one day, counted up to a bound."""

    day = models.DateField(unique=True, help_text="In UTC.")
    unknown_mac = models.PositiveIntegerField("unknown MAC", default=0)
    wrong_secret = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name_plural = "refused check-ins"
        ordering = ("-day",)

    def __str__(self) -> str:
        return f"{self.day}: {self.unknown_mac} + {self.wrong_secret}"
