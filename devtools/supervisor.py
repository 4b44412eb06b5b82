"""Runs several programs under one terminal, starts those again that die, and stops them together.

On the standard library alone, and knows nothing of Django. Run as a program it is the watchdog, which ends the process
groups of a supervisor that was killed: the supervisor writes `+GROUP` and `-GROUP` lines to its standard input, and the
end of that input with groups left means that nobody stopped them.
"""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO

if __name__ != "__main__":
    from devtools.embedded.keeper import Backoff, describe_end

COLOURS = ("36", "33", "35", "32", "34", "31")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOOK_EVERY = 0.1
# Leftovers of a group whose leader has ended have nothing to finish.
ORPHAN_SECONDS = 2
WATCHDOG_GRACE_SECONDS = 10
# Lines that wait for a terminal that isn't read; what comes on top of them is left out.
WAITING_LINES = 5_000
LAST_LINES_SECONDS = 1.0


@dataclass(frozen=True)
class Program:
    name: str
    command: list[str]
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    # The others ask it things until they end: it is stopped after them.
    serves_others: bool = False


class Output:
    """One terminal for many writers, whole lines only. One that isn't read, or has gone away, holds up nobody."""

    def __init__(self, descriptor: int = 1, *, width: int = 9) -> None:
        self._descriptor = descriptor
        self._width = width
        self._colours = os.isatty(descriptor) and "NO_COLOR" not in os.environ
        self._names: dict[str, str] = {}
        self._lines: queue.Queue[str] = queue.Queue(WAITING_LINES)
        self._left_out = 0
        threading.Thread(target=self._write, daemon=True).start()

    def say(self, text: str, name: str = "") -> None:
        try:
            self._lines.put_nowait(f"{self._prefix(name)} {text}" if name else text)
        except queue.Full:
            self._left_out += 1

    def finish(self) -> None:
        """Wait until all is written, for LAST_LINES_SECONDS at most."""
        deadline = time.monotonic() + LAST_LINES_SECONDS
        while self._lines.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(0.01)

    def _write(self) -> None:
        # Not through Python's own buffer, whose lock a write that hangs would hold until the process ends.
        while True:
            line = self._lines.get()
            left_out, self._left_out = self._left_out, 0
            if left_out:
                line += f"\n({left_out} lines were left out: nobody read them.)"
            rest = f"{line}\n".encode()
            with suppress(OSError):
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
            self._lines.task_done()

    def _prefix(self, name: str) -> str:
        plain = f"{name:<{self._width}} |"
        if not self._colours:
            return plain
        colour = self._names.setdefault(name, COLOURS[len(self._names) % len(COLOURS)])
        return f"\x1b[{colour}m{plain}\x1b[0m"


class Child:
    """One program, and the process that runs it now."""

    def __init__(self, program: Program, clock: Callable[[], float] = time.monotonic) -> None:
        self.program = program
        self.process: subprocess.Popen[bytes] | None = None
        self.pump: threading.Thread | None = None
        self.start_at: float | None = None
        self._clock = clock
        self._started = 0.0
        self._backoff = Backoff()

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the program, as the leader of a session of its own."""
        self.start_at = None
        self._started = self._clock()
        self.process = subprocess.Popen(  # noqa: S603 - the caller's own command
            self.program.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(self.program.environment),
            start_new_session=True,
        )
        return self.process

    def runs(self) -> bool:
        # Also what reaps it.
        return self.process is not None and self.process.poll() is None

    def join_pump(self) -> None:
        """Wait until the program's last lines have been passed on, at most LAST_LINES_SECONDS."""
        if self.pump:
            self.pump.join(LAST_LINES_SECONDS)

    def delay_after_death(self) -> float | None:
        """Return the seconds until it is to be started again; None if it died too often."""
        delay = self._backoff.after_death(lived_seconds=self._clock() - self._started)
        self.start_at = None if delay is None else self._clock() + delay
        return delay


