import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

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
        found: list[int] = []
        while len(found) < count:
            line = self.process.stdout.readline()
            assert line, "the supervisor ended early"
            self.lines.append(line.rstrip("\n"))
            if "| pid " in line:
                found.append(int(line.split()[-1]))
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


def test_the_death_of_one_program_stops_the_others_and_is_named():
    with supervised(web=WELL_BEHAVED, worker="import sys; sys.exit(3)") as run:
        assert run.end() == 1
        assert "worker ended with status 3: stopping everything." in run.lines


def test_a_program_killed_by_a_signal_is_named_with_it():
    with supervised(web=WELL_BEHAVED) as run:
        (pid,) = run.pids(1)
        os.kill(pid, signal.SIGKILL)
        assert run.end() == 1
        assert "web was killed by SIGKILL: stopping everything." in run.lines


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


def test_children_of_a_program_that_died_are_stopped_too():
    with supervised(web=PARENT) as run:
        parent, child = run.pids(2)
        os.kill(parent, signal.SIGKILL)
        assert run.end() == 1
        assert soon(lambda: not is_process_alive(child))


def test_a_killed_supervisor_leaves_no_process_behind():
    with supervised(web=PARENT, worker=WELL_BEHAVED) as run:
        pids = run.pids(3)
        run.process.kill()
        assert soon(lambda: not any(map(is_process_alive, pids)))


def test_output_is_plain_whole_lines_under_each_programs_name():
    with supervised(web="print('one'); print('two', end='')") as run:
        run.end()
        assert run.lines[0] == "web       | one"
        assert "web       | two" in run.lines
        assert not any("\x1b" in line for line in run.lines)


def test_a_closed_terminal_stops_nothing():
    with supervised(web="import time\nwhile True: print('x' * 1000); time.sleep(0.001)") as run:
        run.process.stdout.close()
        time.sleep(0.5)
        assert run.process.poll() is None
        run.process.terminate()
        assert run.process.wait(20) == 0
