"""Generator of the plug-in's shared files: run `python -m realtime.plugin.generate`.

native/table.h      timeline fields and constants, state of the host side, ports
bundle/insert.ttl   the ports for LV2 hosts
"""

from __future__ import annotations

from pathlib import Path

from realtime.parameters.plugin_ports import NAMES, port_parameter, port_range
from realtime.parameters.table import Parameter
from realtime.timeline import layout, monitor_mix
from realtime.timeline.layout import Field
from realtime.timeline.playout import PlayoutState

HERE = Path(__file__).parent
URI = "urn:verdigris:insert"
FIRST_PORT = 4  # after the audio ports
AUDIO = (
    ("in_l", "In L", "Input"),
    ("in_r", "In R", "Input"),
    ("out_l", "Out L", "Output"),
    ("out_r", "Out R", "Output"),
)
REPORTS = (  # symbol, name, maximum
    ("latency", "Latency", 2**20),
    ("engine", "Engine", 1),
    ("holes", "Dropouts", 2**24),
)
CONSTANTS = ("VERSION", "HEADER_BYTES", "TELEMETRY_BYTES", "RINGS", "FADE", "GAIN_ONE", "EVENTS", "STRETCHES")
PREFIXES = """@prefix bufsz: <http://lv2plug.in/ns/ext/buf-size#> .
@prefix doap: <http://usefulinc.com/ns/doap#> .
@prefix lv2: <http://lv2plug.in/ns/lv2core#> .
@prefix opts: <http://lv2plug.in/ns/ext/options#> .
@prefix pprops: <http://lv2plug.in/ns/ext/port-props#> .
@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix state: <http://lv2plug.in/ns/ext/state#> .
@prefix units: <http://lv2plug.in/ns/extensions/units#> .
@prefix urid: <http://lv2plug.in/ns/ext/urid#> .
"""


def header() -> str:
    """Return the text of table.h."""
    lines = ["/* Made by realtime/plugin/generate.py from the tables in Python. */", "#pragma once", ""]
    lines += ["enum {", *(f"    F_{field.name} = {int(field)}," for field in Field), "};", ""]
    lines += ["enum {", *(f"    S_{place.name} = {int(place)}," for place in PlayoutState), "};", ""]
    lines += ["enum {", *(f"    {name} = {getattr(layout, name)}," for name in CONSTANTS), "};"]
    lines += [f"#define MAGIC INT64_C({layout.MAGIC:#x})", f'#define URI "{URI}"', ""]
    lines += ["enum {", *(f"    P_{symbol(name).upper()}," for name in NAMES), f"    PORTS = {len(NAMES)}", "};", ""]
    lines += ["/* symbol, name, minimum, maximum, default, integer, choices separated by | */", "#define PORT_ROWS \\"]
    lines += [", \\\n".join(f"    {{{_c_row(port)}}}" for port in range(len(NAMES)))]
    lines += ["", "/* gains of dry, A and B for each monitor path */", "#define MIX_ROWS \\"]
    lines += [", ".join(f"{{{dry}, {a}, {b}}}" for dry, a, b in monitor_mix.PATHS.values())]
    return "\n".join(lines) + "\n"


