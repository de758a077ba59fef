"""Bends: functions that change frames between encode and decode. docs/bends.md shows how to write
one.

Bends know frames and the codec's spec; they do not know slots' audio, workers, sessions or OSC.
"""
