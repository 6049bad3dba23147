"""The app's entry in Django."""

from importlib import import_module

from django.apps import AppConfig


class HardwareConfig(AppConfig):
    """Hardware orders, shipments, devices."""

    name = "hardware"
    label = "hardware"

    def ready(self) -> None:
        """Tell billing who provides hardware, accounts and telephony who has it, and the simulator its events."""
        import_module("hardware.shipments")
        import_module("hardware.devices")
        import_module("hardware.presence")
        import_module("hardware.stories")
