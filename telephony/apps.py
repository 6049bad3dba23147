"""The app's entry in Django."""

from importlib import import_module

from django.apps import AppConfig


class TelephonyConfig(AppConfig):
    """Numbers and the services they are assigned to."""

    name = "telephony"
    label = "telephony"

    def ready(self) -> None:
        """Tell billing what follows when a licence is taken (NUM-8), what is due by itself, its mail and its events."""
        from billing.licences import when_taken
        from billing.preview import register_forecast
        from billing.triggers import register_trigger
        from telephony.contact_center import when_moved
        from telephony.end_users import park_numbers
        from telephony.mail import announce
        from telephony.onboarding import activate_due, activation_ahead
        from telephony.porting import port_due

        when_taken(park_numbers)
        register_trigger(activate_due)
        register_trigger(port_due)
        register_forecast(activation_ahead)
        when_moved(announce)
        import_module("telephony.orders")
        import_module("telephony.stories")
