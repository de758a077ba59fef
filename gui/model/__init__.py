"""State and logic behind the window: actions, undo, settings, ABX.

It must not import Qt or any widget.
"""
