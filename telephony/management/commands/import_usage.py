"""`manage.py import_usage FILE…`: what an upload does, by hand."""

from __future__ import annotations

import filecmp
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from accounts.trail import Actor
from billing.models import UsageImport
from telephony.usage_import import receive_file, report_lines, run_import, unfinished

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

SHOWN_FAULTS = 20


class Command(BaseCommand):
    """Imports files of call records and other usage, each as an import of its own."""

    help = (
        "Import files of call records and other usage, CSV as /help/usage/ has it (USE-1). Doing it again changes "
        "nothing, and an import that was cut short goes on where it was. Exit status: 0 all lines taken, "
        "1 lines were refused, 2 a file was."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """What can be asked for."""
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="CSV files, one or several.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import file after file, show how it goes, and say what came of each."""
        console = Console(stderr=True)
        files: list[Path] = options["files"]
        done = [self._import(path, console) for path in files]
        failed = sum(found is None or found.state != UsageImport.State.FINISHED for found in done)
        refused = sum(found.refused for found in done if found is not None)
        if failed:
            raise CommandError(f"Files not imported: {failed:,} of {len(files):,}.", returncode=2)
        if refused:
            raise CommandError(
                f"Lines refused: {refused:,}. Put them right and import the file again: what was taken is known.",
                returncode=1,
            )

    def _import(self, path: Path, console: Console) -> UsageImport | None:
        """Import one file; None where there is none to read."""
        actor = Actor.for_command("import_usage")
        try:
            found = _begun(path) or receive_file(
                path.name, path, source=UsageImport.Source.COMMAND, actor=actor, at=timezone.now()
            )
        except OSError as error:
            self.stdout.write(f"{path}: {error.strerror}")
            return None
        found = _shown(found, actor, console)
        if found.state in (UsageImport.State.WAITING, UsageImport.State.RUNNING):
            self.stdout.write(f"{path}: another process is importing it now.")
            return None
        for line in report_lines(found, most=SHOWN_FAULTS):
            self.stdout.write(line)
        return found


def _begun(path: Path) -> UsageImport | None:
    """The import of the very same file that was cut short, to go on with."""
    for found in unfinished().filter(source=UsageImport.Source.COMMAND, name=path.name):
        kept = Path(found.path)
        if kept.is_file() and filecmp.cmp(kept, path, shallow=False):
            return found
    return None


def _shown(found: UsageImport, actor: Actor, console: Console) -> UsageImport:
    """Import, with a bar that fills where there is a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[lines]:,} lines"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task(found.name, total=found.size, completed=found.bytes_done, lines=0)

        def done(now: UsageImport) -> None:
            progress.update(bar, completed=now.bytes_done, lines=now.lines_done)

        return run_import(found, actor=actor, clock=timezone.now, progress=done)
