"""The app's entry in Django."""

from django.apps import AppConfig


class HardwareConfig(AppConfig):
    """Hardware orders, shipments, devices."""

    name = "hardware"
    label = "hardware"
