"""Rigs of the plug-in: hosts of the insert, and the process that serves it."""
