"""Table of all parameters: names, ranges, defaults, help; flags, OSC addresses and controls are
derived from it.

Knows bends' and effects' declarations; it does not know engines, sessions or OSC packets.
"""