def turtle() -> str:
    """Return the text of insert.ttl."""
    ports = [_audio(number, *port) for number, port in enumerate(AUDIO)]
    ports += [_control(FIRST_PORT + port) for port in range(len(NAMES))]
    ports.append(_port(FIRST_PORT + len(NAMES), "Input", "Control", "freewheel", "Freewheel", _FREEWHEEL))
    for number, (name, title, maximum) in enumerate(REPORTS, FIRST_PORT + len(NAMES) + 1):
        extra = _range(0, maximum, 0) + " ;\n        lv2:portProperty lv2:integer"
        if name == "latency":
            extra += ", lv2:reportsLatency ;\n        lv2:designation lv2:latency ;\n        units:unit units:frame"
        ports.append(_port(number, "Output", "Control", name, title, extra))
    return f"""# Made by realtime/plugin/generate.py from the table of parameters.
{PREFIXES}
<{URI}>
    a lv2:Plugin, lv2:SpectralPlugin, doap:Project ;
    doap:name "Verdigris" ;
    rdfs:comment "Your sound through a neural audio codec, in Verdigris beside your host" ;
    doap:license <http://www.apache.org/licenses/LICENSE-2.0> ;
    lv2:minorVersion 0 ;
    lv2:microVersion 2 ;
    lv2:optionalFeature lv2:hardRTCapable, urid:map, opts:options ;
    lv2:extensionData state:interface ;
    opts:supportedOption bufsz:maxBlockLength, bufsz:nominalBlockLength ;
    lv2:port {", ".join(ports)} .
"""


def symbol(name: str) -> str:
    """Return a parameter's name as a C and LV2 symbol."""
    return name.replace(".", "_")


def _title(name: str) -> str:
    return name.removeprefix("bend.").removesuffix(".on").replace(".", " ").capitalize()


def _is_integer(parameter: Parameter) -> bool:
    return bool(parameter.choices) or parameter.kind in (bool, int)


def _c_row(port: int) -> str:
    parameter, name = port_parameter(port), NAMES[port]
    low, high, default = (f"{number}f" for number in port_range(parameter))
    integer, choices = int(_is_integer(parameter)), "|".join(parameter.choices)
    return f'"{symbol(name)}", "{_title(name)}", {low}, {high}, {default}, {integer}, "{choices}"'


_FREEWHEEL = """lv2:default 0 ;
        lv2:minimum 0 ;
        lv2:maximum 1 ;
        lv2:designation lv2:freeWheeling ;
        lv2:portProperty lv2:toggled, pprops:notOnGUI"""


def _range(low: float, high: float, default: float) -> str:
    return f"lv2:default {default:g} ;\n        lv2:minimum {low:g} ;\n        lv2:maximum {high:.10g}"


def _control(number: int) -> str:
    parameter, name = port_parameter(number - FIRST_PORT), NAMES[number - FIRST_PORT]
    if name == "bypass":  # LV2 inverts it: lv2:enabled
        extra = _range(0, 1, 1) + " ;\n        lv2:designation lv2:enabled ;\n        lv2:portProperty lv2:toggled"
        return _port(number, "Input", "Control", "enabled", "Enabled", extra)
    extra = _range(*port_range(parameter)) + f' ;\n        rdfs:comment "{parameter.help}"'
    if parameter.choices:
        points = ", ".join(f'[ rdfs:label "{choice}" ; rdf:value {i} ]' for i, choice in enumerate(parameter.choices))
        extra += f" ;\n        lv2:portProperty lv2:integer, lv2:enumeration ;\n        lv2:scalePoint {points}"
    elif _is_integer(parameter):
        extra += f" ;\n        lv2:portProperty lv2:{'toggled' if parameter.kind is bool else 'integer'}"
    if parameter.unit == "dB":
        extra += " ;\n        units:unit units:db"
    return _port(number, "Input", "Control", symbol(name), _title(name), extra)


def _audio(number: int, name: str, title: str, direction: str) -> str:
    return _port(number, direction, "Audio", name, title, "")


def _port(number: int, direction: str, kind: str, name: str, title: str, extra: str) -> str:
    text = f"""[
        a lv2:{direction}Port, lv2:{kind}Port ;
        lv2:index {number} ;
        lv2:symbol "{name}" ;
        lv2:name "{title}\""""
    return f"{text} ;\n        {extra}\n    ]" if extra else f"{text}\n    ]"


def main() -> None:
    """Write both files."""
    (HERE / "native" / "table.h").write_text(header(), encoding="utf-8")
    (HERE / "bundle" / "insert.ttl").write_text(turtle(), encoding="utf-8")


if __name__ == "__main__":
    main()
