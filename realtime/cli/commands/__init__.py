"""Commands of `verdigris`, one module each: `add_parser` and the function that runs it, in the
order of the help.

A command knows what it runs, imported when it runs; it does not know other commands.
"""
