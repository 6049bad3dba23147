"""Shipments of ordered hardware, and the devices that its units become."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from accounts.models import Account
from billing.models import Charge, Order, OrderLine, Product

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


class Device(models.Model):
    """A unit that has shipped: model, MAC, serial (ORD-6). A MAC is one device's, whatever the account."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="devices")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="devices")
    units = models.ForeignKey(
        ShippedUnits, on_delete=models.PROTECT, null=True, blank=True, related_name="devices"
    )
    mac = models.CharField("MAC", max_length=17, validators=[MAC], unique=True)
    serial = models.CharField(max_length=40, blank=True)
    added_on = models.DateField()

    class Meta:
        ordering = ("mac",)

    def __str__(self) -> str:
        return f"{self.product} {self.mac}"
