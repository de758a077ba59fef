"""Command line: one module per command, with its parser and its run function.

Knows every package, and is imported by none.
"""

import _signal  # type: ignore[import-not-found]  # built in: `signal` itself takes milliseconds to import
import sys as _sys

# Ctrl-C ends the program without a traceback also while its modules are imported, before `main` takes over.
# Not where another program, such as the tests, imports this package.
if (
    _sys.argv
    and _sys.argv[0].replace("\\", "/").rpartition("/")[2] in ("-m", "verdigris", "verdigris.exe")
    and _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler
):
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
