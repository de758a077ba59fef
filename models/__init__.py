"""Codecs: the contract (`codec`), the registry of families and loading by name (`load`).

Knows no audio device, socket, window or thread, and nothing of realtime, gui or benchmarks. The
only network access is the download of weights (`weights_io`).
"""

from models.codec import Codec, CodecError, CodecSpec, Decoder, DecoderControls, Encoder, Frame
from models.load import catalogue, load, split_codec_path

__all__ = [
    "Codec",
    "CodecError",
    "CodecSpec",
    "Decoder",
    "DecoderControls",
    "Encoder",
    "Frame",
    "catalogue",
    "load",
    "split_codec_path",
]
