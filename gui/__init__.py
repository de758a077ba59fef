"""The window: a process of its own that polls telemetry and sends controls, and knows nothing of devices or torch."""
