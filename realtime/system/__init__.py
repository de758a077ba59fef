"""Helpers around the operating system: files, signals, threads, child processes.

Must not know codecs, parameters, engine, devices or network: every package may import this one, it
imports none.
"""
