"""What the tests of the worker and of its client share (no tests here)."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from XrayToCTLib.worker_client import WorkerClient

PATIENCE_SECONDS = 300
NO_MODELS_OF_THE_USER = {"XRAYTOCT_CACHE": os.devnull, "XRAYTOCT_MODELS": ""}


def events_until_done(client: WorkerClient) -> list[dict]:
    """All events until no request is open."""
    events = client.poll()
    end = time.monotonic() + PATIENCE_SECONDS
    while client.is_busy:
        assert time.monotonic() < end, events
        time.sleep(0.02)
        events += client.poll()
    return events + client.poll()


def ask(client: WorkerClient, **request: object) -> dict:
    """The last event of one request."""
    number = client.submit(request)
    events = [event for event in events_until_done(client) if event.get("id") == number]
    assert [event["event"] for event in events[:-1]] == ["progress"] * (len(events) - 1)
    return events[-1]


def fake(program: str) -> list[str]:
    return [sys.executable, "-c", f"import json, os, subprocess, sys, time\n{program}"]


def is_alive(number: int) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # the second: it ended between opening and reading
        return False
    return state != "Z"


def wait_for(condition: Callable[[], object], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
