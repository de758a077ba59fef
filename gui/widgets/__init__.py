"""Widgets that pages and the window are built from, and the theme.

They must not know the client connection or actions; user input leaves as signals.
"""
