"""Archives are searched before anything in them runs, and run only by consent."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from models.codec import CodecError
from models.load import give_consent, load, revoke_consent
from models.scripted import trust
from models.scripted.archive import read_archive
from realtime.cli.main import main
from realtime.system.platform.folders import config_directory

HARMLESS = "def forward(self, x: Tensor) -> Tensor:\n  return torch.add(x, 1)\n"


def archive(path: Path, source: str = HARMLESS, *more: tuple[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        for name, text in (("m/data.pkl", ""), ("m/code/__torch__.py", source), ("m/version", "3"), *more):
            made.writestr(name, text)
    return path


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("  torch.save(b, p)", "torch.save"),
        ("  x = torch . \\\n  save(b, p)", "torch.save"),
        ("  x = torch.from_file(p, True)", "torch.from_file"),
        ("  x = ops.aten.save(b, p)", "ops.aten.save"),
        ("  x = ops.rpc.remote(b)", "ops.rpc.remote"),
        ("  x = __torch__.torch.classes.dist_c10d.Store(b)", "torch.classes.dist_c10d.Store"),
        ("  x = '''", "source that cannot be read"),
    ],
)
def test_an_archive_with_an_operation_on_files_or_network_is_refused(tmp_path: Path, source: str, named: str) -> None:
    path = archive(tmp_path / "m.ts", HARMLESS + source + "\n")
    with pytest.raises(CodecError, match="was refused; nothing in it was run") as caught:
        give_consent(str(path))
    assert named in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        "  # torch.save(x)\n  return (self).save(x)",
        "  return ops.prim.NumToTensor(torch.size(x, 0))",
        "  saved = self.torch_save\n  return torch.load_state",
        "  raise AssertionError('torch.save')",
    ],
)
def test_names_that_only_look_like_it_are_not_refused(tmp_path: Path, source: str) -> None:
    assert read_archive(archive(tmp_path / "m.ts", HARMLESS + source + "\n")).metadata == {}


def test_other_files_are_named(tmp_path: Path) -> None:
    text = tmp_path / "m.ts"
    text.write_text("hello")
    checkpoint = tmp_path / "c.ts"
    with zipfile.ZipFile(checkpoint, "w") as made:
        made.writestr("c/data.pkl", "")
    twice = archive(tmp_path / "t.ts")
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(twice, "a") as made:
        made.writestr("m/version", "4")
    for path, says in (
        (text, "is not a TorchScript archive"),
        (checkpoint, "is a checkpoint without its program"),
        (twice, "has two entries of one name"),
        (tmp_path / "none.ts", "cannot be read"),
    ):
        with pytest.raises(CodecError, match=says):
            read_archive(path)


def test_metadata_of_neutone_is_read(tmp_path: Path) -> None:
    path = archive(tmp_path / "m.nm", HARMLESS, ("m/extra/metadata.json", json.dumps({"model_name": "x"})))
    assert read_archive(path).metadata == {"model_name": "x"}
    damaged = archive(tmp_path / "d.nm", HARMLESS, ("m/extra/metadata.json", "{"))
    with pytest.raises(CodecError, match="damaged metadata"):
        read_archive(damaged)


def test_a_file_runs_only_by_consent_which_its_hash_remembers(tmp_path: Path) -> None:
    path = archive(tmp_path / "my model.ts")
    with pytest.raises(trust.ConsentError) as caught:
        load(f"rave:{path}")
    assert caught.value.command == f"verdigris trust '{path}'"
    assert "pass --trust once, or run: verdigris trust" in str(caught.value)
    assert read_archive(path).sha256[:16] in str(caught.value)
    assert "may run from now on" in give_consent(f"rave:{path}:stereo")
    assert trust.read_trusted(path).path == path
    copy = path.rename(tmp_path / "other.ts")
    trust.read_trusted(copy)  # the same content
    archive(copy, HARMLESS + "  return x\n")
    with pytest.raises(trust.ConsentError):
        trust.read_trusted(copy)


def test_consent_can_be_taken_back(tmp_path: Path) -> None:
    path = archive(tmp_path / "m.ts")
    give_consent(str(path))
    revoke_consent(str(path))
    with pytest.raises(trust.ConsentError):
        trust.read_trusted(path)


def test_consents_are_kept_in_the_users_configuration(tmp_path: Path) -> None:
    assert trust.directory() == config_directory() / "trusted-models"
    give_consent(str(archive(tmp_path / "m.ts")))
    assert [entry["path"] for entry in trust.entries()] == [str(tmp_path / "m.ts")]


def test_a_damaged_consent_is_left_out_of_the_catalogue(tmp_path: Path) -> None:
    give_consent(str(archive(tmp_path / "m.ts")))
    (trust.directory() / ("0" * 64 + ".json")).write_text("{")
    assert len(list(trust.entries())) == 1


def test_the_command_line_asks_for_consent_and_takes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = archive(tmp_path / "m.ts")
    assert main(["plan", "--a", f"rave:{path}"]) == 1
    assert "verdigris trust" in capsys.readouterr().err
    assert main(["trust", str(path)]) == 0
    assert "may run from now on" in capsys.readouterr().out
    assert main(["trust", "song.wav"]) == 1
    assert "only .ts and .nm files need a consent" in capsys.readouterr().err
    assert main(["trust", "--revoke", str(path)]) == 0
    with pytest.raises(trust.ConsentError):
        trust.read_trusted(path)
