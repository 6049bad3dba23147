"""Celery's broker of files, with the moves that matter made whole.

Kombu's transport opens a message's file in the queue's own folder and then writes to it, so a worker that looks in
between takes an empty message and the task is gone. It also moves what it takes across file systems, to the
machine's temporary folder. Here a message is written beside the queue and moved in by one rename, and taken out by
one rename.
"""

import fcntl
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from time import time_ns
from typing import Any

from kombu.transport import filesystem
from kombu.utils.json import dumps, loads

_binding = threading.RLock()


class Channel(filesystem.Channel):
    """Kombu's channel, with atomic ``_put`` and ``_get``."""

    @contextmanager
    def _table_lock(self) -> Iterator[None]:
        with (self.control_folder / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def get_table(self, exchange: str) -> Any:
        """The queues that are bound to an exchange."""
        with self._table_lock():
            return super().get_table(exchange)

    def queue_bind(self, *args: Any, **kwargs: Any) -> None:
        """Bind a queue, for one thread after the other.

        Kombu remembers a binding before it is in the table; a thread that believed that would send a
        message to nowhere.
        """
        with _binding:
            super().queue_bind(*args, **kwargs)

    def _queue_bind(self, *binding: Any) -> None:
        with self._table_lock():
            super()._queue_bind(*binding)

    def _taken(self, name: str) -> Path:
        return Path(self.processed_folder) / name

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        """Put a message in the queue: all of it or nothing."""
        # The name sorts by time, because the oldest message is taken first, and ends as kombu expects.
        name = f"{time_ns():020d}_{uuid.uuid4()}.{queue}.msg"
        draft = self._taken(name)
        draft.write_text(dumps(message), encoding="utf-8")
        draft.rename(Path(self.data_folder_out) / name)

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        """Take the oldest message of the queue. Raises ``Empty`` when there is none."""
        ending = f"{queue}.msg"
        for file in sorted(Path(self.data_folder_in).iterdir()):
            if file.name.partition(".")[2] != ending:
                continue
            taken = self._taken(file.name)
            try:
                file.rename(taken)
            except FileNotFoundError:
                continue  # another worker was quicker
            message: dict[str, Any] = loads(taken.read_text(encoding="utf-8"))
            taken.unlink()
            return message
        raise Empty


class Transport(filesystem.Transport):
    """Kombu's transport with the channel above."""

    Channel = Channel


def make_folders(options: dict[str, Any]) -> None:
    """Make the folders that the transport options name; those that are there stay as they are."""
    for option, value in options.items():
        if option.endswith(("_folder", "_folder_in", "_folder_out")):
            Path(value).mkdir(parents=True, exist_ok=True)
