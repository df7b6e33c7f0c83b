"""``--anonymise``: no string that tells whose X-ray it was is in any byte of any output, and the geometry is."""

import base64
import gzip
import io
import json
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from PIL import Image

from conftest import write_dicom
from made_prediction import made_prediction
from XrayToCTLib.anonymise import BURNED_IN, anonymise, anonymous_header
from XrayToCTLib.cli import main
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.outputs import summary, write_outputs
from XrayToCTLib.radiograph import Radiograph, read_radiograph

ALL_FORMATS = "nrrd,nifti,dicom,mrb,png,pdf,npy"
TODAY = datetime.now()
IDENTITY = {
    "PatientName": "Grünwald^Annegret^^Dr",
    "PatientID": "MRN-7731-4402",
    "IssuerOfPatientID": "ISSUER-OF-K",
    "OtherPatientNames": "Vormals^Petra",
    "PatientBirthDate": "19430817",
    "PatientBirthTime": "041533",
    "PatientSex": "F",
    "PatientAge": "081Y",
    "PatientAddress": "Lindenallee 12b",
    "PatientTelephoneNumbers": "0049-331-55",
    "PatientComments": "speaks Sorbian",
    "EthnicGroup": "Sorbian",
    "AccessionNumber": "ACC-90013-X",
    "StudyID": "STUDY-55-Z",
    "StudyDescription": "Thorax Station 7B",
    "SeriesDescription": "pa liegend Zimmer 14",
    "StudyDate": f"{TODAY:%Y%m%d}",
    "SeriesDate": "20240312",
    "ContentDate": "20240313",
    "AcquisitionDate": "20240314",
    "StudyTime": "071359.25",
    "InstitutionName": "Klinikum Beispielheim",
    "InstitutionAddress": "Am Markt 1, Beispielheim",
    "InstitutionalDepartmentName": "Radiologie Nord",
    "StationName": "ROENTGEN-3",
    "DeviceSerialNumber": "SN-448812",
    "ReferringPhysicianName": "Überweiser^Karl",
    "OperatorsName": "Bediener^Uwe",
    "PerformingPhysicianName": "Arzt^Ute",
    "RequestingService": "Pneumologie-Ambulanz",
    "ProtocolName": "THX-PROTO-9",
    "BodyPartExamined": "SCHULTER LI",
    "DeidentificationMethod": "homemade 1.0",
    "StudyInstanceUID": pydicom.uid.generate_uid(),
    "SeriesInstanceUID": pydicom.uid.generate_uid(),
    "FrameOfReferenceUID": pydicom.uid.generate_uid(),
    "SOPInstanceUID": pydicom.uid.generate_uid(),
}
ENCODINGS = ("utf-8", "latin-1", "utf-16-be", "utf-16-le")
PRIVATE = "private Grunwald note"
# Too short to be looked for as they are; the DICOM attributes are checked for them.
SHORT = {"PatientSex", "PatientAge"}


def secrets_of(header: dict[str, str], source: Path) -> set[str]:
    """Every part of a value that could be recognised, and how a date would be written out.

    Parts under six letters turn up by chance in so many bytes of voxels and of base64.
    """
    parts = {source.stem, PRIVATE, f"{TODAY:%Y-%m-%d}"}
    for keyword, value in header.items():
        if keyword not in SHORT:
            parts |= {value, *(part for part in re.split(r"[\^]", value) if len(part) > 5)}
    return parts


def contents(name: str, data: bytes) -> Iterator[bytes]:
    """The bytes of a file, and of what is packed into it: archives, compressed text and voxels, embedded pictures."""
    yield data
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as bundle:
            for member in bundle.namelist():
                yield member.encode()
                yield from contents(member, bundle.read(member))
    elif data.startswith(b"\x1f\x8b"):
        yield gzip.decompress(data)
    elif data.startswith(b"NRRD"):
        yield gzip.decompress(data.partition(b"\n\n")[2])
    elif data.startswith(b"\x89PNG"):
        yield repr(Image.open(io.BytesIO(data)).text).encode()
    elif data.startswith(b"%PDF"):
        for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", data, re.DOTALL):
            try:
                yield zlib.decompress(stream)
            except zlib.error:
                yield stream  # a JPEG
    elif b"<!DOCTYPE html>" in data:
        for part in re.findall(rb"base64,([A-Za-z0-9+/=]+)", data):
            yield from contents("picture", base64.b64decode(part))


def leaks(folder: Path, secrets: set[str]) -> set[tuple[str, str]]:
    """(file, secret) in any encoding that a format uses, in names as well as in bytes; letter case aside."""
    found = set()
    for path in [folder, *folder.rglob("*")]:
        pieces = [str(path.relative_to(folder)).encode()]
        pieces += contents(path.name, path.read_bytes()) if path.is_file() else []
        for piece in pieces:
            lower = piece.lower()  # of ASCII alone, as below
            for secret in secrets:
                words = {secret.encode(code, "replace").lower() for code in ENCODINGS}
                if any(word in lower for word in words):
                    found.add((path.name, secret))
    return found


