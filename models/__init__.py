"""Codecs: what they promise (`codec`), the ones there are, and how to have one by name (`load`)."""

from models.codec import Codec, CodecError, CodecSpec, Controls, Decoder, Encoder, Frame
from models.load import available, load, split_path

__all__ = [
    "Codec",
    "CodecError",
    "CodecSpec",
    "Controls",
    "Decoder",
    "Encoder",
    "Frame",
    "available",
    "load",
    "split_path",
]
