"""Rigs of sound devices: a JACK server in place of a card, and a meter outside the program."""
