"""`manage.py bill --on DATE`: what beat and the workers do, by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from accounts.models import Account
from accounts.trail import Actor
from billing.engine import minor_unit
from billing.gather import decimals_of
from billing.invoicing import bill_due, due, start_run
from billing.models import InvoiceRun
from billing.triggers import begin_due_charges

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

SHOWN_FAILURES = 20
# An invoice a month for every account: a slip of the year would go on for hours.
MOST_AHEAD = timedelta(days=3653)


class Command(BaseCommand):
    """Bills every BDOM up to and with a day, each account by its own calendar and time zone."""

    help = (
        "Make the billing triggers and the invoice run of a day by hand, and what was missed before it: every "
        "BDOM up to and with --on, in each account's own time zone, and none after it (BIL-7, BIL-8). "
        "Doing it again changes nothing. Exit status: 0 all billed, 1 accounts were set aside, 2 bad input."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """What can be asked for."""
        parser.add_argument(
            "--on", required=True, metavar="DATE", help="The last BDOM to bill, as 2026-02-15."
        )
        parser.add_argument("--account", metavar="SLUG", help="This account alone, by its name in addresses.")
        parser.add_argument(
            "--ahead",
            action="store_true",
            help="Also bill BDOMs that have not begun yet. What is recorded between now and then is on the "
            "invoice after (BIL-7), so this is for trying things out.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Bill, show how it goes, and say what came of it."""
        at = timezone.now()
        until = _day(options["on"])
        account = _account(options["account"])
        is_ahead = options["ahead"]
        # Today may have begun in some time zones and not in others; those are left for their midnight.
        newest = (at + timedelta(hours=14)).date() if account is None else account.local_date(at)
        if until > newest and not is_ahead:
            where = "anywhere" if account is None else f"in {account.timezone}"
            raise CommandError(
                f"{until} has not begun {where}, and an invoice is made at the start of its day (BIL-7). "
                "Nothing was billed. Add --ahead to bill before the day.",
                returncode=2,
            )
        if until > newest + MOST_AHEAD:
            raise CommandError(f"{until} is more than ten years ahead. Nothing was billed.", returncode=2)
        # No time zone is more than 12 hours behind UTC: by then the day has begun everywhere.
        begun = datetime.combine(until, time(12), tzinfo=UTC)
        as_of = max(at, begun) if is_ahead else at
        moved = begin_due_charges(as_of, only=account, until=until)
        run = start_run(
            as_of,
            trigger=InvoiceRun.Trigger.COMMAND,
            by=Actor.for_command("bill").label,
            at=at,
            until=until,
            only=account,
        )
        _bill(run, at, Console(stderr=True))
        run.refresh_from_db()
        for line in _report(run, moved):
            self.stdout.write(line)
        if run.failures:
            raise CommandError(
                f"Accounts set aside: {run.failures:,}. Mend what is missing, then run them again from the run's page.",
                returncode=1,
            )


def _day(text: str | date) -> date:
    try:
        return text if isinstance(text, date) else date.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"“{text}” is not a date. Write it as 2026-02-15.", returncode=2) from error


def _account(slug: str | None) -> Account | None:
    if slug is None:
        return None
    account = Account.objects.filter(slug=slug, is_simulation=False).first()
    if account is None:
        raise CommandError(f"There is no account “{slug}”.", returncode=2)
    return account


def _bill(run: InvoiceRun, at: datetime, console: Console) -> None:
    """Bill with a bar that fills; an account that is months behind counts once a month."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("Accounts", total=due(run).count())

        def done(accounts: int) -> None:
            left = due(run).count()
            progress.advance(bar, accounts)
            progress.update(bar, total=progress.tasks[0].completed + left)

        bill_due(run, at=at, progress=done, clock=timezone.now)


def _report(run: InvoiceRun, moved: int) -> Iterator[str]:
    """What came of the run, line by line."""
    yield (
        f"Run {run.pk}: invoices {run.invoices:,}, lines {run.lines:,}, BDOMs dealt with {run.accounts:,}, "
        f"charges moved {moved:,}, accounts set aside {run.failures:,}"
    )
    for total in run.totals.all():
        yield f"Total {total.currency} {_rounded(total.amount, total.currency):,}"
    failures = run.failed.select_related("account").order_by("pk")
    for failure in failures[:SHOWN_FAILURES]:
        yield f"Set aside: {failure.account.slug}, BDOM {failure.bdom_on}: {failure.reason}"
    if run.failures > SHOWN_FAILURES:
        yield f"… and {run.failures - SHOWN_FAILURES:,} more, on the run's page."


def _rounded(amount: Decimal, currency: str) -> Decimal:
    return amount.quantize(minor_unit(decimals_of(currency)))
