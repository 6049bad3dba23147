"""`manage.py simulate FILE…`: what a deal will really cost, month by month (SIM-1)."""

from __future__ import annotations

import argparse
import json
from datetime import date
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from billing.engine import BillingFault
from billing.simulate import as_json, as_table, simulate
from billing.stories import StoryError, read_file

MALFORMED = 2


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"“{text}” is not a date like 2026-01-31") from None


class Command(BaseCommand):
    help = "Play stories on scratch accounts and print the invoices that come out. Nothing is kept."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", help="a story, .toml or .json")
        parser.add_argument("--format", choices=("table", "json"), default="table")
        parser.add_argument(
            "--until", type=_date, help="play to the end of this day, whatever the story says"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        prepare_database()
        try:
            stories = [read_file(path, options["until"]) for path in options["files"]]
            outcomes = [simulate(story) for story in stories]
        except (StoryError, BillingFault) as error:
            raise CommandError(str(error), returncode=MALFORMED) from error
        if options["format"] == "table":
            self.stdout.write("\n\n".join(as_table(outcome) for outcome in outcomes))
            return
        indent = 2 if len(outcomes) == 1 else None
        for outcome in outcomes:
            self.stdout.write(json.dumps(as_json(outcome), indent=indent, ensure_ascii=False))


def prepare_database() -> None:
    """Bring an embedded database up to date, so that a story can be played before anything else was run.

    Raises CommandError where a server's database is behind: that is migrated by whoever runs it.
    """
    executor = MigrationExecutor(connection)
    if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return
    if connection.vendor != "sqlite":
        raise CommandError("The database is not up to date: run `manage.py migrate` first.")
    call_command("migrate", verbosity=0, interactive=False)
