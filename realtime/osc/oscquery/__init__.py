"""OSCQuery: the tree of addresses as JSON over HTTP, and changes over WebSocket.

Below the OSC service; must not know drivers, codecs or the window.
"""
