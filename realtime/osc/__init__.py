"""OSC server: packets in, parameters set on the sample clock, acknowledgements and subscriptions
out.

It must not be imported by the audio side (timeline, drivers, worker); all of it runs in threads of
its own.
"""
