"""Preparation of the fork server of device processes: imports and compiled callbacks, no device."""

import gc

from realtime.system.platform.child_process import ends_with_parent

with ends_with_parent():  # compiling takes up to a minute on a busy machine
    from realtime.drivers.portaudio import device_process  # noqa: F401 - imported for the processes to come
    from realtime.drivers.portaudio.callback import compile_callback

    compile_callback(False)  # the argument as the stream passes it, for the cache
gc.freeze()  # the processes share these pages
