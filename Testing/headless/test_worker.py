"""The worker process: its jobs, and what goes over its pipes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import SimpleITK as sitk
from PIL import Image

from worker_helpers import NO_MODELS_OF_THE_USER, PATIENCE_SECONDS, ask, events_until_done, fake
from XrayToCTLib.projection import Geometry
from XrayToCTLib.worker_client import WorkerClient
from XrayToCTLib.worker_protocol import PREFIX


@pytest.fixture(scope="module")
def client() -> Iterator[WorkerClient]:
    """A worker that all tests share who do not kill it."""
    client = WorkerClient(environment=NO_MODELS_OF_THE_USER)
    yield client
    client.close()


def test_a_generate_job_writes_what_a_scene_needs(client, tiny, chest_dicom, tmp_path):
    out = tmp_path / "out"
    number = client.submit(
        {"job": "generate", "xray": chest_dicom, "output": out, "model": tiny, "uncertainty": 2, "crop": [0, 1, 0.1, 1]}
    )
    events = [event for event in events_until_done(client) if event.get("id") == number]
    progress, result = events[:-1], events[-1]["result"]
    stages = list(dict.fromkeys(event["stage"] for event in progress))
    assert stages == ["load", "read", "generate", "uncertainty", "project", "classify", "check", "write"]
    fractions = [event["fraction"] for event in progress]
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] < 0.5 < fractions[-1] < 1
    assert progress[-1]["seconds_left"] >= 0
    for name in ("ct", "radiograph", "projection", "difference", "uncertainty", "saliency"):
        image = sitk.ReadImage(str(out / f"{name}.nrrd"))
        assert "NOT FOR DIAGNOSTIC USE" in image.GetMetaData("XrayToCT.Notice")
        assert image.GetMetaData("XrayToCT.Synthetic") == ("NO" if name == "radiograph" else "YES")
        assert image.GetDimension() == 3
    planes = [sitk.ReadImage(str(out / f"{name}.nrrd")) for name in ("radiograph", "projection", "difference")]
    xray, projection, difference = map(sitk.GetArrayFromImage, planes)
    assert (projection - xray) == pytest.approx(difference, abs=1e-6)
    assert planes[0].GetSize()[:2] == tuple(result["geometry"]["detector_pixels"])
    assert json.loads((out / "result.json").read_text()) == result
    assert Geometry.from_dict(result["geometry"]).view == "PA"
    assert result["reading"]["crop"] == [0, 1, 0.1, 1]
    assert result["xray"]["sop_instance_uid"]
    assert sum(result["classes"].values()) == pytest.approx(1, abs=1e-5)
    assert all(0 <= value <= 1 for value in result["findings"].values())
    assert {Path(path).name for path in result["outputs"].values()} == {path.name for path in out.iterdir()}

    later = ask(client, job="export", result=out, xray=chest_dicom, output=tmp_path / "later", formats=["dicom", "png"])
    assert later["result"]["classes"] == result["classes"]
    assert later["result"]["comparison"] == result["comparison"]
    assert (tmp_path / "later" / "dicom").is_dir()
    refused = ask(client, job="export", result=tmp_path, output=tmp_path / "other")
    assert (refused["event"], refused["code"]) == ("error", 3)
    refused = ask(client, job="export", result=out, output=tmp_path / "other", formats=["npy"])
    assert (refused["code"], "npy" in refused["message"]) == (2, True)
    assert not (tmp_path / "other").exists()

    again = ask(client, job="generate", xray=chest_dicom, output=out, model=tiny)["result"]
    assert {Path(path).name for path in again["outputs"].values()} == {path.name for path in out.iterdir()}
    assert not (out / "uncertainty.nrrd").exists()  # it belongs to the result that was replaced


def test_a_model_is_loaded_once_and_again_when_its_file_changes(tiny, chest_png, tmp_path):
    """Loads are counted where they happen: in a worker whose loader is wrapped."""
    program = (
        "from XrayToCTLib import worker, worker_jobs\n"
        "load = worker_jobs.load_models\n"
        "def counted(*wanted):\n"
        "    print('LOADED', file=open(os.environ['LOADS'], 'a'))\n"
        "    return load(*wanted)\n"
        "worker_jobs.load_models = counted\n"
        "sys.exit(worker.main())"
    )
    loads = tmp_path / "loads"
    model = tmp_path / "copy.safetensors"
    model.write_bytes(Path(tiny).read_bytes())
    client = WorkerClient(fake(program), {**NO_MODELS_OF_THE_USER, "LOADS": str(loads)})
    request = {"job": "generate", "xray": chest_png, "output": tmp_path / "out", "model": model}
    counts = []
    for change in (False, False, True):
        if change:
            os.utime(model, ns=(1, 1))
        assert ask(client, **request)["event"] == "result"
        counts.append(loads.read_text().count("LOADED"))
    client.close()
    assert counts == [1, 1, 2]


def test_a_preview_shows_the_picture_that_the_network_will_get(client, tiny, chest_dicom, tmp_path):
    reading = {"xray": chest_dicom, "model": tiny, "flip": True, "view": "AP"}
    preview = ask(client, job="preview", output=tmp_path / "preview", **reading)["result"]
    made = ask(client, job="generate", output=tmp_path / "out", formats=["png"], **reading)["result"]
    pictures = [Image.open(path).tobytes() for path in (preview["image"], made["outputs"]["xray"])]
    assert pictures[0] == pictures[1]
    assert preview["size_mm"] == pytest.approx([256 * 1.4 * 1600 / 1800] * 2)
    assert preview["header"]["view"] == "PA"
    assert preview["view"] == "AP"
    assert preview["header"]["polarity"] == "MONOCHROME2"
    assert any("exchanged on request" in warning for warning in preview["warnings"])
    assert "Doe" not in json.dumps(preview)


def test_the_models_are_listed_with_what_they_need(client):
    result = ask(client, job="models")["result"]
    kinds = {model["kind"]: model for model in result["models"] if model["is_default"]}
    assert {"generator", "ct_classifier", "input_check"} <= set(kinds)
    generator = kinds["generator"]
    assert Path(generator["file"]).is_file()
    assert len(generator["sha256"]) == 64
    # at least the volume and the weights, in float32
    assert generator["memory_mb"] >= (4 * generator["voxels"] ** 3 + 2 * 1e6 * generator["size_mb"]) / 1e6
    assert generator["description"].endswith(".")
    assert result["problems"] == []


WRONG = {
    "out of a folder": ({"xray": "/nowhere/../x.png"}, 3, "does not exist"),
    "missing": ({"xray": "/nowhere/x.png"}, 3, "x.png"),
    "folder": ({"xray": "FOLDER"}, 3, "not a file"),
    "text": ({"xray": "TEXT"}, 3, "text.txt"),
    "null byte": ({"xray": "/tmp/a\0b.png"}, 2, "whole path"),
    "surrogate": ({"xray": "/tmp/\udcff.png"}, 3, "does not exist"),
    "number as a path": ({"xray": 7}, 2, "'xray'"),
    "no path": ({"xray": None}, 2, "'xray'"),
    "output is a file": ({"output": "TEXT"}, 3, "another output folder"),
    "output below a file": ({"output": "TEXT/below"}, 3, "another output folder"),
    "unknown model": ({"model": "nothing"}, 4, "nothing"),
    "model that is none": ({"model": "TEXT.safetensors"}, 4, "safetensors"),
    "model out of the search path": ({"model": "../../secret"}, 4, "secret"),
    "unknown key": ({"refinement": 3}, 2, "refinement"),
    "unknown device": ({"device": "gpu"}, 2, "device"),
    "one sample": ({"uncertainty": 1}, 2, "one volume has no spread"),
    "negative steps": ({"refine": -1}, 2, "steps"),
    "true as a number": ({"refine": True}, 2, "'refine'"),
    "unknown format": ({"formats": ["exe"]}, 2, "formats"),
    "odd formats": ({"formats": [["nrrd"]]}, 2, "formats"),
    "empty crop": ({"crop": [0.5, 0.5, 0, 1]}, 2, "crop"),
    "short crop": ({"crop": [0, 1]}, 2, "crop"),
    "unknown view": ({"view": "LL"}, 2, "view"),
    "pseudonym for nothing": ({"pseudonym": "ANON-1"}, 2, "pseudonym"),
    "study for nothing": ({"study_uid": "2.25.1"}, 2, "study_uid"),
    "word as a study": ({"anonymise": True, "study_uid": "DOE"}, 2, "study_uid"),
    "path as a pseudonym": ({"anonymise": True, "pseudonym": "../x"}, 2, "pseudonym"),
}


def test_a_wrong_request_gets_its_code_and_the_worker_goes_on(client, tiny, chest_png, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("not a picture")
    places = {"FOLDER": tmp_path, "TEXT": text, "TEXT/below": text / "below", "TEXT.safetensors": f"{text}.safetensors"}
    sent = {}
    for name, (change, _, _) in WRONG.items():
        change = {key: places.get(value, value) if type(value) is str else value for key, value in change.items()}
        right = {"job": "generate", "xray": chest_png, "output": tmp_path / "out", "model": tiny}
        sent[client.submit({**right, **change})] = name
    ends = {event["id"]: event for event in events_until_done(client) if event["event"] in ("result", "error")}
    for number, name in sent.items():
        _, code, word = WRONG[name]
        assert (ends[number]["event"], ends[number].get("code")) == ("error", code), (name, ends[number])
        assert word in ends[number]["message"], (name, ends[number])
        assert ends[number]["message"].endswith("."), name
    assert not (tmp_path / "out").exists()
    assert ask(client, job="models")["event"] == "result"


def test_relative_paths_are_those_of_the_client(client, tiny, chest_png, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.png").write_bytes(chest_png.read_bytes())
    end = ask(client, job="generate", xray="here.png", output="out", model=tiny)
    assert end["result"]["outputs"]["ct"] == str(tmp_path / "out" / "ct.nrrd")


def worker() -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "XrayToCTLib.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **NO_MODELS_OF_THE_USER},
    )


def parsed(output: bytes) -> list[dict]:
    lines = output.decode("ascii").splitlines()
    assert all(line.startswith(PREFIX) for line in lines)
    return [json.loads(line.removeprefix(PREFIX)) for line in lines]


def test_garbage_gets_errors_and_shutdown_comes_after_what_was_asked_before():
    garbage = [b"\xff\xfe\x00garbage", b"[]", b"7", b"", b'{"id": 5}', b'{"job": "models"}', b'{"job": ["models"]}']
    garbage += [b'{"id": 3, "job": "generate", "xray": "x.png", "output": "out"}']  # whose folder?
    garbage += [b'{"id": true, "job": "models"}', b"[" * 100_000, b'"' + b"x" * 2_000_000 + b'"']
    sent = [*garbage, b'{"id": 9, "job": "cancel"}', b'{"id": 1, "job": "models"}', b'{"job": "shutdown"}', b"after"]
    process = worker()
    output, errors = process.communicate(b"\n".join(sent) + b"\n", timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, errors
    events = parsed(output)
    assert events[0] == {"event": "ready"}
    refused = [event for event in events if event["event"] == "error"]
    assert len(refused) == len([line for line in garbage if line])
    assert all(event["code"] == 2 for event in refused)
    assert [event["id"] for event in events if event["event"] == "result"] == [1]


def test_the_end_of_input_ends_it_and_cancels_what_runs(chest_png, tmp_path):
    request = {"id": 1, "job": "generate", "xray": str(chest_png), "output": str(tmp_path / "out"), "refine": 100_000}
    process = worker()
    process.stdin.write(json.dumps(request).encode() + b"\n")
    process.stdin.flush()
    while b'"generate"' not in (line := process.stdout.readline()):
        assert line, process.stderr.read()
    output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
    assert parsed(output)[-1] | {"message": ""} == {
        "id": 1,
        "event": "error",
        "code": 130,
        "message": "",
        "cause": None,
    }
    assert not (tmp_path / "out").exists()


def test_a_cancel_between_stages_ends_one_request_and_keeps_the_others(chest_png, tiny, tmp_path):
    def generate(number: int, **more: object) -> bytes:
        out = str(tmp_path / str(number))
        request = {"id": number, "job": "generate", "xray": str(chest_png), "output": out, "model": tiny, **more}
        return json.dumps(request).encode() + b"\n"

    process = worker()
    process.stdin.write(generate(1, refine=100_000) + generate(2) + generate(3) + b'{"id": 2, "job": "cancel"}\n')
    process.stdin.flush()
    while b'"generate"' not in (line := process.stdout.readline()):
        assert line, process.stderr.read()
    process.stdin.write(b'{"id": 1, "job": "cancel"}\n{"job": "shutdown"}\n')
    output, errors = process.communicate(timeout=PATIENCE_SECONDS)
    ends = {event["id"]: event.get("code") for event in parsed(output) if event["event"] != "progress"}
    assert ends == {1: 130, 2: 130, 3: None}, errors
    assert [path.name for path in tmp_path.iterdir()] == ["3"]


def test_what_libraries_print_never_falls_into_an_event():
    program = (
        "from XrayToCTLib import worker, worker_jobs\n"
        "listed = worker_jobs.list_of_models\n"
        "def noisy():\n"
        "    print('from Python', end='', flush=True)\n"
        "    os.write(1, b'from C')\n"
        "    return listed()\n"
        "worker_jobs.list_of_models = noisy\n"
        "print('before', end='', flush=True)\n"  # as a launcher may, before the worker owns its output
        "sys.exit(worker.main())"
    )
    client = WorkerClient(fake(program), NO_MODELS_OF_THE_USER)
    assert [ask(client, job="models")["event"] for _ in range(2)] == ["result", "result"]
    client.close()


def test_an_internal_error_is_reported_and_the_worker_goes_on():
    program = (
        "from XrayToCTLib import worker, worker_jobs\n"
        "def broken():\n"
        "    raise KeyError('x')\n"
        "worker_jobs.list_of_models = broken\n"
        "sys.exit(worker.main())"
    )
    client = WorkerClient(fake(program), NO_MODELS_OF_THE_USER)
    for _ in range(2):
        end = ask(client, job="models")
        assert (end["code"], end["cause"]) == (1, "KeyError: 'x'")
    client.close()
