"""The catalogue of models: finding, checking, loading and saving, with files that nobody vouches for."""

import dataclasses
import hashlib
import json
import struct
import subprocess
import sys

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from XrayToCTLib import model_files, model_folders, models
from XrayToCTLib.classifier import ClassifierConfig, CTClassifier
from XrayToCTLib.compact_generator import CompactConfig
from XrayToCTLib.consistency import consistent
from XrayToCTLib.errors import ModelError
from XrayToCTLib.generator import Generator, GeneratorConfig
from XrayToCTLib.generators import GENERATORS, build_generator, config_type, network_of
from XrayToCTLib.model_config import config_from_dict
from XrayToCTLib.outside_air import without_haze
from XrayToCTLib.projection import Geometry

SMALL = ClassifierConfig(filters=(2, 3), hidden=4)
ABOUT = {"loss_preset": "paper", "training_data": "drawn bodies", "metrics": {"accuracy": 0.5}}


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """Empty folders on the search path, so that nothing of this machine is seen or changed."""
    for name in ("first", "second", "user", "package"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("XRAYTOCT_MODELS", f"{tmp_path / 'first'}{models.os.pathsep}{tmp_path / 'second'}")
    monkeypatch.setenv("XRAYTOCT_CACHE", str(tmp_path / "user"))
    monkeypatch.setattr(model_folders, "PACKAGE_WEIGHTS", tmp_path / "package")
    return tmp_path


def save_classifier(folder, name="small", config=SMALL, **options):
    torch.manual_seed(0)
    model = CTClassifier(config).eval()
    return model, models.save_model(
        folder / f"{name}.safetensors", model, "ct_classifier", config, None, ABOUT, **options
    )


def write_hostile(path, header, body=b""):
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(encoded)) + encoded + body)
    return path


def header_of(path):
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def rewritten(path, change):
    """The same model under another name, its metadata changed by ``change``."""
    header, body = header_of(path)
    metadata = json.loads(header["__metadata__"]["xraytoct"])
    change(metadata)
    header["__metadata__"]["xraytoct"] = json.dumps(metadata)
    return write_hostile(path.with_name("changed.safetensors"), header, body)


def test_a_saved_classifier_loads_as_float32_within_half_precision(folders):
    model, info = save_classifier(folders / "user")
    loaded = models.load_classifier(models.find("small", "ct_classifier"))
    assert not loaded.training
    assert loaded.config == SMALL
    assert info.metadata["metrics"] == {"accuracy": 0.5}
    for name, tensor in model.state_dict().items():
        ours = loaded.state_dict()[name]
        assert ours.dtype == tensor.dtype
        assert torch.allclose(ours, tensor, rtol=2**-10, atol=1e-6)


def test_a_saved_generator_gives_the_same_volume_after_loading(folders):
    torch.manual_seed(0)
    config = GENERATORS["test"]
    model = Generator(config).eval()
    geometry = Geometry(detector_pixels=(16, 16), volume_mm=(300.0, 310.0, 320.0))
    path = folders / "first" / "tiny.safetensors"
    info = models.save_model(path, model, "generator", config, geometry, ABOUT, dtype=torch.float32)
    radiograph = torch.rand(1, 1, config.size, config.size)
    loaded = models.load_generator(models.find("tiny"))
    assert models.find("tiny").geometry == geometry == info.geometry
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    with torch.no_grad():
        assert torch.equal(loaded(radiograph), model(radiograph))


def test_a_generator_that_is_finished_loads_so_and_odd_values_are_refused(folders):
    network, geometry = build_generator(GENERATORS["test"]).eval(), Geometry(detector_pixels=(32, 32))

    def saved(name, where, steps, clear=False):
        path, facts = folders / f"{name}.safetensors", {**ABOUT, "consistency": steps, "clear_air": clear}
        return models.save_model(path, network, "generator", network.config, where, facts)

    ready, radiograph = models.load_generator(saved("held", geometry, 2)), torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        alone = network_of(ready)(radiograph)
        torch.testing.assert_close(ready(radiograph), consistent(alone, radiograph, geometry, 2))
        cleared = models.load_generator(saved("cleared", geometry, 0, clear=True))
        torch.testing.assert_close(cleared(radiograph), without_haze(alone))
    for where, steps in ((geometry, -1), (geometry, 10**6), (geometry, "2"), (geometry, True)):
        with pytest.raises(ModelError, match="consistency"):
            saved("odd", where, steps)
    for where, steps, clear in ((None, 2, False), (None, 0, True), (geometry, 0, 1), (geometry, 0, "yes")):
        with pytest.raises(ModelError, match="clear_air"):
            saved("odd", where, steps, clear)


