"""The worker's client: it never waits, and ends what it started; through real processes, pipes and signals."""

import os
import signal
import subprocess
import sys
import time

import pytest

from own_time import OwnTime
from worker_helpers import NO_MODELS_OF_THE_USER, PATIENCE_SECONDS, ask, events_until_done, fake, is_alive, wait_for
from XrayToCTLib.errors import DeviceError
from XrayToCTLib.worker_client import WorkerClient

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

OBEDIENT = (
    "for line in sys.stdin:\n"
    "    number = json.loads(line)['id']\n"
    "    print('XRAYTOCT:' + json.dumps({'id': number, 'event': 'result', 'result': {}}), flush=True)"
)
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
#: A worker whose child does not end when asked; it tells the numbers of both.
PARENT = (
    f"child = subprocess.Popen([sys.executable, '-c', {STUBBORN!r}], stdout=subprocess.PIPE)\n"
    "child.stdout.readline()\n"
    "number = json.loads(sys.stdin.readline())['id']\n"
    "event = {'id': number, 'event': 'progress', 'pids': [os.getpid(), child.pid]}\n"
    "print('XRAYTOCT:' + json.dumps(event), flush=True)\n"
)


def test_the_client_starts_without_torch_numpy_or_qt():
    program = (
        "from XrayToCTLib import worker_client\n"
        "client = worker_client.WorkerClient()\n"
        "heavy = {'torch', 'numpy', 'scipy', 'SimpleITK', 'pydicom', 'monai', 'qt', 'PySide6', 'slicer'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(fake(program), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def pids_of(client: WorkerClient) -> tuple[int, int]:
    """Of a started PARENT and its child."""
    events: list[dict] = []

    def told() -> bool:
        events.extend(client.poll())
        return any("pids" in event for event in events)

    assert wait_for(told, PATIENCE_SECONDS)
    parent, child = next(event["pids"] for event in events if "pids" in event)
    assert is_alive(parent)
    assert is_alive(child)
    return parent, child


@POSIX
@pytest.mark.parametrize("stubborn", [False, True], ids=["a worker that obeys", "a worker that ignores SIGTERM"])
def test_cancel_ends_the_worker_and_its_child_within_a_second(stubborn, tmp_path):
    ignoring = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" if stubborn else ""
    client = WorkerClient(fake(ignoring + PARENT + "time.sleep(600)"))
    number = client.submit({"job": "generate", "output": tmp_path / "out"})
    parent, child = pids_of(client)
    # what a writer that is killed in the middle leaves
    (tmp_path / "out" / ".xraytoct-half" / "new").mkdir(parents=True)
    own_time = OwnTime()
    started, began = time.monotonic(), own_time.seconds()
    client.cancel()
    assert own_time.seconds() - began < 0.1  # a viewer's event loop must not stop for it
    assert not client.is_busy
    assert [(event["id"], event["code"]) for event in client.poll()] == [(number, 130)]
    assert wait_for(lambda: not is_alive(parent) and not is_alive(child), 1.0 - (time.monotonic() - started))
    client.close()
    assert not (tmp_path / "out").exists()
    assert client.poll() == []


@POSIX
def test_a_cancelled_job_of_the_real_worker_leaves_nothing_and_the_next_request_works(tiny, chest_png, tmp_path):
    client = WorkerClient(environment=NO_MODELS_OF_THE_USER)
    client.submit({"job": "generate", "xray": chest_png, "output": tmp_path / "out", "model": tiny, "refine": 100_000})
    events: list[dict] = []

    def generates() -> bool:
        events.extend(client.poll())
        return any(event.get("stage") == "generate" for event in events)

    assert wait_for(generates, PATIENCE_SECONDS)
    client.cancel()
    assert [event["code"] for event in client.poll() if event["event"] == "error"] == [130]
    end = ask(client, job="models")
    assert end["event"] == "result"
    client.close()
    assert not (tmp_path / "out").exists()


@POSIX
def test_a_worker_that_is_killed_gives_an_error_for_each_open_request(tmp_path):
    client = WorkerClient(fake(PARENT + "print('the last word', file=sys.stderr)\ntime.sleep(600)"))
    numbers = [client.submit({"job": "models"}) for _ in range(2)]
    parent, child = pids_of(client)
    os.kill(parent, signal.SIGKILL)
    errors = events_until_done(client)
    assert [(event["id"], event["code"]) for event in errors] == [(number, 5) for number in numbers]
    assert all("memory" in event["message"] for event in errors)
    assert errors[0]["cause"] == "the last word"
    assert wait_for(lambda: not is_alive(child), 5)
    client.close()


def test_a_worker_that_fails_to_start_tells_why():
    client = WorkerClient(fake("import no_such_module"))
    end = ask(client, job="models")
    assert (end["event"], end["code"]) == ("error", 1)
    assert "no_such_module" in end["cause"]
    assert not client.is_busy
    client.close()
    missing = WorkerClient([os.path.join("nowhere", "python")])
    with pytest.raises(DeviceError, match="cannot be started"):
        missing.submit({"job": "models"})
    assert not missing.is_busy


def test_a_worker_that_says_much_is_read_and_never_waited_for():
    loud = "sys.stderr.write('x' * 5_000_000 + '\\n'); sys.stderr.flush(); print('y' * 5_000_000, flush=True)\n"
    client = WorkerClient(fake(loud + OBEDIENT))
    number = client.submit({"job": "models"})
    longest, own_time = 0.0, OwnTime()
    while client.is_busy:
        started = own_time.seconds()
        events = client.poll()
        longest = max(longest, own_time.seconds() - started)
        time.sleep(0.01)
    assert [event["id"] for event in events] == [number]
    assert longest < 0.1
    client.close()


def test_requests_for_which_there_are_methods_are_refused():
    for job in ("cancel", "shutdown"):
        with pytest.raises(ValueError, match="use cancel"):
            WorkerClient().submit({"job": job})


@POSIX
def test_the_worker_ends_when_its_client_is_killed(tmp_path):
    program = (
        "from XrayToCTLib.worker_client import WorkerClient\n"
        "client = WorkerClient()\n"
        "client.submit({'job': 'models'})\n"
        "print(client._process.process.pid, flush=True)\n"
        "time.sleep(600)"
    )
    viewer = subprocess.Popen(fake(program), stdout=subprocess.PIPE, text=True)
    number = int(viewer.stdout.readline())
    assert is_alive(number)
    viewer.kill()
    viewer.wait()
    viewer.stdout.close()
    assert wait_for(lambda: not is_alive(number), PATIENCE_SECONDS)