@pytest.fixture(scope="module")
def xray(radiograph_pixels, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("identity") / "gruenwald_annegret_1943.dcm"
    write_dicom(
        path, np.rint(radiograph_pixels * 4095).astype(np.uint16), SpecificCharacterSet="ISO_IR 192", **IDENTITY
    )
    dataset = pydicom.dcmread(path)
    dataset.private_block(0x0099, "Grunwald creator", create=True).add_new(1, "LO", PRIVATE)
    dataset.save_as(path)
    return path


@pytest.fixture(scope="module")
def anonymised(xray, run, tmp_path_factory):
    """A batch of one through the real command: the folder, standard output and standard error."""
    pytest.importorskip("slicer", reason="slicer-core is not installed")
    out = tmp_path_factory.mktemp("anonymised") / "results"
    done = run("generate", xray.parent, "-o", out, "--anonymise", "--formats", ALL_FORMATS, "--json", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    return out, done.stdout, done.stderr


def test_no_string_of_the_source_is_in_any_byte_of_any_output(anonymised, xray) -> None:
    out, printed, _ = anonymised
    assert len(list(out.rglob("*.*"))) > 130
    secrets = secrets_of(IDENTITY, xray)
    assert leaks(out, secrets) == set()
    assert [secret for secret in secrets if secret.lower() in printed.lower()] == []


def test_the_search_finds_such_strings_where_they_were_not_removed(xray, tmp_path) -> None:
    """Else the test above would assert nothing."""
    pytest.importorskip("slicer", reason="slicer-core is not installed")
    write_outputs(made_prediction(read_radiograph(xray), xray), tmp_path / "out", ALL_FORMATS.split(","))
    found = leaks(tmp_path / "out", secrets_of(IDENTITY, xray))
    assert {path for path, _ in found} >= {
        "IM00001.dcm",
        "projection.dcm",
        "results.dcm",
        "scene.mrb",
        "report.html",
        "report.pdf",
    }
    assert {secret for _, secret in found} >= {
        *("MRN-7731-4402", "Grünwald", "19430817", "ACC-90013-X", "STUDY-55-Z", "Überweiser", "SCHULTER LI"),
        *(IDENTITY["StudyInstanceUID"], IDENTITY["SOPInstanceUID"], xray.stem, f"{TODAY:%Y-%m-%d}"),
    }


def test_the_objects_say_that_they_were_anonymised_and_stay_together(anonymised) -> None:
    out, _, _ = anonymised
    items = [pydicom.dcmread(path) for path in out.rglob("*.dcm")]
    assert len(items) == 386  # CT, uncertainty and saliency, 128 slices each, projection and report
    (folder,) = out.iterdir()
    for item in items:
        assert (item.PatientName, item.PatientID) == (folder.name, folder.name)
        assert (item.PatientIdentityRemoved, item.LongitudinalTemporalInformationModified) == ("YES", "REMOVED")
        assert "anonymise" in item.DeidentificationMethod
        assert item.PatientBirthDate == item.PatientSex == item.StudyDate == item.StudyTime == ""
        assert item.StudyID == item.AccessionNumber == item.ReferringPhysicianName == ""
        assert not [element for element in item.iterall() if element.tag.is_private]
        assert not [
            (element.keyword, element.value)
            for element in item.iterall()
            if element.VR in ("DA", "TM", "DT") and element.value not in ("", "19000101", "000000")
        ]
        assert item.SyntheticData == "YES"
        assert "SourceImageSequence" not in item
    assert len({item.StudyInstanceUID for item in items}) == 1


def test_the_geometry_is_kept(anonymised) -> None:
    """As test_cli computes it from spacing, distances and the model's field."""
    out, _, _ = anonymised
    side_mm = 256 * 1.4 * 1600 / 1800 * 320 / (500 * 541 / 949)
    (path,) = out.rglob("ct.nrrd")
    assert sitk.ReadImage(str(path)).GetSpacing() == pytest.approx([side_mm / 128] * 3, rel=1e-4)


def test_only_the_terminal_learns_which_file_it_was(anonymised, xray) -> None:
    out, printed, errors = anonymised
    (folder,) = out.iterdir()
    result = json.loads(printed)
    assert re.fullmatch(r"ANON-[0-9a-f]{8}", folder.name)
    assert result["input"] == folder.name
    assert f"{xray.name} -> {folder.name}" in errors
    assert BURNED_IN in result["warnings"]


def radiograph(**header: str) -> Radiograph:
    dataset = pydicom.Dataset()
    for keyword, value in header.items():
        setattr(dataset, keyword, value)
    return Radiograph(np.zeros((64, 64), np.float32), None, None, "PA", Path("doe_jane.dcm"), (), dataset)


@pytest.mark.parametrize("value", ["O'BRIEN JANE", 'SAYS "JANE"', "JANE", 'O\'BRIEN "JANE"'])
def test_warnings_lose_what_they_quote(value: str) -> None:
    quoting = f"The DICOM header names the body part {value!r}, not the chest."
    source = Path("/data/doe_jane.dcm")
    others = ("The X-ray's size is the model's guess.", f"{source} and doe_jane.dcm are odd.")
    prediction = replace(made_prediction(radiograph(), source), warnings=(quoting, *others))
    warnings = anonymise(prediction, "ANON-1").warnings
    assert warnings[:2] == ("The DICOM header names the body part (removed), not the chest.", others[0])
    assert warnings[2] == "(removed) and (removed) are odd."


def test_pixels_that_name_the_patient_are_refused() -> None:
    prediction = made_prediction(radiograph(BurnedInAnnotation="YES"), Path("doe.dcm"))
    with pytest.raises(UnsuitableInput, match=r"doe\.dcm .*burnt into its pixels"):
        anonymise(prediction, "ANON-1")


def test_the_case_is_renamed_everywhere_also_without_a_dicom_header() -> None:
    for source in (made_prediction(None, Path("doe_jane.npy")), made_prediction(radiograph(), Path("doe_jane.dcm"))):
        prediction = anonymise(source, "ANON-1")
        assert "doe" not in json.dumps(summary(prediction, {}, 0.0))
        assert "doe" not in repr(replace(prediction, warnings=()))
    assert anonymous_header("ANON-1").PatientID == "ANON-1"


def test_a_folder_that_holds_results_from_before_is_refused(chest_png, tmp_path, capsys) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.html").write_text("Doe, Jane")
    assert main(["generate", str(chest_png), "-o", str(tmp_path / "out"), "--anonymise"]) == 3
    assert "choose an empty folder" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.html"]


def test_a_patient_of_a_batch_has_one_pseudonym_in_all_files(radiograph_pixels, tiny, tmp_path, capsys) -> None:
    pixels = np.rint(radiograph_pixels * 4095).astype(np.uint16)
    (tmp_path / "in").mkdir()
    for name, patient in (("doe_1", "P-17"), ("doe_2", "P-17"), ("roe", "P-18")):
        write_dicom(tmp_path / "in" / f"{name}.dcm", pixels, PatientID=patient)
    wanted = ["--anonymise", "--model", tiny, "--formats", "dicom", "--json", "--device", "cpu"]
    assert main(["generate", str(tmp_path / "in"), "-o", str(tmp_path / "out"), *wanted]) == 0
    results = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    folders = [Path(result["outputs"]["report"]).parent for result in results]
    told = [pydicom.dcmread(folder / "results.dcm").PatientID for folder in folders]
    assert told == [result["input"] for result in results]
    assert told[0] == told[1] != told[2]
    assert [folder.name for folder in folders] == [told[0], f"{told[0]}-2", told[2]]
    assert sorted(tmp_path.joinpath("out").iterdir()) == sorted(folders)  # and no list of who is who


def test_films_of_one_study_share_a_new_study_in_an_anonymised_batch(radiograph_pixels, tiny, tmp_path) -> None:
    pixels = np.rint(radiograph_pixels * 4095).astype(np.uint16)
    (tmp_path / "in").mkdir()
    films = (("P-17", "1.2.3"), ("P-17", "1.2.3"), ("P-17", "1.2.4"), ("P-18", "1.2.3"))
    for number, (patient, study) in enumerate(films):
        write_dicom(tmp_path / "in" / f"{number}.dcm", pixels, PatientID=patient, StudyInstanceUID=study)
    wanted = ["--anonymise", "--model", tiny, "--formats", "dicom", "--device", "cpu"]
    assert main(["generate", str(tmp_path / "in"), "-o", str(tmp_path / "out"), *wanted]) == 0
    written = [pydicom.dcmread(path) for path in (tmp_path / "out").rglob("*.dcm")]
    studies: dict[str, Counter] = {}
    for one in written:
        studies.setdefault(one.PatientID, Counter())[one.StudyInstanceUID] += 1
    files = len(written) // len(films)
    assert sorted(sorted(counts.values()) for counts in studies.values()) == [[files], [files, 2 * files]]
    assert not {"1.2.3", "1.2.4"} & {uid for counts in studies.values() for uid in counts}


def test_an_unsuitable_file_of_a_batch_is_not_named_in_the_json_object(tmp_path, capsys) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "doe_jane.png").write_bytes(b"")
    assert main(["generate", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--anonymise", "--json"]) == 3
    printed = capsys.readouterr()
    assert json.loads(printed.out)["input"].startswith("ANON-")
    assert "doe_jane" not in printed.out
    assert "doe_jane.png" in printed.err
