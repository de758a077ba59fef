"""Released weights: found locally, downloaded and verified, or refused."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from models.codec import CodecError
from models.weights_io import download as downloading
from models.weights_io import releases
from models.weights_io.download import RemoteFile, check_online, download
from models.weights_io.releases import NON_COMMERCIAL, RELEASES, Release, find, here
from tests.support.hub_rig import Hub, serving

DATA = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(DATA).hexdigest()
REMEDY = "Do this."


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    for name in (*downloading.OFFLINE, "HF_TOKEN", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(downloading, "CHUNK", 10_000)
    with serving(DATA) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without any weights, in an empty working directory."""
    for name in ("VERDIGRIS_WEIGHTS", "VERDIGRIS_CACHE", "HF_HOME", "HF_HUB_CACHE", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VERDIGRIS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "home"


def file(sha256: str = SHA256, size: int = len(DATA)) -> RemoteFile:
    return RemoteFile("w.pt", "hub:owner/name@abc/w.pt", size, sha256)


def refused(complaint: str, folder: Path, given: RemoteFile | None = None) -> None:
    with pytest.raises(CodecError, match=complaint) as refusal:
        download(given or file(), folder, REMEDY)
    assert str(refusal.value).endswith(REMEDY)
    assert "\n" not in str(refusal.value)
    assert not (folder / "w.pt").exists()


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_a_file_is_downloaded_once_and_checked(hub: Hub, tmp_path: Path) -> None:
    for _ in range(2):
        assert download(file(), tmp_path, REMEDY).read_bytes() == DATA
    assert len(hub.requests) == 1
    assert left(tmp_path) == ["w.pt"]


def test_the_first_digits_of_a_hash_are_enough(hub: Hub, tmp_path: Path) -> None:
    assert download(file(SHA256[:8]), tmp_path, REMEDY).read_bytes() == DATA


@pytest.mark.parametrize("pinned", [True, False])
def test_a_file_of_another_hash_is_deleted(hub: Hub, tmp_path: Path, pinned: bool) -> None:
    """The hash may be known or only declared by the Hub."""
    if not pinned:
        hub.declares = "0" * 64
    wanted = "1" * 12 if pinned else "0" * 12
    refused(
        rf"is not the released file: its SHA-256 begins with {SHA256[:12]}, expected {wanted}",
        tmp_path,
        file("1" * 64 if pinned else ""),
    )
    assert left(tmp_path) == []


def test_a_connection_that_ends_is_continued_where_it_ended(hub: Hub, tmp_path: Path) -> None:
    hub.stops = [30_000, 50_000, 20_000]
    assert download(file(), tmp_path, REMEDY).read_bytes() == DATA
    assert [asked.get("Range") for asked in hub.requests] == [None, "bytes=30000-", "bytes=80000-", "bytes=100000-"]


def test_an_interrupted_download_is_resumed_by_the_next_start(hub: Hub, tmp_path: Path) -> None:
    hub.stops = [30_000, 0, 0, 0]
    refused(r"could not be downloaded completely: the connection ended after 0\.0 MB of 0\.5 MB\. Run", tmp_path)
    assert left(tmp_path) == ["w.pt.partial"]
    assert download(file(), tmp_path, REMEDY).read_bytes() == DATA
    assert hub.requests[-1]["Range"] == "bytes=30000-"
    assert left(tmp_path) == ["w.pt"]


def test_a_server_without_ranges_sends_the_whole_file_again(hub: Hub, tmp_path: Path) -> None:
    hub.stops, hub.ranges = [30_000], False
    assert download(file(), tmp_path, REMEDY).read_bytes() == DATA


def test_a_partial_file_that_is_too_long_is_downloaded_again(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "w.pt.partial").write_bytes(DATA + b"more")
    assert download(file(size=0), tmp_path, REMEDY).read_bytes() == DATA


def test_a_server_that_stops_sending_is_given_up(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.silent = threading.Event()
    monkeypatch.setattr(downloading, "READ_S", 0.05)
    monkeypatch.setattr(downloading, "MAX_FUTILE_TRIES", 1)
    refused(r"could not be downloaded completely: .*timed out", tmp_path, file(size=len(DATA)))


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (401, r"owner/name asks for its terms to be accepted \(401\)\. Accept them at \S+, run `hf auth login`"),
        (403, r"owner/name asks for its terms to be accepted"),
        (404, r"w\.pt is not at \S+ any more \(404\): it was renamed, moved or withdrawn"),
        (500, r"answered 500 .* Try again later"),
    ],
)
def test_a_refusal_names_the_remedy(hub: Hub, tmp_path: Path, status: int, says: str) -> None:
    hub.status = status
    refused(says, tmp_path)
    assert left(tmp_path) == []


