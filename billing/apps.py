"""The app's entry in Django."""

from importlib import import_module

from django.apps import AppConfig


class BillingConfig(AppConfig):
    """What is owed: catalogue, charges, invoices."""

    name = "billing"
    label = "billing"

    def ready(self) -> None:
        """Let what is due on an account come before its actions (BIL-8), renewals of plans too, and play plans.

        Say to the books and to collections what follows from money that comes in or stays away (INV-6).
        """
        from billing.dunning.suspending import lift_if_paid
        from billing.dunning.telling import tell_declined, tell_received
        from billing.payments.collecting import when_declined
        from billing.payments.settling import when_credit_comes, when_received
        from billing.plans.orders import pay_by_transfer
        from billing.plans.renewals import renew_due
        from billing.triggers import register_trigger

        register_trigger(renew_due)
        when_credit_comes(pay_by_transfer)
        when_credit_comes(lift_if_paid)
        when_received(tell_received)
        when_declined(tell_declined)
        import_module("billing.plans.stories")
        import_module("billing.checks")
