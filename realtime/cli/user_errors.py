"""Errors that the command line shows as one line.

Importing them takes long, so it happens only after an error.
"""

from __future__ import annotations

from realtime.plugin.build import CompilerError
from realtime.plugin.install import InstallError
from realtime.session.supervisor import START_ERRORS

USER_ERRORS = (*START_ERRORS, CompilerError, InstallError)
