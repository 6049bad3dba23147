"""Runs processes side by side, as one: they start together, are started again when they die, and stop together."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType

# A process that dies this often within these seconds will not come right by being started once more.
DEATHS_ALLOWED = 3
DEATHS_WITHIN = 60.0


@dataclass
class Program:
    """A name to show and a command to run; ``grace`` is how many seconds it gets to end by itself."""

    name: str
    command: Sequence[str]
    grace: float = 10.0
    process: subprocess.Popen[bytes] | None = None
    relay: threading.Thread | None = None
    deaths: deque[float] = field(default_factory=deque)


class Supervisor:
    """Starts programs and keeps them running until a signal comes.

    Each program leads a session of its own, so that Ctrl-C reaches the supervisor alone and the programs are stopped
    in good order, whole groups at a time: nothing of theirs is left behind.
    """

    def __init__(self, programs: Sequence[Program], *, say: Callable[[str], None]) -> None:
        self.programs = programs
        self.say = say
        self.is_stopping = threading.Event()
        self.signals = 0

    def run(self, when_started: Callable[[], None] | None = None) -> int:
        """Run until SIGINT, SIGTERM or SIGHUP. Returns 0, or 1 when a program would not stay up.

        ``when_started`` is called, in a thread of its own, once all programs have been started.
        """
        handled = {
            number: signal.signal(number, self._stop)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        }
        code = 0
        try:
            for program in self.programs:
                self._start(program)
            if when_started:
                threading.Thread(target=when_started, daemon=True).start()
            while not self.is_stopping.wait(0.2):
                if not all(self._is_up(program) for program in self.programs):
                    code = 1
                    break
        finally:
            self.is_stopping.set()
            self._end_all()
            for number, handler in handled.items():
                signal.signal(number, handler)
        return code

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.signals += 1
        self.is_stopping.set()

    def _start(self, program: Program) -> None:
        program.process = subprocess.Popen(
            program.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "SUPERVISOR_PID": str(os.getpid()), "PYTHONUNBUFFERED": "1"},
        )
        program.relay = threading.Thread(
            target=self._relay, args=(program.name, program.process), daemon=True
        )
        program.relay.start()

    def _relay(self, name: str, process: subprocess.Popen[bytes]) -> None:
        """Print what a program prints, line by line, with its name before it."""
        width = max(len(program.name) for program in self.programs)
        with process.stdout or io.BytesIO() as output:
            for line in output:
                if text := line.decode(errors="replace").rstrip():
                    self.say(f"{name:<{width}} | {text}")

    def _is_up(self, program: Program) -> bool:
        """Whether a program runs, or runs again. False when it has died too often to try."""
        if program.process is None or (code := program.process.poll()) is None:
            return True
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        now = time.monotonic()
        program.deaths.append(now)
        while now - program.deaths[0] > DEATHS_WITHIN:
            program.deaths.popleft()
        self._end_group(program, signal.SIGKILL)
        if len(program.deaths) > DEATHS_ALLOWED:
            self.say(f"{program.name} {how}, {len(program.deaths)} times within a minute. Giving up.")
            return False
        self.say(f"{program.name} {how}. Starting it again.")
        self._start(program)
        return True

    def _end_group(self, program: Program, number: signal.Signals) -> None:
        """Send a signal to a program and to all that it started."""
        if program.process is not None:
            # Nobody of the group may be left, which macOS says with the second error.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(program.process.pid, number)

    def _end_all(self) -> None:
        """Ask all to end, wait as long as each may take (a second signal cuts that short), and kill what is left."""
        began = time.monotonic()
        signals_before = self.signals
        # To the leaders alone: they end their own, and a second signal from us would only hurry those.
        for program in self.programs:
            if program.process is not None and program.process.poll() is None:
                program.process.terminate()
        for program in self.programs:
            while program.process is not None and program.process.poll() is None:
                if time.monotonic() - began > program.grace or self.signals > signals_before:
                    break
                time.sleep(0.05)
        for program in self.programs:
            self._end_group(program, signal.SIGKILL)
            if program.process is not None:
                program.process.wait()
            if program.relay is not None:
                # Its last words are said before ours.
                program.relay.join(timeout=1)


def python(*arguments: str) -> list[str]:
    """The command that runs this very Python with the arguments."""
    return [sys.executable, *arguments]
