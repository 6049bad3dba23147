"""The embedded broker: a message is in the queue whole or not at all, and is taken once."""

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from queue import Empty

import pytest
from kombu import Connection

from controlpanel import environment
from controlpanel.filebroker import Transport, make_folders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    # Kombu remembers, for the whole process, which queues it has bound; each test begins in an empty folder.
    Transport.global_state.clear()
    return tmp_path / "broker"


@pytest.fixture
def connection(folder: Path) -> Iterator[Connection]:
    with open_connection(folder) as connection:
        yield connection


def open_connection(folder: Path) -> Connection:
    _, options = environment.broker(f"filesystem://{folder}")
    make_folders(options)
    return Connection(transport=Transport, transport_options=options)


def test_messages_come_out_in_the_order_they_went_in(connection: Connection) -> None:
    with connection.SimpleQueue("tasks") as queue:
        for number in range(20):
            queue.put({"number": number})
        taken = []
        for _ in range(20):
            message = queue.get(block=False)
            message.ack()
            taken.append(message.payload["number"])
        with pytest.raises(Empty):
            queue.get(block=False)
    assert taken == list(range(20))


def test_nothing_is_left_in_the_folders(connection: Connection, folder: Path) -> None:
    with connection.SimpleQueue("tasks") as queue:
        queue.put({"a": 1})
        queue.get(block=False).ack()
    assert list((folder / "messages").iterdir()) == []
    assert list((folder / "taken").iterdir()) == []


def test_a_queue_takes_only_its_own_messages(connection: Connection) -> None:
    with connection.SimpleQueue("tasks") as tasks, connection.SimpleQueue("more.tasks") as others:
        others.put({"for": "others"})
        with pytest.raises(Empty):
            tasks.get(block=False)
        assert others.get(block=False).payload == {"for": "others"}


def test_writers_and_readers_at_once_lose_and_double_nothing(folder: Path) -> None:
    """Kombu's own transport shows a file before its content is there; ours must never give an empty message."""
    messages, writers = 150, 2
    taken: Counter[int] = Counter()
    faults: list[BaseException] = []
    is_written = threading.Event()

    def write(first: int) -> None:
        with open_connection(folder) as connection, connection.SimpleQueue("tasks") as queue:
            for number in range(first, first + messages):
                queue.put({"number": number})

    def read() -> None:
        try:
            with open_connection(folder) as connection, connection.SimpleQueue("tasks") as queue:
                while True:
                    was_written = is_written.is_set()
                    try:
                        message = queue.get(block=False)
                    except Empty:
                        if was_written:
                            return
                        continue
                    message.ack()
                    taken[message.payload["number"]] += 1
        except Exception as fault:
            faults.append(fault)
            raise

    readers = [threading.Thread(target=read) for _ in range(2)]
    writing = [threading.Thread(target=write, args=(number * messages,)) for number in range(writers)]
    for thread in [*readers, *writing]:
        thread.start()
    for thread in writing:
        thread.join()
    is_written.set()
    for thread in readers:
        thread.join()
    assert not faults
    assert taken == Counter(range(messages * writers))
