"""Takes files of call records and other usage into the books (USE-1).

A file is kept while it is read, and read in batches, each in one transaction with how far it came: an import
that was killed goes on there, and a record that came in before counts once anyway. Who reads a file holds
a lock on it, which ends with its process, whatever that died of.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime
from pathlib import Path
from typing import IO
from uuid import uuid4

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet

from accounts.trail import Actor, record
from billing import bulk
from billing.models import UsageFault, UsageImport
from billing.usage import UsageBook
from telephony.usage_files import Batch, FileRefused, read_batches, read_header
from telephony.usage_rows import RowReader

KEPT_FAULTS = 10_000
"""Of an import so many refused lines are kept, with their reasons; all are counted."""

State = UsageImport.State
Source = UsageImport.Source

_UNFINISHED = (State.WAITING, State.RUNNING)
# A file that is older, and of no import, is nobody's.
_KEPT_SECONDS = 24 * 60 * 60
# Bytes of a file; a call has about a hundred. SQLite has one writer: everybody else waits for the batch.
_BATCH = {"postgresql": 2_500_000, "sqlite": 500_000}


def receive_file(
    name: str, content: Path | IO[bytes], *, source: UsageImport.Source, actor: Actor, at: datetime
) -> UsageImport:
    """Keep a file for its import, which begins with `run_import`; `content` is the file, or one opened in binary.

    It is copied piece by piece into ``DATA_DIR``, where the workers have to see it. Raises OSError where it
    cannot be read or copied; nothing is left of it then.
    """
    kept = kept_folder() / f"{uuid4()}.csv"
    part = kept.with_suffix(".part")
    with content.open("rb") if isinstance(content, Path) else nullcontext(content) as original:
        try:
            with part.open("wb") as copy:
                shutil.copyfileobj(original, copy, 1 << 20)
            part.replace(kept)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    return note_file(name, kept, source=source, actor=actor, at=at)


def note_file(
    name: str, path: Path, *, source: UsageImport.Source, actor: Actor, at: datetime
) -> UsageImport:
    """An import of a file that stays where it lies."""
    with transaction.atomic():
        found = UsageImport.objects.create(
            name=name[-200:],
            path=str(path),
            size=path.stat().st_size,
            source=source,
            by=actor.label[:120],
            created_at=at,
        )
        record(None, "import-usage", found, f"Usage file {found.name} received", actor=actor, at=at)
    return found


def kept_folder() -> Path:
    """Where files lie while they are imported."""
    folder: Path = settings.DATA_DIR / "usage" / "kept"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def unfinished() -> QuerySet[UsageImport]:
    """The imports that wait, are at work or were cut short, oldest first."""
    return UsageImport.objects.filter(state__in=_UNFINISHED).order_by("pk")


def report_lines(found: UsageImport, *, most: int = KEPT_FAULTS) -> Iterator[str]:
    """What came of an import, line by line, with the lines that were refused, `most` of them."""
    yield f"{found.name}: {found.get_state_display().lower()}"
    if found.failed_reason:
        yield found.failed_reason
    yield (
        f"Lines {found.lines_done:,}, taken {found.taken:,}, known before {found.known:,}, "
        f"free {found.free:,}, refused {found.refused:,}, without a rate {found.unrated:,}"
    )
    for fault in found.faults.all()[:most].iterator():
        where = f"line {fault.line}, {fault.field}" if fault.field else f"line {fault.line}"
        yield f"Refused: {where}: {fault.reason}"
    left = found.refused - min(most, KEPT_FAULTS)
    if left > 0:
        yield f"… and {left:,} more."


def sweep(at: datetime) -> None:
    """Remove kept files that no import will read any more, such as one whose receiver died."""
    wanted = set(unfinished().values_list("path", flat=True))
    for path in kept_folder().iterdir():
        with suppress(FileNotFoundError):
            age = at.timestamp() - path.stat().st_mtime
            if str(path) not in wanted and age > _KEPT_SECONDS:
                path.unlink()


def run_import(
    usage_import: UsageImport,
    *,
    actor: Actor,
    clock: Callable[[], datetime],
    progress: Callable[[UsageImport], None] | None = None,
) -> UsageImport:
    """Import what is left of a file; the import as it stands then, finished or failed.

    Each batch is recorded at the instant that `clock` tells then, and `progress` is called after it. Where
    somebody else is at it, or it is over, nothing is done. An error that is no fault of the file is raised,
    and the import stays to be gone on with.
    """
    found = UsageImport.objects.get(pk=usage_import.pk)
    if found.state not in _UNFINISHED:
        return found
    path = Path(found.path)
    if not path.is_file():
        return _fail(found, "The file is not there any more.", clock())
    with path.open("rb") as file, _held(file) as is_ours:
        if is_ours:
            # Who held it before may have come further.
            found.refresh_from_db()
            found = _import(found, file, actor, clock, progress)
    return found


@contextmanager
def _held(file: IO[bytes]) -> Iterator[bool]:
    """Hold a lock on a file; whether nobody else had it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
        return
    yield True


