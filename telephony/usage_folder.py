"""Watches a folder for files of call records and other usage (USE-1).

A file is ready when it did not change between two looks; one named ``….part`` or beginning with a dot is
never. It is moved to ``taken`` under a name of its own, which claims it; imported from there; and moved to
``done`` or ``failed``, beside a report. Each step is found again by where the file lies: whatever dies
between two of them, the next look goes on, and a file that is looked at twice has one import.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import uuid4

from django.conf import settings

from accounts.trail import Actor
from billing.models import UsageImport
from telephony.usage_import import note_file, report_lines

WATCHER: Final = "telephony.tasks.look_for_usage"

_SEEN: Final = ".seen.json"
_SEPARATOR: Final = "~"
# In bytes: with what is put before it and after it, a file system takes 255.
_LONGEST_NAME: Final = 150


def look(at: datetime) -> None:
    """Look into the folder once: take what is ready, and put away what is imported."""
    folder: Path = settings.USAGE_FOLDER
    with _alone(folder) as is_alone:
        if not is_alone:
            return
        for path in _ready(folder):
            path.rename(_made(folder / "taken") / f"{uuid4()}{_SEPARATOR}{_kept_name(path.name)}")
        for path in sorted(_made(folder / "taken").iterdir()):
            _go_on(folder, path, at)


def _go_on(folder: Path, path: Path, at: datetime) -> None:
    """What comes next for a file that was taken: its import, or its place when that is over."""
    found = UsageImport.objects.filter(source=UsageImport.Source.FOLDER, path=str(path)).first()
    name = path.name.partition(_SEPARATOR)[2]
    if found is None:
        actor = Actor.for_task(WATCHER)
        note_file(name, path, source=UsageImport.Source.FOLDER, actor=actor, at=at)
    elif found.state in (UsageImport.State.FINISHED, UsageImport.State.FAILED):
        is_good = found.state == UsageImport.State.FINISHED
        place = _made(folder / ("done" if is_good else "failed"))
        # A file of this name may have been imported before; neither report is lost.
        kept = place / (f"{found.pk}-{name}" if (place / name).exists() else name)
        report = kept.with_name(f"{kept.name}.report.txt")
        report.write_text("\n".join(report_lines(found)) + "\n", encoding="utf-8")
        path.rename(kept)


def _kept_name(name: str) -> str:
    """A file's name, its end where it is long, as a file system and a database take it with more around it.

    One file that could not be taken would stop all those after it.
    """
    return os.fsencode(name).decode(errors="replace").encode()[-_LONGEST_NAME:].decode(errors="ignore")


def _ready(folder: Path) -> list[Path]:
    """The files that are as they were at the look before; remembers how the others are."""
    seen = _seen(folder)
    now: dict[str, list[int]] = {}
    for path in sorted(folder.iterdir()):
        if path.name[0] == "." or path.suffix == ".part" or path.is_symlink() or not path.is_file():
            continue
        stat = path.stat()
        now[path.name] = [stat.st_ino, stat.st_size, stat.st_mtime_ns]
    part = folder / f"{_SEEN}.part"
    part.write_text(json.dumps(now), encoding="utf-8")
    part.replace(folder / _SEEN)
    return [folder / name for name, state in now.items() if seen.get(name) == state]


def _seen(folder: Path) -> dict[str, list[int]]:
    try:
        found: dict[str, list[int]] = json.loads((folder / _SEEN).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Hold the folder; whether nobody else looks into it now."""
    with (_made(folder) / ".lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
