"""Measurements of `verdigris bench`, the source of every number in README and docs.

Nothing imports this package but the command line and tests.
"""
