"""Training audio of the bundled networks: sources with licences, downloads, MIDI rendering.

Knows packages and files only, no networks.
"""
