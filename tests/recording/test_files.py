"""Audio files whose headers are wrong, missing or estimated: counted, played through, and reported."""

from __future__ import annotations

import contextlib
import re
import struct
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime.demo import CLIP
from realtime.dsp.resampler import Resampler
from realtime.files.audio_file import AudioFileError, AudioReader, check
from tests.support.desk import RATE, SHORT, Desk, noise
from tests.support.machine_speed import within
from tests.support.sound_files import ENCODED, WRITTEN, encode, sound_files
from tests.support.systems import needs_pace, needs_posix

CASES = Path(__file__).parents[1] / "data" / "cases"

LENGTHS = {  # samples, and what is said
    "vbr_no_xing.mp3": (46_080, ""),
    "vbr_loud_start.mp3": (89_856, ""),
    "cbr_no_xing.mp3": (89_856, ""),
    "cbr_no_xing_id3v1.mp3": (89_856, ""),
    "mp3_concat.mp3": (88_200, ""),
    "opus_chained.opus": (48_000, ""),
    "vorbis_chained.ogg": (44_100, ""),
    "flac_total_unknown.flac": (22_050, ""),
    "opus_no_eos.opus": (
        24_000,
        "the end of the stream is not marked, so it may be truncated. 24000 samples are played",
    ),
    "opus_trailing_zeros.opus": (24_000, "70000 bytes are not part of a page. 24000 samples are played"),
    "w_datasize_0.wav": (2000, ""),
    "rf64_riffsize_big.wav": (2000, ""),
    "oggflac2.oga": (22_050, ""),
    "m191999.wav": (20_000, ""),
}


@pytest.mark.parametrize("name", LENGTHS)
def test_a_file_is_rendered_as_long_as_it_is_whatever_its_header_says(desk: Desk, name: str) -> None:
    samples, says = LENGTHS[name]
    answer = desk.run("render", CASES / name, "o.wav", "--codec", "pcm")
    assert answer.code == 0
    assert says in answer.err
    assert bool(says) == bool(answer.err)
    assert soundfile.info("o.wav").frames == samples


@pytest.mark.parametrize("name", LENGTHS)
def test_a_fast_scan_finds_the_same_length(name: str) -> None:
    assert check(CASES / name) == check(CASES / name, decode=True)


@pytest.mark.parametrize(
    ("container", "codec"), [("mp4", "aac"), ("mp4", "alac"), ("webm", "libopus"), ("matroska", "aac"), ("adts", "aac")]
)
def test_a_fast_scan_of_seconds_of_a_compressed_file_finds_what_is_decoded(
    container: str, codec: str, tmp_path: Path
) -> None:
    path = encode(tmp_path / "a", noise(2 * RATE), RATE, container, codec)
    assert check(path) == check(path, decode=True)


def test_bytes_without_a_header_are_refused_in_one_line(desk: Desk) -> None:
    assert "not audio that can be read" in desk.refused("render", CASES / "x.raw", "o.wav", "--codec", "pcm")
    (desk.place / "y.wav").write_bytes((CASES / "x.raw").read_bytes())
    assert "not audio that can be read" in desk.refused(*SHORT, "--input", "y.wav")


@needs_pace
@pytest.mark.parametrize("rate", [48_000, 44_100, 8_000])
def test_a_source_at_an_odd_rate_answers_in_under_a_second(rate: int) -> None:
    Resampler(44_101, 48_000, 2).process(np.zeros((2, 1000), np.float32))  # compiled, once on each machine
    started = time.perf_counter()
    check(CASES / "m191999.wav")
    reader = AudioReader(CASES / "m191999.wav", rate, loop=True)
    assert reader.read(4096).shape == (2, 4096)
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("name", [*WRITTEN, *ENCODED])
def test_every_container_plays_by_its_content_under_any_name(name: str, tmp_path: Path) -> None:
    """AAC has its encoder's padding where the container does not say how much it is."""
    (tmp_path / "x.raw").write_bytes(sound_files(tmp_path)[name])
    survey = check(tmp_path / "x.raw", decode=True)
    assert survey.remarks == ()
    ((_, samples),) = survey.segments
    assert 6000 <= samples <= 6000 + (3072 if "aac" in name else 1024 if name == "a.webm" else 0)
    assert AudioReader(tmp_path / "x.raw").length == samples


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_samples_are_those_of_the_file_bit_for_bit(subtype: str, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(5000), RATE, subtype=subtype)
    expected, _ = soundfile.read(path, dtype="float32")
    assert np.array_equal(AudioReader(path).read(9999), expected.T)


