"""Parameters that a host may automate, in the order of the plug-in's ports.

The plug-in applies the mix parameters itself, so that bypass works without an engine. Bends go to
the worker, for every slot in use.
"""

from __future__ import annotations

from realtime.parameters.table import PARAMETERS, Parameter
from realtime.timeline.monitor_mix import PLUGIN_MIX_PARAMETERS

BENDS = (
    *("bend.freeze.on", "bend.hold.frames", "bend.mosh.probability", "bend.swap.amount"),
    *("bend.mask.probability", "bend.noise", "bend.levels", "bend.loss.token"),
)
NAMES = PLUGIN_MIX_PARAMETERS + BENDS


def port_parameter(port: int) -> Parameter:
    """Return the parameter of a port; for a bend that of slot A, which equals that of slot B."""
    return PARAMETERS[NAMES[port] if port < len(PLUGIN_MIX_PARAMETERS) else f"a.{NAMES[port]}"]


def port_range(parameter: Parameter) -> tuple[float, float, float]:
    """Return minimum, maximum and default as a host sees them; choices are numbered from 0."""
    if parameter.choices:
        return 0.0, float(len(parameter.choices) - 1), float(parameter.choices.index(parameter.default))
    if parameter.kind is bool:
        return 0.0, 1.0, float(parameter.default)
    if parameter.low is None or parameter.high is None:
        raise ValueError(f"{parameter.name} has no range, so hosts cannot automate it")
    return float(parameter.low), float(parameter.high), float(parameter.default)


def value(port: int, number: float) -> object:
    """Return the parameter value for a host's number, clipped to the port's range."""
    parameter = port_parameter(port)
    low, high, _ = port_range(parameter)
    number = min(max(number, low), high)
    if parameter.choices:
        return parameter.choices[round(number)]
    if parameter.kind is bool:
        return bool(round(number))
    return parameter.kind(round(number) if parameter.kind is int else number)
