"""Streaming signal processing: resampler, limiter and loudness meter.

This package must not know timelines, codecs, devices or threads.
"""
