"""`manage.py simulate FILE…`: what a deal will really cost, month by month (SIM-1)."""

from __future__ import annotations

import argparse
import json
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.scratch import scratch_database
from billing.simulate import Outcome, as_json, as_table, simulate
from billing.stories import Story, StoryError, read_file

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
        try:
            with scratch_database():
                stories = [read_file(path, options["until"]) for path in options["files"]]
                outcomes = [
                    _played(path, story) for path, story in zip(options["files"], stories, strict=True)
                ]
        except StoryError as error:
            raise CommandError(str(error), returncode=MALFORMED) from error
        if options["format"] == "table":
            self.stdout.write("\n\n".join(as_table(outcome) for outcome in outcomes))
            return
        indent = 2 if len(outcomes) == 1 else None
        for outcome in outcomes:
            self.stdout.write(json.dumps(as_json(outcome), indent=indent, ensure_ascii=False))


def _played(path: str, story: Story) -> Outcome:
    try:
        return simulate(story)
    except StoryError as error:
        raise StoryError(f"{path}: {error}") from error
