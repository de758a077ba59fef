"""Transport in the window: start and stop, the source that plays, and readouts of health.

These widgets must not know the client or the view.
"""
