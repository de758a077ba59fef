"""Weights as files: the list of releases, downloads, safe reading and validation.

The only package that opens network connections (HTTP). Must not know any network's layers.
"""