def test_running_statistics_keep_single_precision(folders):
    model = CTClassifier(SMALL).eval()
    model.get_buffer("blocks.0.norm.running_var").fill_(1e-9)  # below what half precision can hold
    models.save_model(folders / "user" / "m.safetensors", model, "ct_classifier", SMALL, None, ABOUT)
    loaded = models.load_classifier(models.find("m"))
    assert loaded.get_buffer("blocks.0.norm.running_var").tolist() == pytest.approx([1e-9, 1e-9])


def test_the_first_folder_of_the_search_path_wins(folders):
    save_classifier(folders / "second", config=SMALL)
    save_classifier(folders / "first", config=dataclasses.replace(SMALL, hidden=9))
    save_classifier(folders / "package")
    assert models.find("small").config["hidden"] == 9
    assert [info.path.parent.name for info in models.list_models()] == ["first"]


def test_the_default_is_the_model_that_the_package_ships(folders):
    save_classifier(folders / "first", "another")
    save_classifier(folders / "package", "shipped")
    assert models.default_model("ct_classifier").name == "shipped"
    with pytest.raises(ModelError, match="No generator is installed"):
        models.default_model("generator")


def test_a_folder_of_models_that_does_not_exist_is_no_error(folders, monkeypatch):
    monkeypatch.setenv("XRAYTOCT_MODELS", str(folders / "nowhere"))
    assert models.list_models() == []


def test_one_damaged_file_does_not_hide_the_others(folders):
    save_classifier(folders / "first", "good")
    (folders / "first" / "bad.safetensors").write_bytes(b"nothing")
    found, problems = models.scan_models()
    assert [info.name for info in found] == ["good"]
    assert len(problems) == 1
    assert "bad.safetensors" in str(problems[0])


def test_an_unknown_name_is_refused_with_the_names_that_are_known(folders):
    save_classifier(folders / "user")
    with pytest.raises(ModelError, match=r"named 'other' \(known: small\)"):
        models.find("other")


@pytest.mark.parametrize("name", ["../small", "..", "a/b", "a\\b", "", ".hidden", "small\n", "/etc/passwd", "a" * 81])
def test_a_name_that_looks_like_a_path_is_refused(folders, name):
    save_classifier(folders / "user")
    with pytest.raises(ModelError, match="cannot be a model's name"):
        models.find(name)


def test_a_model_of_another_kind_is_refused(folders):
    _, info = save_classifier(folders / "user")
    with pytest.raises(ModelError, match="is a ct_classifier where a generator is needed"):
        models.find("small", "generator")
    with pytest.raises(ModelError, match="is a ct_classifier where a generator is needed"):
        models.load_generator(info)


def test_a_missing_file_is_refused_with_its_name(folders):
    with pytest.raises(ModelError, match=r"gone\.safetensors does not exist"):
        models.find(folders / "gone.safetensors")


def test_a_file_that_differs_from_its_recorded_checksum_is_refused(folders):
    _, info = save_classifier(folders / "package")
    recorded = (folders / "package" / "SHA256SUMS").read_text()
    assert recorded == f"{hashlib.sha256(info.path.read_bytes()).hexdigest()}  small.safetensors\n"
    models.verify(info)
    content = bytearray(info.path.read_bytes())
    content[-1] ^= 1
    info.path.write_bytes(content)
    for act in (lambda: models.find("small"), lambda: models.verify(info), lambda: models.load_classifier(info)):
        with pytest.raises(ModelError, match="is damaged or was replaced"):
            act()


def test_a_file_replaced_after_it_was_found_is_refused(folders):
    _, info = save_classifier(folders / "user")
    save_classifier(folders / "user", config=dataclasses.replace(SMALL, hidden=9))
    with pytest.raises(ModelError, match="has changed since it was found"):
        models.load_classifier(info)