@pytest.mark.parametrize(("place", "value"), [("data", 0), ("data", 0xFFFFFFFF), ("data", 0x7FFFF000), ("data", 9999)])
@pytest.mark.parametrize("kind", ["WAV", "RF64", "AIFF", "AU", "W64", "CAF"])
def test_any_size_of_the_sound_that_cannot_be_is_corrected(kind: str, place: str, value: int, tmp_path: Path) -> None:
    path, samples = tmp_path / "a", noise(2000)
    soundfile.write(path, samples, RATE, format=kind, subtype="PCM_16")
    data, name = bytearray(path.read_bytes()), b"SSND" if kind == "AIFF" else b"data"
    at = 8 if kind == "AU" else data.index(name) + (16 if kind == "W64" else 4)
    width = struct.Struct({"W64": "<Q", "CAF": ">q", "AIFF": ">I", "AU": ">I"}.get(kind, "<I"))
    if kind == "RF64":
        at, width = data.index(b"ds64") + 16, struct.Struct("<Q")
    if kind == "W64" and value == 0:
        value = 24
    if value == 0xFFFFFFFF and width.size == 8:
        value = 2**63 - 1
    width.pack_into(data, at, value)
    path.write_bytes(data)
    if value == 9999:  # there is more sound, or a chunk without a name
        assert "not played" in check(path).remarks[0] or check(path).segments == ((RATE, 2000),)
        return
    survey = check(path, decode=True)
    assert survey.segments[0][1] >= 2000
    assert survey.segments[0][1] <= 2003  # of an AIFF of unknown size, with what may follow


