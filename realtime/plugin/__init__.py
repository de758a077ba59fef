"""The DAW insert: a native LV2 and CLAP plug-in that plays a timeline inside the host.

Must not know engine, session, codecs or drivers: it shares only timeline, parameters and the
runtime directory.
"""
