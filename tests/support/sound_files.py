"""Small sound files of many containers, made by libsndfile and FFmpeg."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import soundfile

from tests.support.desk import noise

RATE = 44_100
SAMPLES = 6000
WRITTEN = {  # by libsndfile
    "float.wav": ("WAV", "FLOAT"),
    "short.wav": ("WAV", "PCM_16"),
    "rf64.wav": ("RF64", "PCM_24"),
    "a.w64": ("W64", "PCM_16"),
    "a.caf": ("CAF", "PCM_16"),
    "a.au": ("AU", "PCM_16"),
    "a.aiff": ("AIFF", "PCM_16"),
    "a.flac": ("FLAC", "PCM_16"),
    "a.ogg": ("OGG", "VORBIS"),
    "a.opus": ("OGG", "OPUS"),
    "a.mp3": ("MP3", "MPEG_LAYER_III"),
}
ENCODED = {  # by FFmpeg: container, codec
    "aac.m4a": ("mp4", "aac"),
    "alac.m4a": ("mp4", "alac"),
    "a.aac": ("adts", "aac"),
    "a.webm": ("webm", "libopus"),
    "a.mka": ("matroska", "flac"),
    "lame.mp3": ("mp3", "libmp3lame"),
    "flac.oga": ("ogg", "flac"),
}


def encode(
    path: Path, audio: np.ndarray, rate: int, container: str, codec: str, *, bit_rate: int = 0, **options: str
) -> Path:
    """Write audio [T, C] by FFmpeg; return the path. `bit_rate` is in bit/s; `options` are the container's."""
    with av.open(str(path), "w", format=container, options=options) as file:
        stream = file.add_stream(codec, rate=rate)
        assert isinstance(stream, av.AudioStream)
        if bit_rate:
            stream.bit_rate = bit_rate
        stream.layout = "mono" if audio.shape[1] == 1 else "stereo"
        formats = stream.codec_context.codec.audio_formats
        assert formats
        resampler = av.AudioResampler(format=formats[0].name, layout=stream.layout.name, rate=rate)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(audio.T, np.float32), "fltp", stream.layout.name)
        frame.sample_rate = rate
        fifo = av.AudioFifo()
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            piece.pts = None
            fifo.write(piece)
        size = stream.codec_context.frame_size or 1024
        while (chunk := fifo.read(size, partial=True)) is not None:
            for packet in stream.encode(chunk):
                file.mux(packet)
        for packet in stream.encode(None):
            file.mux(packet)
    return path


def sound_files(place: Path, samples: int = SAMPLES) -> dict[str, bytes]:
    """Return the bytes of a file of each container, by name."""
    audio = noise(samples)
    for name, (format_, subtype) in WRITTEN.items():
        soundfile.write(place / name, audio, 48_000 if name == "a.opus" else RATE, format=format_, subtype=subtype)
    for name, (container, codec) in ENCODED.items():
        encode(place / name, audio, 48_000 if codec == "libopus" else RATE, container, codec)
    return {name: (place / name).read_bytes() for name in [*WRITTEN, *ENCODED]}
