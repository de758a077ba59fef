"""Classic codecs: Opus, MP3 and AAC through FFmpeg, and Vorbis for whole files.

Knows the contract of `models.codec`. Must not import torch or another family of codecs.
"""
