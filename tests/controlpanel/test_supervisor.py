"""The supervisor: programs run together, come back when they die, and leave nobody behind."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# A program with a child of its own. It writes both process ids to the file that it is given, and then does as told.
PARENT = """
import os, signal, subprocess, sys, time
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
print("hello from the program", flush=True)
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()} {child.pid}\\n")
if "brief" in sys.argv:
    sys.exit(3)
time.sleep(300)
"""

SUPERVISE = """
import sys
from pathlib import Path
from controlpanel.supervisor import Program, Supervisor, python
folder, behaviour = Path(sys.argv[1]), sys.argv[2]
program = Program("one", python(str(folder / "parent.py"), str(folder / "pids"), behaviour), grace=1.0)
sys.exit(Supervisor([program], say=lambda text: print(text, flush=True)).run())
"""


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


class Supervised:
    """A supervisor in a process of its own, with one program."""

    def __init__(self, folder: Path, behaviour: str) -> None:
        self.pids_file = folder / "pids"
        self.pids_file.touch()
        (folder / "parent.py").write_text(textwrap.dedent(PARENT))
        self.process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISE, str(folder), behaviour],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def generations(self) -> list[list[int]]:
        """The process ids of the program and its child, for each time that it was started."""
        return [[int(pid) for pid in line.split()] for line in self.pids_file.read_text().splitlines()]

    def finish(self) -> tuple[int, str]:
        output, _ = self.process.communicate(timeout=30)
        return self.process.returncode, output


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[[str], Supervised]]:
    started: list[Supervised] = []

    def start(behaviour: str) -> Supervised:
        supervised = Supervised(tmp_path, behaviour)
        started.append(supervised)
        return supervised

    yield start
    for supervised in started:
        supervised.process.kill()
        supervised.process.communicate()
        for pid in [pid for generation in supervised.generations() for pid in generation]:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_program_and_its_children(
    supervise: Callable[[str], Supervised], number: signal.Signals
) -> None:
    supervised = supervise("steady")
    wait_for(lambda: len(supervised.generations()) == 1)
    supervised.process.send_signal(number)
    status, output = supervised.finish()
    assert status == 0
    assert "one | hello from the program" in output
    assert "Traceback" not in output
    assert not any(is_alive(pid) for pid in supervised.generations()[0])


def test_a_program_that_does_not_end_by_itself_is_killed(supervise: Callable[[str], Supervised]) -> None:
    supervised = supervise("stubborn")
    wait_for(lambda: len(supervised.generations()) == 1)
    supervised.process.send_signal(signal.SIGINT)
    assert supervised.finish()[0] == 0
    assert not any(is_alive(pid) for pid in supervised.generations()[0])


def test_a_program_that_was_killed_is_started_again(supervise: Callable[[str], Supervised]) -> None:
    supervised = supervise("steady")
    wait_for(lambda: len(supervised.generations()) == 1)
    os.kill(supervised.generations()[0][0], signal.SIGKILL)
    wait_for(lambda: len(supervised.generations()) == 2)
    supervised.process.send_signal(signal.SIGINT)
    status, output = supervised.finish()
    assert status == 0
    assert "one was ended by SIGKILL. Starting it again." in output
    assert not any(is_alive(pid) for generation in supervised.generations() for pid in generation)


def test_a_program_that_will_not_stay_up_ends_the_supervisor(supervise: Callable[[str], Supervised]) -> None:
    supervised = supervise("brief")
    status, output = supervised.finish()
    assert status == 1
    assert len(supervised.generations()) == 4
    assert "ended with status 3" in output
    assert "Giving up." in output
    assert not any(is_alive(pid) for generation in supervised.generations() for pid in generation)