def _import(
    found: UsageImport,
    file: IO[bytes],
    actor: Actor,
    clock: Callable[[], datetime],
    progress: Callable[[UsageImport], None] | None,
) -> UsageImport:
    if found.state not in _UNFINISHED:
        return found
    try:
        header = read_header(file)
    except FileRefused as refusal:
        return _fail(found, str(refusal), clock())
    if found.state == State.WAITING:
        found.state, found.started_at = State.RUNNING, clock()
        found.save(update_fields=["state", "started_at"])
    reader = RowReader()
    book = UsageBook(actor, found.name, found)
    batches = read_batches(
        file,
        header,
        _BATCH[connection.vendor],
        lines_done=found.lines_done,
        bytes_done=found.bytes_done,
    )
    for batch in batches:
        with bulk.collector_at_rest():
            is_ours = _take(found, batch, reader, book, clock())
        if not is_ours:
            return found
        if progress is not None:
            progress(found)
    return _finish(found, clock())


def _take(found: UsageImport, batch: Batch, reader: RowReader, book: UsageBook, at: datetime) -> bool:
    """Take one batch in one transaction; False where somebody else came further meanwhile."""
    with transaction.atomic():
        row = UsageImport.objects.select_for_update().get(pk=found.pk)
        if row.state != State.RUNNING or row.bytes_done != found.bytes_done:
            return False
        read = reader.read(batch.rows, at)
        faults = sorted([*batch.faults, *read.faults])
        kept = faults[: max(0, KEPT_FAULTS - row.refused)]
        bulk.insert(
            UsageFault,
            ("usage_import_id", "line", "field", "reason", "content"),
            [(found.pk, *one) for one in kept],
        )
        taken = book.take(read.records, at)
        row.lines_done, row.bytes_done = batch.lines_done, batch.bytes_done
        row.taken += taken.new
        row.known += taken.known
        row.unrated += taken.unrated
        row.free += read.free
        row.refused += len(faults)
        row.save()
    found.__dict__.update(row.__dict__)
    return True


def _finish(found: UsageImport, at: datetime) -> UsageImport:
    found.state, found.finished_at = State.FINISHED, at
    found.save(update_fields=["state", "finished_at"])
    _let_go(found)
    return found


def _fail(found: UsageImport, reason: str, at: datetime) -> UsageImport:
    """Say why nothing more comes of a file; what was taken of it before stays."""
    found.state, found.failed_reason, found.finished_at = State.FAILED, reason[:300], at
    found.save(update_fields=["state", "failed_reason", "finished_at"])
    _let_go(found)
    return found


def _let_go(found: UsageImport) -> None:
    """Remove the copy that was kept; the report stays, and the file is with whom it came from."""
    path = Path(found.path)
    if path.parent == kept_folder():
        path.unlink(missing_ok=True)
