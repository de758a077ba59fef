"""Engine: codecs, timeline, worker and parameters of one stream.

This package must not know sound devices, OSC, files, recordings or windows.
"""
