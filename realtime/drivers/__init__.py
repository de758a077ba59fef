"""Drivers: each hands blocks of input to the host side of a timeline and plays what it returns.

Must not know codecs, engine, session, parameters or the command line. To add one, see
`registry.py`.
"""
