"""Bends: what is done to frames between encode and decode. docs/bends.md says how to write one.

A bend is a function `bend(frame, state, params, rng) -> Frame`. It gets the frame, what it keeps between frames
(`State`), its own parameters by name, and a generator seeded by slot, bend, frame and the seed parameter, so that the
same settings give the same sound. It is called only while its settings do something.
"""
