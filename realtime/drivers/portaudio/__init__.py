"""The device driver: a sound card through PortAudio, in a process of its own.

Must not know codecs, engine or command line. Only `api.py` imports sounddevice.
"""
