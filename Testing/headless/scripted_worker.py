"""Speaks the worker's protocol without any network, for tests of the panel: ``scripted_worker.py RESULT_FOLDER``.

The X-ray's name says what becomes of it: "bad" is refused, "slow" goes on until it is
cancelled, "crash" ends the process.
All others lead to a copy of RESULT_FOLDER. Each request is noted in RESULT_FOLDER/requests.jsonl.
"""

import json
import os
import shutil
import sys
import time
from pathlib import Path

STAGES = ("load", "read", "generate", "uncertainty", "project", "classify", "check", "write")


def say(**event) -> None:
    print("XRAYTOCT:" + json.dumps(event), flush=True)


def main(made: Path) -> None:
    say(event="ready")
    for line in sys.stdin:
        request = json.loads(line)
        with (made / "requests.jsonl").open("a") as file:
            file.write(json.dumps({**request, "pid": os.getpid()}) + "\n")
        number = request["id"]
        try:
            say(id=number, event="result", result=answer(request, made))
        except ValueError as refusal:
            say(id=number, event="error", code=3, message=str(refusal), cause=None)


def answer(request: dict, made: Path) -> dict:
    if request["job"] == "models":
        return {"models": [model("tiny", True), model("other", False)], "problems": []}
    if request["job"] == "import":
        return {"name": "imported", "kind": "generator", "file": request["file"]}
    if request["job"] == "export":
        output = Path(request["output"])
        shutil.copytree(request["result"], output)
        (output / "report.html").write_text("report")
        return {"outputs": {"report": str(output / "report.html")}}
    if request["job"] == "project":
        picture = Path(request["output"]) / "projection.nrrd"
        shutil.copy(made / "projection.nrrd", picture)
        return {"projection": str(picture)}
    source, output = Path(request["xray"]), Path(request["output"])
    if "bad" in source.name:
        raise ValueError(f"{source} is not an image of a known kind or is damaged; give DICOM, PNG or NRRD.")
    output.mkdir(parents=True, exist_ok=True)
    if request["job"] == "preview":
        shutil.copy(made / "xray.png", output / "preview.png")
        return {
            "image": str(output / "preview.png"),
            "size_mm": [285.0, 285.0],
            "size_is_nominal": "unsized" in str(request["xray"]),
            "view": request["view"] or "PA",
            "warnings": ["Sizes are nominal."],
            "header": {"view": None},
        }
    for count, stage in enumerate(STAGES):
        say(id=request["id"], event="progress", stage=stage, fraction=count / len(STAGES), seconds_left=8 - count)
        time.sleep(600 if "slow" in source.name and stage == "generate" else 0.02)
        if "crash" in source.name and stage == "generate":
            os._exit(1)
    for file in made.glob("*.nrrd"):
        shutil.copy(file, output)
    shutil.copy(made / "result.json", output)
    (output / "report.html").write_text("report")
    return {**json.loads((made / "result.json").read_text()), "outputs": {"report": str(output / "report.html")}}


def model(name: str, is_default: bool) -> dict:
    return {
        "name": name,
        "kind": "generator",
        "file": f"{name}.safetensors",
        "sha256": "0123456789abcdef" * 4,
        "is_default": is_default,
        "description": "Makes a CT volume of one frontal chest X-ray.",
        "memory_mb": 420,
        "card": f"# {name}\n\nA model card.",
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
