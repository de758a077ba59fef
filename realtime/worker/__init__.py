"""Worker: runs codecs on a timeline in its own process or thread, and plans their latency.

This package must not know sound devices, OSC, windows or the engine that starts it.
"""
