"""Pages of the side panel. Each shows values and emits signals.

A page must not know the client, the window or another page.
"""