class Supervisor:
    """Start programs, `wait` until a signal or until one can't be kept alive, `stop` what is left.

    Each program leads a session of its own, so that Ctrl-C reaches only the supervisor, and a stop reaches the
    program's own children too. Use it in the main thread: that is where signals arrive.
    """

    def __init__(
        self, output: Output, *, grace_seconds: float = 15, also_look: Callable[[], str | None] = lambda: None
    ) -> None:
        """`also_look` is called every LOOK_EVERY seconds; what it returns is why everything has to stop."""
        self._output = output
        self._grace_seconds = grace_seconds
        self._also_look = also_look
        self._children: dict[str, Child] = {}
        self._signals: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.stopping = threading.Event()
        self._watchdog = subprocess.Popen(  # noqa: S603 - this file
            [sys.executable, "-I", "-S", __file__], stdin=subprocess.PIPE, start_new_session=True
        )

    def listen(self) -> None:
        """Have SIGINT, SIGTERM and SIGHUP end `wait` instead of the process; a second one hurries `stop`."""
        for number in SIGNALS:
            signal.signal(number, lambda received, _: self._signals.put(received))

    def start(self, program: Program) -> None:
        child = self._children[program.name] = Child(program)
        self._launch(child)

    def has_started_anything(self) -> bool:
        return bool(self._children)

    def was_asked_to_stop(self) -> bool:
        return not self._signals.empty()

    def tend(self) -> bool:
        """Start again what died, when its time has come. False, and said why, when that has no sense any more."""
        for child in self._children.values():
            if child.start_at is not None:
                if time.monotonic() >= child.start_at:
                    self._launch(child)
            elif not child.runs() and not self._plan_restart(child):
                return False
        problem = self._also_look()
        if problem is not None:
            self._output.say(f"{problem} Stopping everything.")
        return problem is None

    def wait(self) -> int:
        """Return the exit status to end with: 0 after a signal, 1 where a program can't be kept alive."""
        while self.tend():
            with suppress(queue.Empty):
                self._signals.get(timeout=LOOK_EVERY)
                return 0
        return 1

    def stop(self) -> None:
        """Ask each program, and leave its own children to it; then end what is left of the groups."""
        self.stopping.set()
        children = self._children.values()
        for serves_others in (False, True):
            stopped = [child for child in children if child.program.serves_others == serves_others]
            self._stop_leaders(stopped)
            # Their last lines come before those of the programs that are stopped after them.
            for child in stopped:
                child.join_pump()
        self._end_groups([child.process for child in children if child.process])
        for child in children:
            child.join_pump()
        self._dismiss_watchdog()
        self._output.finish()

    def _launch(self, child: Child) -> None:
        process = child.launch()
        self._tell_watchdog(f"+{process.pid}")
        child.pump = threading.Thread(target=self._pump, args=(child.program.name, process.stdout), daemon=True)
        child.pump.start()

    def _plan_restart(self, child: Child) -> bool:
        """Return whether it is to be started again, after ending what its process left running."""
        if child.process is None:
            return True
        how = f"{child.program.name} {describe_end(child.process.returncode)}"
        self._end_groups([child.process])
        child.join_pump()
        delay = child.delay_after_death()
        if delay is None:
            seconds = f"{Backoff.WITHIN_SECONDS:.0f} seconds"
            self._output.say(f"{how}, for the {Backoff.DEATHS}th time within {seconds}. Stopping everything.")
            return False
        self._output.say(f"{how}: started again in {delay:g} s.")
        return True

    def _stop_leaders(self, children: Collection[Child]) -> None:
        running = [child.process for child in children if child.process and child.runs()]

        def ask() -> None:
            for leader in running:
                leader.terminate()

        # A list, for each is to be looked at: that is also what reaps it.
        self._wait_while(lambda: None in [leader.poll() for leader in running], ask=ask, seconds=self._grace_seconds)

    def _end_groups(self, leaders: "Collection[subprocess.Popen[bytes]]") -> None:
        """End all that is left in the groups of these leaders, and the leaders."""

        def has_orphans() -> bool:
            return any(is_alive(leader.pid) for leader in leaders if leader.poll() is not None)

        pids = [leader.pid for leader in leaders]
        self._wait_while(has_orphans, ask=lambda: send(os.killpg, pids, signal.SIGTERM), seconds=ORPHAN_SECONDS)
        send(os.killpg, pids, signal.SIGKILL)
        for leader in leaders:
            leader.wait()
            self._tell_watchdog(f"-{leader.pid}")

    def _wait_while(self, is_so: Callable[[], bool], *, ask: Callable[[], None], seconds: float) -> None:
        if not is_so():
            return
        ask()
        deadline = time.monotonic() + seconds
        while is_so() and time.monotonic() < deadline and not self.was_asked_to_stop():
            time.sleep(0.02)

    def _pump(self, name: str, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                self._output.say(line.decode(errors="replace").rstrip(), name)

    def _tell_watchdog(self, line: str) -> None:
        if self._watchdog.stdin:
            with suppress(BrokenPipeError):
                self._watchdog.stdin.write(f"{line}\n".encode())
                self._watchdog.stdin.flush()

    def _dismiss_watchdog(self) -> None:
        if self._watchdog.stdin:
            with suppress(BrokenPipeError):
                self._watchdog.stdin.close()
        self._watchdog.wait()


def is_alive(group: int) -> bool:
    """Return whether a process of the group lives."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # What macOS returns for a group of zombies.
        return False
    return True


def send(kill: Callable[[int, int], None], targets: Iterable[int], number: signal.Signals) -> None:
    """Send the signal to each, where it still lives."""
    for target in targets:
        with suppress(ProcessLookupError, PermissionError):
            kill(target, number)


def watch() -> None:
    """Be the watchdog."""
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    # Ask the leaders, which end their own children in good order; then end what is left of the groups.
    send(os.kill, groups, signal.SIGTERM)
    watch_until_gone(_exists, groups, WATCHDOG_GRACE_SECONDS)
    send(os.killpg, groups, signal.SIGTERM)
    watch_until_gone(is_alive, groups, ORPHAN_SECONDS)
    send(os.killpg, groups, signal.SIGKILL)


def watch_until_gone(lives: Callable[[int], bool], groups: set[int], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while any(map(lives, groups)) and time.monotonic() < deadline:
        time.sleep(0.05)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    watch()
