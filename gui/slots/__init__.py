"""Slots A and B in the window: their cards, controls and the list of codecs.

These widgets must not know the client or the view; gui/slot_control.py passes its state to them.
"""
