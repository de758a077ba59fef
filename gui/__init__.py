"""Window: a process of its own that polls telemetry and sends controls.

It must know of realtime only the client, the parameter table and telemetry; no devices, no engine,
no torch.
"""
