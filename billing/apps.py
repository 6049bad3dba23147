"""The app's entry in Django."""

from importlib import import_module

from django.apps import AppConfig


class BillingConfig(AppConfig):
    """What is owed: catalogue, charges, invoices."""

    name = "billing"
    label = "billing"

    def ready(self) -> None:
        """Let what is due on an account come before its actions (BIL-8), renewals of plans too, and play plans."""
        from billing.plans.renewals import renew_due
        from billing.triggers import register_trigger

        register_trigger(renew_due)
        import_module("billing.plans.stories")
