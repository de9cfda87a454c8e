"""What a container does with a trial's commands: run by real shells, and signalled as the kubelet does it."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from launch.sweeps import pods
from tests.kubernetes import expanded

SHELLS = [shell for shell in ("sh", "bash") if shutil.which(shell)]
# Saves when asked to end, as training does.
SAVES = """
import signal, sys, time
def save(number, frame):
    time.sleep(0.3)
    print("saved", flush=True)
    sys.exit(75)
signal.signal(signal.SIGTERM, save)
print("trains", flush=True)
time.sleep(60)
"""


def python(code):
    return [sys.executable, "-c", code]


def run(shell, *commands, flags=()):
    done = subprocess.run([shell, "-c", pods.script(commands, flags)], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout.split("\n")[:-1], done.stderr


@pytest.mark.process
@pytest.mark.parametrize("shell", SHELLS)
def test_commands_run_in_sequence_with_their_arguments_untouched(shell):
    awkward = ["a b", "$HOME", "$(id)", "it's", '"', "", "--x=('a', 'b')", "line\nline", "*", "é"]
    show = python("import sys; print(sys.argv[1:])")
    status, said, stderr = run(shell, [*show, *awkward], ["printf", "%s\n", "second"])
    assert (status, stderr) == (0, "")
    assert said == [str(awkward), "second"]


@pytest.mark.process
@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("status", [1, 75, 143])
def test_the_first_that_fails_is_the_last_and_its_status_the_containers(shell, status):
    commands = ["printf", "%s\n", "first"], python(f"raise SystemExit({status})"), ["printf", "%s\n", "third"]
    assert run(shell, *commands) == (status, ["first"], "")


@pytest.mark.process
@pytest.mark.parametrize("shell", SHELLS)
def test_sigterm_reaches_what_runs_and_its_save_is_waited_for(shell):
    script = pods.script([python(SAVES), ["printf", "%s\n", "second"]])
    started = subprocess.Popen([shell, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert started.stdout.readline() == "trains\n"
        os.kill(started.pid, signal.SIGTERM)  # the first process alone, as of a container
        stdout, stderr = started.communicate(timeout=30)
    finally:
        started.kill()
    assert (started.returncode, stdout, stderr) == (75, "saved\n", "")


@pytest.mark.process
@pytest.mark.parametrize("shell", SHELLS)
def test_sigterm_while_the_first_ends_well_starts_no_second(shell):
    ends = python("import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
                  "print('trains', flush=True); time.sleep(60)")
    script = pods.script([ends, ["printf", "%s\n", "second"]])
    started = subprocess.Popen([shell, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert started.stdout.readline() == "trains\n"
        os.kill(started.pid, signal.SIGTERM)
        stdout, _ = started.communicate(timeout=30)
    finally:
        started.kill()
    assert (started.returncode, stdout) == (75, "")


@pytest.mark.process
@pytest.mark.parametrize("shell", SHELLS)
def test_a_command_that_has_just_begun_gets_one_signal_and_in_time(shell):
    """A fork that is not the command yet, and Python before its handlers, would save nothing; a second one kills."""
    begins = python("""
import signal, sys, time
came = []
print("began", flush=True)
time.sleep(0.3)
signal.signal(signal.SIGTERM, lambda *_: came.append(1))
while not came:
    time.sleep(0.01)
time.sleep(1.5)
print(len(came), flush=True)
sys.exit(75)
""")
    started = subprocess.Popen([shell, "-c", pods.script([begins])], stdout=subprocess.PIPE, text=True)
    try:
        assert started.stdout.readline() == "began\n"
        started.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        started.send_signal(signal.SIGTERM)
        stdout, _ = started.communicate(timeout=30)
    finally:
        started.kill()
    assert (started.returncode, stdout) == (75, "1\n")


@pytest.mark.process
@pytest.mark.parametrize("shell", SHELLS)
def test_sigterm_at_any_moment_is_lost_nowhere(shell):
    """Also between two commands, and before the first is more than a fork: all end, as to be resumed."""
    saves = python("import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(75))\ntime.sleep(60)")
    script, draw = pods.script([["true"], saves, ["sleep", "60"]]), random.Random(0)
    started = []
    for _ in range(40):
        started.append(subprocess.Popen([shell, "-c", script], stderr=subprocess.DEVNULL))
        time.sleep(draw.uniform(0, 0.02))
        started[-1].send_signal(signal.SIGTERM)
    try:
        # -15: the shell had not read its first line. A container's first process is not ended so, and goes on.
        assert {each.wait(timeout=30) for each in started} <= {75, 143, -signal.SIGTERM}
    finally:
        for each in started:
            each.kill()
            each.wait()


@pytest.mark.process
@pytest.mark.parametrize("shell", SHELLS)
def test_flags_are_shell_text(shell, monkeypatch):
    monkeypatch.setenv("JOB_INDEX", "2")
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "3")
    status, said, _ = run(shell, ["printf", "%s\n"], flags=['"--process_id=$((JOB_INDEX * 4 + JOB_COMPLETION_INDEX))"'])
    assert (status, said) == (0, ["--process_id=11"])


def test_kubernetes_puts_nothing_into_what_is_escaped():
    draw = random.Random(0)
    texts = ["$(HOME)", "$$(HOME)", "$$", "$", "a$", "$(", "$((A * 4 + B))", "$x$(HOME)", pods.script([["$(HOME)"]])]
    texts += ["".join(draw.choices("$()Ax ", k=draw.randint(1, 12))) for _ in range(3000)]
    assert expanded("$(HOME) $$(HOME) $HOME $(B)", {"HOME": "/root"}) == "/root $(HOME) $HOME $(B)"
    for text in texts:
        assert expanded(pods.escaped(text), {"HOME": "/root", "A": "1", "x": "2", "": "3"}) == text, text
    assert pods.escaped('kill "$child" $? $@') == 'kill "$child" $? $@'