def test_an_access_token_is_sent_to_the_hub_and_not_to_its_redirects(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    download(file(), tmp_path, REMEDY)
    assert "secret" not in str(hub.requests)


def test_offline_is_reported_in_less_than_a_second(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    begun = time.monotonic()
    with pytest.raises(CodecError, match=r"w\.pt is not on this computer, and 127\.0\.0\.1 cannot be reached\. Do"):
        check_online(file(), REMEDY)
    assert time.monotonic() - begun < 1.0


def test_a_host_that_does_not_answer_is_given_up_in_less_than_a_second(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resolving a host name has no time limit of its own: the probe is killed."""
    monkeypatch.setattr(downloading, "_PROBE", "import time; time.sleep(60)")
    begun = time.monotonic()
    with pytest.raises(CodecError, match="cannot be reached") as refusal:
        check_online(file(), REMEDY)
    assert isinstance(refusal.value.__cause__, subprocess.TimeoutExpired)
    assert time.monotonic() - begun < 1.0


@pytest.mark.parametrize("name", downloading.OFFLINE)
def test_no_connection_is_tried_when_the_user_forbids_it(hub: Hub, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(CodecError, match=f"{name} forbids the download"):
        check_online(file(), REMEDY)
    assert hub.requests == []


def test_a_directory_that_cannot_be_written_is_named(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"")
    with pytest.raises(CodecError, match=r"cache/w\.pt: cannot be written"):
        download(file(), tmp_path / "cache", REMEDY)


# --- search order


TWO = Release((file(), RemoteFile("v.pt", "hub:owner/name@abc/v.pt")), NON_COMMERCIAL, ("other.pt",), ("HUB:o/n/m.pt",))


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Release:
    monkeypatch.setitem(RELEASES, "two", TWO)
    return TWO


def test_missing_files_are_downloaded_and_announced_with_size_and_licence(
    hub: Hub, home: Path, two: Release, capsys: pytest.CaptureFixture[str]
) -> None:
    assert here("two") is None
    paths = find("two")
    assert [path.read_bytes() for path in paths] == [DATA, DATA]
    said = capsys.readouterr().err
    assert said.startswith(f"Downloading w.pt and v.pt: 1 MB, {NON_COMMERCIAL}, from ")
    assert here("two") == paths
    assert find("two") == paths
    assert len(hub.requests) == 2
    assert capsys.readouterr().err == ""  # the licence was printed before


def test_local_files_cause_no_network_call_and_their_licence_is_printed_once(
    home: Path, two: Release, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: pytest.fail("a connection was tried"))
    monkeypatch.setattr(urllib.request, "build_opener", lambda *a: pytest.fail("the network was used"))
    for name in ("other.pt", "v.pt"):
        Path(name).touch()
    for _ in range(2):
        assert find("two") == (Path("other.pt"), Path("v.pt"))
    assert capsys.readouterr().err == f"The weights of two are {NON_COMMERCIAL}.\n"


def test_the_directory_of_the_environment_comes_first_then_the_working_directory_then_the_cache(
    home: Path, tmp_path: Path, two: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = home / ".cache/huggingface/hub/models--o--n/snapshots/abc"
    given = tmp_path / "given"
    monkeypatch.setenv("VERDIGRIS_WEIGHTS", str(given))
    Path("v.pt").touch()
    for folder, name in [(snapshot, "m.pt"), (tmp_path / "cache", "w.pt"), (Path(), "w.pt"), (given, "w.pt")]:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
        assert here("two") == (folder / name, Path("v.pt"))


@pytest.mark.parametrize(
    ("codec", "path"),
    [
        ("encodec24", ".cache/torch/hub/checkpoints/encodec_24khz-d7cc33bc.th"),
        ("encodec48", ".cache/torch/hub/checkpoints/encodec_48khz-7e698e3e.th"),
        ("encodec48", ".cache/huggingface/hub/models--facebook--encodec_48khz/snapshots/x/model.safetensors"),
        ("dac", ".cache/descript/dac/weights_44khz_8kbps_0.0.1.pth"),
        ("dac44-16", ".cache/descript/dac/weights_44khz_16kbps_1.0.0.pth"),
        ("codicodec", ".cache/huggingface/hub/models--SonyCSLParis--codicodec/snapshots/x/codicodec.pt"),
    ],
)
def test_the_caches_of_other_packages_are_searched(home: Path, codec: str, path: str) -> None:
    assert here(codec) is None
    (home / path).parent.mkdir(parents=True)
    (home / path).touch()
    assert here(codec) == (home / path,)


def test_the_weights_of_the_papers_package_are_found(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "codicodec"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    (package / "models" / "codicodec.pt").touch()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert here("codicodec") == (package / "models" / "codicodec.pt",)


def test_every_release_is_pinned_by_revision_or_version_and_by_hash_where_one_is_known() -> None:
    unpinned = {codec for codec, release in RELEASES.items() for file in release.files if not file.sha256}
    assert unpinned == {"encodec32", "dac44-16", "mimi"}  # no hash of these is published
    for release in RELEASES.values():
        for given in release.files:
            assert given.address.startswith("https://")
            assert len(given.sha256) in (0, 64)


def test_a_mirror_of_the_hub_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/")
    assert file().address == "https://mirror.example/owner/name/resolve/abc/w.pt"
    assert replace(file(), url="https://x.example/w").address == "https://x.example/w"


def test_the_cache_is_the_users_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VERDIGRIS_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert releases.cache().parts[-2:] == ("verdigris", "weights")
