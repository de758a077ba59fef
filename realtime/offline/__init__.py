"""Offline work on whole files: rendering through a codec, decoding tapes, packing them.

Knows codecs, files and the worker's lanes; it does not know drivers, sessions or OSC.
"""
