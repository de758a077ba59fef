"""Recording of a stream: takes of WAV files and tapes, and a buffer of the last seconds for loops.

Knows the timeline and the engine's events; it does not know drivers, OSC or the command line.
"""
