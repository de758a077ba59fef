"""MIDI input of the window: controllers that are learned like OSC addresses, and the clock.

A MIDI control becomes a foreign OSC address, such as /midi/1/cc/21, with a number from 0 to 1. The
engine learns and binds it like any fader, so that one mapping holds for both.

It must not know the client, pages or plots.
"""