def test_saving_again_replaces_the_record_and_leaves_the_others(folders):
    save_classifier(folders / "user", "other")
    save_classifier(folders / "user")
    save_classifier(folders / "user", config=dataclasses.replace(SMALL, hidden=9))
    assert sorted(model_files.checksums(folders / "user")) == ["other.safetensors", "small.safetensors"]
    models.verify(models.find("small"))
    assert sorted(path.name for path in (folders / "user").iterdir()) == [
        "SHA256SUMS",
        "other.safetensors",
        "small.safetensors",
    ]


@settings(max_examples=25, deadline=None)
@given(keep=st.floats(0, 0.999))
def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path_factory, keep):
    folder = tmp_path_factory.mktemp("truncated")
    _, info = save_classifier(folder)
    content = info.path.read_bytes()
    part = folder / "part.safetensors"
    part.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(ModelError, match="is damaged or not a model"):
        models.read_info(part)


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=200), honest=st.booleans())
def test_arbitrary_bytes_are_refused_without_any_other_error(tmp_path_factory, content, honest):
    path = tmp_path_factory.mktemp("bytes") / "random.safetensors"
    path.write_bytes(struct.pack("<Q", len(content)) + content if honest else content)
    with pytest.raises(ModelError):
        models.read_info(path)


META = {"xraytoct": json.dumps({"format": 1, "kind": "ct_classifier", "config": {}, "geometry": None})}


