"""OSC commands in sets, by what they are about. realtime/osc/commands.py joins them.

A set must not know the sockets or another set.
"""
