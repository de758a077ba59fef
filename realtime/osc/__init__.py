"""Played by OSC: packets in, parameters set on the sample clock, acknowledgements and streams out.

The audio side knows nothing of this; all of it runs in one thread of its own.
"""