@pytest.mark.parametrize(
    ("entries", "body"),
    [
        ({}, b""),
        ({"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}, b""),
        ({"a": {"dtype": "F32", "shape": [1 << 20, 1 << 20, 1 << 20], "data_offsets": [0, 4]}}, b"0000"),
        ({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, -4]}}, b""),
        ({"a": {"dtype": "F32", "shape": [True], "data_offsets": [0, 4]}}, b"0000"),
        ({"a": {"dtype": "F32", "shape": [1.0], "data_offsets": [0, 4]}}, b"0000"),
        ({"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}}, b"0000"),
        ({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, b"00000"),
        ({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}, b"00000000"),
        ({x: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for x in "ab"}, b"0000"),
        ({"a": {"dtype": "F32", "shape": [1] * 99, "data_offsets": [0, 4]}}, b"0000"),
        ({"a": [1, 2]}, b""),
        ({"a": {"dtype": ["F32"], "shape": [1], "data_offsets": [0, 4]}}, b"0000"),
    ],
)
def test_a_header_that_does_not_describe_its_file_is_refused(folders, entries, body):
    path = write_hostile(folders / "h.safetensors", {"__metadata__": META, **entries}, body)
    with pytest.raises(ModelError, match="is damaged or not a model"):
        models.read_info(path)


def test_an_oversized_header_is_refused_before_it_is_parsed(folders, monkeypatch):
    path = write_hostile(folders / "h.safetensors", b"{" + b" " * model_files.MAX_HEADER_BYTES + b"}")
    monkeypatch.setattr(model_files.json, "loads", lambda _: pytest.fail("the header was parsed"))
    with pytest.raises(ModelError, match="header does not fit"):
        models.read_info(path)


@pytest.mark.parametrize("header", [b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe{}", b"[]", b"7" * 10_000])
def test_a_header_that_is_not_an_object_is_refused(folders, header):
    with pytest.raises(ModelError, match="is damaged or not a model"):
        models.read_info(write_hostile(folders / "h.safetensors", header))


def test_a_file_over_the_limit_is_refused(folders, monkeypatch):
    _, info = save_classifier(folders / "user")
    monkeypatch.setattr(model_files, "MAX_FILE_BYTES", 100)
    with pytest.raises(ModelError, match="is over"):
        models.read_info(info.path)


def test_safetensors_of_another_program_are_refused(folders):
    path = folders / "other.safetensors"
    safetensors.torch.save_file({"a": torch.zeros(3)}, path)
    with pytest.raises(ModelError, match="no metadata of this program"):
        models.read_info(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda metadata: metadata.update(format=2),
        lambda metadata: metadata.update(kind="virus"),
        lambda metadata: metadata.update(kind=["generator"]),
        lambda metadata: metadata.update(config=[1]),
        lambda metadata: metadata.update(geometry="PA"),
        lambda metadata: metadata.update(geometry={"view": "PA"}),
        lambda metadata: metadata.pop("kind"),
    ],
)
def test_metadata_that_this_program_does_not_write_are_refused(folders, change):
    _, info = save_classifier(folders / "user")
    with pytest.raises(ModelError):
        models.read_info(rewritten(info.path, change))


def test_weights_that_do_not_fit_their_configuration_are_refused(folders):
    _, info = save_classifier(folders / "user")
    path = rewritten(info.path, lambda metadata: metadata["config"].update(hidden=5))
    with pytest.raises(ModelError, match=r"does not fit its own configuration \(3 tensors differ"):
        models.verify(models.read_info(path))


def test_a_configuration_of_a_huge_network_allocates_nothing(folders):
    _, info = save_classifier(folders / "user")
    path = rewritten(info.path, lambda metadata: metadata["config"].update(filters=[1024] * 16, hidden=4096))
    with pytest.raises(ModelError, match="does not fit its own configuration"):
        models.load_classifier(models.read_info(path))


@pytest.mark.parametrize(
    "values",
    [
        {"filters": [1 << 30]},
        {"filters": [4] * 17},
        {"filters": "444"},
        {"filters": []},
        {"hidden": -1},
        {"hidden": True},
        {"hidden": 4.0},
        {"dropout": float("nan")},
        {"activation": "relu"},
        {"activation": "x" * 1000},
        {"unheard_of": 1},
    ],
)
def test_an_unreasonable_configuration_is_refused(values):
    with pytest.raises(ModelError, match="configuration"):
        config_from_dict(ClassifierConfig, values)


@pytest.mark.parametrize("values", [{"size": 1 << 20}, {"size": 100}, {"dense_layers": [100_000] * 5}])
def test_an_unreasonable_generator_is_refused(values):
    with pytest.raises(ModelError, match="configuration"):
        config_from_dict(GeneratorConfig, values)


@pytest.mark.parametrize("values", [{"size": 1 << 20}, {"planar_channels": [100_000] * 5}, {"dropout": 2.0}])
def test_an_unreasonable_compact_generator_is_refused(values):
    with pytest.raises(ModelError, match="configuration"):
        config_from_dict(CompactConfig, values)


@pytest.mark.parametrize("config", GENERATORS.values(), ids=GENERATORS.keys())
def test_every_configuration_survives_json(config):
    values = json.loads(json.dumps(dataclasses.asdict(config)))
    assert config_from_dict(config_type(values), values) == config


def test_values_that_are_not_finite_are_neither_written_nor_loaded(folders):
    model, info = save_classifier(folders / "user")
    header, body = header_of(info.path)
    first = header["output.bias"]["data_offsets"][0]
    body = body[:first] + struct.pack("<e", float("nan")) + body[first + 2 :]
    path = write_hostile(folders / "nan.safetensors", header, body)
    with pytest.raises(ModelError, match=r"output\.bias holds values that are not finite"):
        models.load_classifier(models.read_info(path))
    with torch.no_grad():
        model.output.bias[0] = float("inf")
    with pytest.raises(ModelError, match="not written"):
        models.save_model(folders / "inf.safetensors", model, "ct_classifier", SMALL, None, ABOUT)
    assert not (folders / "inf.safetensors").exists()


def test_a_folder_that_cannot_be_written_is_refused(folders):
    (folders / "file").write_text("in the way")
    with pytest.raises(ModelError, match="cannot be written"):
        save_classifier(folders / "file")


def test_a_description_names_checksum_and_training_data_on_lines_without_control_characters(folders):
    _, info = save_classifier(folders / "user")
    text = models.describe(info)
    assert info.sha256 in text
    assert "drawn bodies" in text
    hostile = rewritten(info.path, lambda metadata: metadata.update(training_data="\x1b[2J\nname fake"))
    described = models.describe(models.read_info(hostile))
    assert "\x1b" not in described
    assert described.count("\n") == text.count("\n")


def test_the_card_beside_a_model_comes_with_it(folders):
    _, info = save_classifier(folders / "user")
    assert info.card is None
    info.path.with_suffix(".md").write_text("# Small\n")
    assert models.find("small").card == "# Small\n"


def test_loading_needs_nothing_heavier_than_torch():
    heavy = "scipy SimpleITK pydicom PIL monai lightning torchvision slicer vtk"
    code = f"import sys, XrayToCTLib.models; print([m for m in {heavy.split()!r} if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
