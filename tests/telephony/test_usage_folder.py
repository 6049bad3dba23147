"""The watched folder, the command, and the upload that a worker imports (USE-1)."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO, StringIO
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts.models import Account, User
from accounts.trail import Actor
from billing.models import UsageImport, UsageRecord
from telephony import tasks, usage_folder
from telephony.usage_import import kept_folder, receive_file, sweep
from tests.factories import AT, TESTS
from tests.telephony.conftest import bought

Look = Callable[..., None]
HEADER = "id,at,account,from,to,seconds\n"
GOOD = "a,2026-03-01T10:00:00Z,northwind,+12125550100,+12125550199,61\n"


@pytest.fixture(autouse=True)
def folder(account: Account, tmp_path: Path, settings: LazySettings) -> Path:
    """The folder that beat looks into."""
    bought(account, "+12125550100")
    settings.USAGE_FOLDER = tmp_path / "incoming"
    settings.USAGE_FOLDER.mkdir()
    found: Path = settings.USAGE_FOLDER
    return found


@pytest.fixture
def look(django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks) -> Look:
    """``look(2)`` is beat, twice; what it sends is done."""

    def looks(times: int = 1) -> None:
        for _ in range(times):
            with django_capture_on_commit_callbacks(execute=True):
                tasks.look_for_usage()

    return looks


@pytest.mark.parametrize("name", [b"n" * 251 + b".csv", b"caf\xe9.csv"], ids=["long", "not-utf-8"])
def test_a_file_with_an_odd_name_stops_neither_itself_nor_others(
    folder: Path, look: Look, name: bytes
) -> None:
    """USE-1: as long as a file system takes it, or in an encoding of long ago."""
    (folder / os.fsdecode(name)).write_text(HEADER + GOOD)
    look(3)
    found = UsageImport.objects.get()
    assert (found.state, found.taken) == ("finished", 1)
    assert found.name.endswith(".csv")
    assert len(list((folder / "done").iterdir())) == 2


def test_a_file_is_taken_when_it_does_not_grow_any_more(folder: Path, look: Look) -> None:
    """USE-1: and put away with its report."""
    path = folder / "calls.csv"
    path.write_text(HEADER)
    look()
    path.write_text(HEADER + GOOD)
    look()
    assert path.exists()
    look()
    assert not path.exists()
    assert UsageRecord.objects.count() == 1
    look()
    assert (folder / "done" / "calls.csv").read_text() == HEADER + GOOD
    report = (folder / "done" / "calls.csv.report.txt").read_text()
    assert "calls.csv: finished\nLines 2, taken 1, known before 0, free 0, refused 0" in report
    assert list((folder / "taken").iterdir()) == []
    found = UsageImport.objects.get()
    assert (found.source, found.by) == ("folder", "telephony.tasks.look_for_usage")


def test_a_file_that_is_none_goes_to_failed_and_bad_lines_are_reported(folder: Path, look: Look) -> None:
    (folder / "notes.csv").write_text("hello\n")
    (folder / "calls.csv").write_text(HEADER + GOOD + "bad\n")
    look(3)
    assert "There is no column “hello”" in (folder / "failed" / "notes.csv.report.txt").read_text()
    assert (folder / "failed" / "notes.csv").exists()
    assert "Refused: line 3: Too few fields" in (folder / "done" / "calls.csv.report.txt").read_text()


def test_what_is_not_whole_or_no_file_is_left_alone(folder: Path, look: Look) -> None:
    (folder / "calls.csv.part").write_text(HEADER + GOOD)
    (folder / ".calls.csv").write_text(HEADER + GOOD)
    (folder / "folder.csv").mkdir()
    (folder / "link.csv").symlink_to("/etc/hostname")
    look(3)
    assert not UsageImport.objects.exists()


def test_a_name_that_comes_again_loses_neither_report(folder: Path, look: Look) -> None:
    for _ in range(2):
        (folder / "calls.csv").write_text(HEADER + GOOD)
        look(3)
    latest = UsageImport.objects.latest("pk")
    assert (latest.taken, latest.known) == (0, 1)
    assert {path.name for path in (folder / "done").iterdir()} == {
        "calls.csv",
        "calls.csv.report.txt",
        f"{latest.pk}-calls.csv",
        f"{latest.pk}-calls.csv.report.txt",
    }


@pytest.mark.parametrize("step", ["note_file", "report_lines"])
def test_a_look_that_dies_between_two_steps_is_gone_on_with(
    folder: Path, look: Look, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """USE-1: between taking a file and its import, and between the import and putting it away."""

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    (folder / "calls.csv").write_text(HEADER + GOOD)
    with monkeypatch.context() as patch:
        patch.setattr(usage_folder, step, die)
        with pytest.raises(KeyboardInterrupt):
            look(3)
    assert list((folder / "taken").iterdir())
    look(2)
    assert UsageImport.objects.count() == 1
    assert UsageRecord.objects.count() == 1
    assert (folder / "done" / "calls.csv").exists()


def test_an_upload_is_imported_in_the_name_of_who_sent_it(account: Account, owner: User, look: Look) -> None:
    """ACC-5: the trail names the person, though a worker reads the file."""
    actor = Actor(user=owner)
    source = UsageImport.Source.UPLOAD
    receive_file("calls.csv", BytesIO((HEADER + GOOD).encode()), source=source, actor=actor, at=AT)
    look()
    assert UsageImport.objects.get().state == "finished"
    assert account.audit_entries.get(action="record-usage").user == owner


def test_nothing_is_left_of_a_file_that_could_not_be_received(tmp_path: Path) -> None:
    """USE-1: neither of one that is not there, nor of one that breaks off while it is read."""

    class Broken(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError("connection reset")

    source = UsageImport.Source.UPLOAD
    before = set(kept_folder().iterdir())
    for content in (tmp_path / "missing.csv", Broken(b"x")):
        with pytest.raises(OSError, match=r"reset|missing"):
            receive_file("calls.csv", content, source=source, actor=TESTS, at=AT)
    assert set(kept_folder().iterdir()) == before
    assert not UsageImport.objects.exists()


def test_files_of_nobody_are_removed_after_a_day() -> None:
    kept = kept_folder() / "left.part"
    kept.write_text("x")
    os.utime(kept, (AT.timestamp(), AT.timestamp()))
    source = UsageImport.Source.UPLOAD
    waiting = receive_file("calls.csv", BytesIO(b"x"), source=source, actor=TESTS, at=AT)
    sweep(AT + timedelta(hours=23))
    assert kept.exists()
    sweep(AT + timedelta(days=400))
    assert not kept.exists()
    assert Path(waiting.path).exists()
    Path(waiting.path).unlink()


def command(*paths: Path) -> str:
    out = StringIO()
    call_command("import_usage", *map(str, paths), stdout=out)
    return out.getvalue()


def test_the_command_says_what_came_of_each_file(tmp_path: Path) -> None:
    """USE-1: exit status 0; and again, with nothing new."""
    path = tmp_path / "calls.csv"
    path.write_text(HEADER + GOOD)
    assert "calls.csv: finished\nLines 2, taken 1, known before 0" in command(path)
    assert "Lines 2, taken 0, known before 1" in command(path, path)
    assert path.read_text() == HEADER + GOOD


def test_the_command_ends_with_1_where_lines_were_refused_and_2_where_a_file_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, none = tmp_path / "bad.csv", tmp_path / "none.csv"
    bad.write_text(HEADER + "bad\n" * 30 + GOOD)
    none.write_text("hello\n")
    with pytest.raises(CommandError, match="Lines refused: 30") as refusal:
        call_command("import_usage", str(bad))
    assert refusal.value.returncode == 1
    said = capsys.readouterr().out
    assert said.count("Refused: line") == 20
    assert "… and 10 more." in said
    with pytest.raises(CommandError, match="Files not imported: 2 of 3") as refusal:
        call_command("import_usage", str(none), str(bad), str(tmp_path / "missing.csv"))
    assert refusal.value.returncode == 2
    assert "missing.csv: No such file or directory" in capsys.readouterr().out
