"""Effects of the rack, before and after the codec: numpy, pyo, LV2, VST3 and a gain. Protocol:
effect.py.

Effects know blocks of audio; they do not know codecs, slots, timelines or sessions.
"""
