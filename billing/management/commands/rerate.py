"""`manage.py rerate`: rates usage of an account anew that no invoice holds yet (USE-3)."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.models import Account
from accounts.trail import Actor
from billing.models import BillingSchedule
from billing.usage import rerate

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    """Rates an account's open usage anew."""

    help = (
        "Rate the usage of an account anew that no invoice holds yet, by the rates that are set now, each record by "
        "the rate of its own day (USE-3). For rates that were set after the usage came in. An account that was held "
        "because a rate was missing is then run again from the page of invoice runs. Exit status: 0 done or nothing "
        "to do, 2 bad input."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose usage, and from which day on."""
        parser.add_argument("account", help="The account's name in addresses, as harbor-dental.")
        parser.add_argument(
            "--from",
            dest="from_on",
            metavar="DATE",
            help="Usage of this day or later, as 2026-03-01; without it, all that is open.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Understand what was typed, and rate."""
        account = Account.objects.filter(slug=options["account"], is_simulation=False).first()
        if account is None:
            raise _bad(f"There is no account “{options['account']}”.")
        from_on = date.min if options["from_on"] is None else _day(options["from_on"])
        changed = rerate(account, from_on=from_on, actor=Actor.for_command("rerate"), at=timezone.now())
        self.stdout.write(f"Rated anew: {changed:,} {'record' if changed == 1 else 'records'}.")
        if BillingSchedule.objects.filter(account=account, held_at__isnull=False).exists():
            self.stdout.write(f"{account} is held: run it again from the page of invoice runs.")


def _day(text: str | date) -> date:
    try:
        return text if isinstance(text, date) else date.fromisoformat(text)
    except ValueError:
        raise _bad(f"“{text}” is not a date. Write it as 2026-03-01.") from None


def _bad(message: str) -> CommandError:
    return CommandError(f"{message} Nothing was changed.", returncode=2)