@pytest.mark.parametrize(("first", "second"), [(44_100, 48_000), (48_000, 22_050)])
@pytest.mark.parametrize("kind", ["ogg", "mp3", "flac"])
def test_streams_of_several_rates_and_channels_play_through(first: int, second: int, kind: str, tmp_path: Path) -> None:
    data = b""
    for rate, channels in ((first, 2), (second, 1)):
        soundfile.write(tmp_path / f"a.{kind}", noise(rate // 2, channels), rate)
        data += (tmp_path / f"a.{kind}").read_bytes()
    (tmp_path / f"b.{kind}").write_bytes(data)
    assert check(tmp_path / f"b.{kind}", decode=True).segments == ((first, first // 2), (second, second // 2))
    reader = AudioReader(tmp_path / f"b.{kind}")
    assert reader.length == first
    assert reader.read(2 * first).shape == (2, first)
    assert reader.length == 0


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "W64"])
def test_a_file_that_was_joined_to_uncompressed_sound_is_said_not_to_be_played(kind: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a", noise(2000), RATE, format=kind, subtype="PCM_16")
    (tmp_path / "a").write_bytes((tmp_path / "a").read_bytes() * 2)
    assert "bytes after the sound are not of a chunk, and not played" in check(tmp_path / "a").remarks[0]


def test_a_damaged_page_or_packet_costs_itself_alone_and_is_reported(tmp_path: Path) -> None:
    files = sound_files(tmp_path, samples=RATE)
    for name in ("a.ogg", "a.opus", "a.flac", "flac.oga", "a.mka"):
        data = bytearray(files[name])
        data[len(data) // 2] ^= 0x55
        (tmp_path / name).write_bytes(data)
        survey = check(tmp_path / name, decode=True)
        assert re.search("damaged|checksum", survey.remarks[0])
        ((_, samples),) = survey.segments
        assert samples >= 0.7 * RATE


@pytest.mark.rig
def test_ten_minutes_are_scanned_in_a_second_of_a_core(tmp_path: Path) -> None:
    audio = np.cumsum(noise(RATE), axis=0).astype(np.float32) * 0.01
    for name, format_, subtype in (("a.flac", "FLAC", "PCM_16"), ("a.wav", "WAV", "FLOAT")):
        with soundfile.SoundFile(tmp_path / name, "w", RATE, 2, format=format_, subtype=subtype) as file:
            for _ in range(600):
                file.write(audio)
        taken = []
        for _ in range(3):
            started = time.process_time()
            assert check(tmp_path / name).segments == ((RATE, 600 * RATE),)
            taken.append(time.process_time() - started)
        within(min(taken), 1.0, f"{name}, s of a core")


@pytest.mark.parametrize("rate", [RATE, 44_100])
@pytest.mark.parametrize("name", ["a.wav", "a.ogg"])
def test_a_loop_goes_on_without_a_gap(name: str, rate: int, tmp_path: Path) -> None:
    turns = 0.5 * np.cos(2 * np.pi * 40 * np.arange(RATE // 4) / RATE).astype(np.float32)  # ten whole periods
    soundfile.write(tmp_path / name, np.stack([turns, turns], axis=1), RATE)
    heard = AudioReader(tmp_path / name, rate, loop=True).read(rate)
    assert heard.shape == (2, rate)
    steepest = 2 * np.pi * 40 / rate
    assert np.abs(np.diff(heard[0, 100:])).max() < steepest * (0.52 if name == "a.wav" else 4)


def test_a_loop_may_begin_beyond_its_end(tmp_path: Path) -> None:
    sound = np.tile(np.linspace(-0.5, 0.5, 1000, dtype=np.float32), (2, 1))
    soundfile.write(tmp_path / "short.wav", sound.T, 8000, subtype="FLOAT")
    whole = AudioReader(tmp_path / "short.wav").read(1000)
    for start in (0, 300, 1000, 2300):
        with contextlib.closing(AudioReader(tmp_path / "short.wav", loop=True, start=start)) as reader:
            np.testing.assert_array_equal(reader.read(1500), np.tile(whole, 5)[:, start : start + 1500])


@needs_posix("a file that is being read can be replaced")
def test_a_looped_file_that_was_truncated_has_gone_or_holds_nan_ends_with_an_error(tmp_path: Path) -> None:
    def write(value: float) -> None:
        soundfile.write(tmp_path / "a.wav", np.full((5000, 2), value, np.float32), RATE, subtype="FLOAT")

    for spoil in (
        lambda: (tmp_path / "a.wav").write_bytes(b""),
        lambda: (tmp_path / "a.wav").unlink(),
        lambda: write(np.nan),
    ):
        for played in (0, 12_000):  # damaged between its opening and the first block, or later
            write(0.5)
            reader = AudioReader(tmp_path / "a.wav", loop=True)
            reader.read(played)
            spoil()
            with pytest.raises(AudioFileError, match=r"a\.wav"):
                reader.read(12_000)


@needs_posix("a file that is being read can be replaced")
def test_a_looped_file_that_was_written_anew_plays_anew(tmp_path: Path) -> None:
    for value in (0.25, 0.5):
        soundfile.write(tmp_path / f"{value}.wav", np.full((5000, 2), value, np.float32), RATE, subtype="FLOAT")
    (tmp_path / "0.25.wav").rename(tmp_path / "a.wav")
    reader = AudioReader(tmp_path / "a.wav", loop=True)
    assert (reader.read(12_000) == 0.25).all()
    (tmp_path / "0.5.wav").rename(tmp_path / "a.wav")
    assert reader.read(12_000)[0, -1] == 0.5


def test_a_truncated_file_plays_in_a_session_which_says_so(desk: Desk) -> None:
    data = desk.wav().read_bytes()
    (desk.place / "cut.wav").write_bytes(data[: len(data) // 2])
    answer = desk.run(*SHORT, "--input", "cut.wav", "--record", "rec")
    assert answer.code == 0
    assert "truncated to" in answer.out + answer.err
    assert soundfile.info("rec/a.wav").frames == soundfile.info("cut.wav").frames


def test_five_channels_of_m4a_are_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(5000, 5), RATE)
    with pytest.raises(AudioFileError, match="5 channels; 1 or 2 can be played"):
        check(tmp_path / "a.wav")


def test_a_cut_mp4_is_refused_or_reported(tmp_path: Path) -> None:
    """Its index stands at the end, or at the beginning."""
    whole = encode(tmp_path / "a.m4a", noise(20_000), RATE, "mp4", "aac").read_bytes()
    (tmp_path / "a.m4a").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(AudioFileError, match="not audio that can be read"):
        check(tmp_path / "a.m4a")
    whole = encode(tmp_path / "b.m4a", noise(20_000), RATE, "mp4", "aac", movflags="faststart").read_bytes()
    (tmp_path / "b.m4a").write_bytes(whole[: len(whole) // 2])
    survey = check(tmp_path / "b.m4a", decode=True)
    assert "bytes are missing" in survey.remarks[0]
    assert survey.length_at(RATE) > 4000


@pytest.mark.parametrize(
    "clip", [*sorted(CLIP.parent.glob("*.ogg")), *sorted(CLIP.parent.glob("*.flac"))], ids=lambda clip: clip.stem
)
def test_a_scan_of_a_demo_clip_finds_what_decoding_finds(clip: Path) -> None:
    """FFmpeg's durations of Vorbis packets add up to less than the sound."""
    scanned, decoded = check(clip, None), check(clip, None, decode=True)
    assert scanned == decoded
    assert scanned.remarks == ()
