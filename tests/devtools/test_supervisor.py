import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from devtools.embedded.keeper import Backoff
from tests.devtools.conftest import REPOSITORY, is_process_alive, soon

SUPERVISE = """
import json, sys
from devtools.supervisor import Output, Program, Supervisor
supervisor = Supervisor(Output(), grace_seconds=float(sys.argv[2]))
supervisor.listen()
for name, code in json.loads(sys.argv[1]).items():
    supervisor.start(Program(name, [sys.executable, "-u", "-c", code], serves_others=name == "simulator"))
status = supervisor.wait()
supervisor.stop()
sys.exit(status)
"""
WELL_BEHAVED = """
import os, signal, sys, time
def leave(*_):
    print("bye")
    sys.exit()
signal.signal(signal.SIGTERM, leave)
print("pid", os.getpid())
time.sleep(60)
"""
SLOW = """
import os, signal, sys, time
def leave(*_):
    time.sleep(0.5)
    print("bye")
    sys.exit()
signal.signal(signal.SIGTERM, leave)
print("pid", os.getpid())
time.sleep(60)
"""
STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("pid", os.getpid())
time.sleep(60)
"""
PARENT = """
import subprocess, sys, time, os
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("pid", os.getpid())
print("pid", child.pid)
time.sleep(60)
"""


class Run:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[str] = []

    def pids(self, count: int) -> list[int]:
        """The next so many that programs print, in any order of the programs."""
        return [pid for _, pid in self.named_pids(count)]

    def named_pids(self, count: int) -> list[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        while len(found) < count:
            line = self.process.stdout.readline()
            assert line, "the supervisor ended early"
            self.lines.append(line.rstrip("\n"))
            if "| pid " in line:
                found.append((line.split()[0], int(line.split()[-1])))
        return found

    def end(self, seconds: float = 20) -> int:
        self.lines += self.process.stdout.read().splitlines()
        return self.process.wait(seconds)


@contextmanager
def supervised(grace: float = 10, **programs: str) -> Iterator[Run]:
    command = [sys.executable, "-c", SUPERVISE, json.dumps(programs), str(grace)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Run(process)
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_lets_every_program_finish_and_ends_with_success(number):
    with supervised(web=WELL_BEHAVED, worker=WELL_BEHAVED) as run:
        pids = run.pids(2)
        run.process.send_signal(number)
        assert run.end() == 0
        assert "web       | bye" in run.lines
        assert "worker    | bye" in run.lines
        assert not any(map(is_process_alive, pids))


def test_what_others_need_is_stopped_after_them():
    with supervised(simulator=WELL_BEHAVED, worker=SLOW) as run:
        run.pids(2)
        run.process.terminate()
        assert run.end() == 0
        assert [line for line in run.lines if line.endswith("bye")] == ["worker    | bye", "simulator | bye"]


def test_programs_do_not_see_the_terminals_ctrl_c():
    with supervised(web=WELL_BEHAVED) as run:
        (pid,) = run.pids(1)
        assert os.getsid(pid) == pid != os.getsid(run.process.pid)
        run.process.terminate()
        assert run.end() == 0


def test_a_program_that_dies_is_started_again_and_why_is_said():
    with supervised(web=WELL_BEHAVED, worker=WELL_BEHAVED) as run:
        # Either may be the first to print.
        before = dict(run.named_pids(2))
        os.kill(before["web"], signal.SIGKILL)
        ((name, again),) = run.named_pids(1)
        assert name == "web"
        assert again not in before.values()
        run.process.terminate()
        assert run.end() == 0
        assert "web was killed by SIGKILL: started again in 0.1 s." in run.lines
        assert not any(map(is_process_alive, [*before.values(), again]))


def test_a_program_that_dies_again_and_again_stops_everything():
    with supervised(web=WELL_BEHAVED, worker="import sys; sys.exit(3)") as run:
        (web,) = run.pids(1)
        assert run.end() == 1
        said = [line for line in run.lines if line.startswith("worker ended with status 3")]
        assert [line.rsplit(" ", 2)[-2] for line in said[:-1]] == ["0.1", "0.4", "1.6", "5"]
        assert said[-1] == "worker ended with status 3, for the 5th time within 60 seconds. Stopping everything."
        assert not is_process_alive(web)


class TestBackoff:
    @pytest.fixture
    def backoff(self):
        self.now = 0.0
        return Backoff(clock=lambda: self.now)

    def die(self, backoff, *, after):
        self.now += after
        return backoff.after_death(lived_seconds=after)

    def test_what_lived_for_a_while_starts_from_the_first_delay_again(self, backoff):
        for _ in range(20):
            assert self.die(backoff, after=Backoff.STEADY_SECONDS) == Backoff.FIRST_SECONDS
        assert self.die(backoff, after=1) > Backoff.FIRST_SECONDS

    def test_five_deaths_within_a_minute_are_the_end(self, backoff):
        delays = [self.die(backoff, after=1) for _ in range(5)]
        assert delays[-1] is None
        assert delays[:-1] == sorted(delays[:-1])
        assert max(delays[:-1]) <= Backoff.LONGEST_SECONDS

    def test_deaths_of_more_than_a_minute_ago_do_not_count(self, backoff):
        for _ in range(10):
            assert backoff.after_death(lived_seconds=1) is not None
            self.now += Backoff.WITHIN_SECONDS / 3


def test_a_program_that_will_not_stop_is_killed_in_bounded_time():
    with supervised(grace=0.5, web=STUBBORN) as run:
        (pid,) = run.pids(1)
        run.process.terminate()
        assert run.end(seconds=5) == 0
        assert not is_process_alive(pid)


def test_a_second_ctrl_c_does_not_wait():
    with supervised(grace=60, web=STUBBORN) as run:
        (pid,) = run.pids(1)
        started = time.monotonic()
        run.process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        run.process.send_signal(signal.SIGINT)
        assert run.end() == 0
        assert time.monotonic() - started < 10
        assert not is_process_alive(pid)


def test_children_of_a_program_that_died_are_stopped_before_it_is_started_again():
    with supervised(web=PARENT) as run:
        parent, child = run.pids(2)
        os.kill(parent, signal.SIGKILL)
        run.pids(2)
        assert not is_process_alive(child)
        run.process.terminate()
        assert run.end() == 0


def test_a_killed_supervisor_leaves_no_process_behind():
    with supervised(web=PARENT, worker=WELL_BEHAVED) as run:
        pids = run.pids(3)
        run.process.kill()
        assert soon(lambda: not any(map(is_process_alive, pids)))


def test_output_is_plain_whole_lines_under_each_programs_name():
    with supervised(web="print('one'); print('two', end='')") as run:
        assert run.end() == 1
        assert run.lines[0] == "web       | one"
        assert "web       | two" in run.lines
        assert not any("\x1b" in line for line in run.lines)


COUNT = """
import os, pathlib, sys
folder = pathlib.Path({folder!r})
(folder / "pid").write_text(str(os.getpid()))
for number in range(10**9):
    print("x" * 1000)
    (folder / "count").write_text(str(number))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_terminal_that_is_not_read_holds_up_neither_the_programs_nor_the_stop(number, tmp_path):
    count = tmp_path / "count"
    with supervised(web=COUNT.format(folder=str(tmp_path)), worker=STUBBORN, grace=1) as run:
        # A pipe holds 64 KiB, and nobody reads this one.
        assert soon(lambda: count.exists() and int(count.read_text() or 0) > 2_000)
        started = time.monotonic()
        run.process.send_signal(number)
        assert run.process.wait(30) == 0
        assert time.monotonic() - started < 10
        assert not is_process_alive(int((tmp_path / "pid").read_text()))


def test_a_closed_terminal_stops_nothing():
    with supervised(web="import time\nwhile True: print('x' * 1000); time.sleep(0.001)") as run:
        assert run.process.stdout.readline()
        run.process.stdout.close()
        time.sleep(0.5)
        assert run.process.poll() is None
        run.process.terminate()
        assert run.process.wait(20) == 0
