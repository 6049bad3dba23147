"""``manage.py demo``: two brands and fourteen accounts with four months behind them, to try the panel with."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.models import Account
from controlpanel.demo import cast
from controlpanel.demo.loader import load
from controlpanel.demo.sign_ins import is_loaded, sign_ins

REFUSED = 2


class Command(BaseCommand):
    """Loads the demo into an empty database, and says who can sign in to it."""

    help = (
        "Load the demo: two brands, fourteen accounts, four months of invoices up to this moment. All of its "
        "people sign in with one password that everybody knows, so it is refused with PRODUCTION=1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What can be asked for."""
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument(
            "--ensure",
            action="store_true",
            help="load it if the database has no account, and print the sign-ins",
        )
        what.add_argument("--sign-ins", action="store_true", help="only print who can sign in")

    def handle(self, *args: Any, **options: Any) -> None:
        """Load where that is asked for and due, and print the sign-ins where the demo is there."""
        if settings.PRODUCTION:
            raise CommandError(
                "The demo's password is known to everybody, so it is not loaded with PRODUCTION=1. "
                "Nothing was changed.",
                returncode=REFUSED,
            )
        if options["ensure"] and not Account.objects.exists():
            load(timezone.now())
        if not is_loaded():
            self.stdout.write("This database has no demo in it.")
            return
        rows = sign_ins()
        width = max(len(row.email) for row in rows)
        self.stdout.write(f"Demo sign-ins. The password of all: {cast.KNOWN_TO_ALL}\n")
        for row in rows:
            self.stdout.write(f"  {row.email:<{width}}  {row.what}")
