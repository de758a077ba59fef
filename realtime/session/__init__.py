"""Sessions: streams one after another, with console, OSC, recording and input sources beside them.

Knows the engine, drivers and OSC service; it does not know command-line flags or windows.
"""
