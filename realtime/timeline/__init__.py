"""Shared-memory timeline: sample rings, counters, telemetry, playout and session files.

This package must not know codecs, effects, devices, threads or the worker.
"""
