"""OSCQuery tree: all addresses with type, range, value and description, built from the parameter
table.

https://github.com/Vidvox/OSCQueryProposal. A vector is a node with one value for each element, and
its elements are its contents. Commands are nodes without a value.
"""

from __future__ import annotations

import math
from typing import Any

from realtime.osc.commands import COMMANDS
from realtime.osc.docs_page import tags
from realtime.parameters.table import PARAMETERS, Parameter, When, element_name
from realtime.worker import codec_catalogue

READ, WRITE = 1, 2
ATTRIBUTES = ("FULL_PATH", "CONTENTS", "TYPE", "ACCESS", "VALUE", "RANGE", "CLIPMODE", "UNIT", "DESCRIPTION")
Node = dict[str, Any]


def host_info(port: int, websocket_port: int) -> Node:
    """Return the answer to ?HOST_INFO; `port` is that of OSC."""
    return {
        "NAME": "Verdigris",
        "OSC_IP": "127.0.0.1",
        "OSC_PORT": port,
        "OSC_TRANSPORT": "UDP",
        "WS_IP": "127.0.0.1",
        "WS_PORT": websocket_port,
        "EXTENSIONS": {
            **dict.fromkeys(("ACCESS", "VALUE", "RANGE", "CLIPMODE", "UNIT", "DESCRIPTION", "LISTEN"), True),
            "PATH_CHANGED": False,
            "PATH_ADDED": False,
            "PATH_REMOVED": False,
        },
    }


def tree(values: dict[str, Any], table: dict[str, Parameter] = PARAMETERS) -> Node:
    """Return the tree with the current values."""
    root = _container("/", "Verdigris")
    for command in COMMANDS.values():
        _put(root, command.address, {"ACCESS": WRITE, "DESCRIPTION": command.help})
    for name, row in table.items():
        value = values[name]
        node = _leaf(row, list(value) if row.size else [value])
        if row.when == When.LOAD:  # a codec: the names of the catalogue; other specs are allowed too
            node["RANGE"] = [{"VALS": [name for codec in codec_catalogue.rows() for name in codec["names"]]}]
        _put(root, row.address, node)
        for index in range(row.size):
            element = _leaf(row, [value[index]])
            _put(root, f"{row.address}/{element_name(row, index)}", element)
    return root


def find(root: Node, path: str) -> Node | None:
    """Return the node of an address, or None."""
    node: Node | None = root
    for part in path.strip("/").split("/"):
        if part and node is not None:
            node = node.get("CONTENTS", {}).get(part)
    return node


def _container(path: str, text: str = "") -> Node:
    return {"FULL_PATH": path, "ACCESS": 0, "DESCRIPTION": text, "CONTENTS": {}}


def _put(root: Node, address: str, found: Node) -> None:
    node, path = root, ""
    for part in address.strip("/").split("/"):
        path += "/" + part
        contents = node.setdefault("CONTENTS", {})
        node = contents.setdefault(part, {"FULL_PATH": path, "ACCESS": 0})
    node.update(found)


def _leaf(row: Parameter, value: list[Any]) -> Node:
    fixed = row.when == When.RESTART or row.local
    node: Node = {
        "TYPE": tags(row)[0] * len(value),
        "ACCESS": READ if fixed else READ | WRITE,
        "VALUE": [int(v) if row.kind is bool else v for v in value],
        "DESCRIPTION": row.help,
        "CLIPMODE": ["both" if row.clamp else "none"] * len(value),
    }
    if row.choices:
        node["RANGE"] = [{"VALS": list(row.choices)}] * len(value)
    elif row.kind is bool:
        node["RANGE"] = [{"MIN": 0, "MAX": 1}] * len(value)
    elif row.low is not None and row.high is not None and math.isfinite(row.high):
        node["RANGE"] = [{"MIN": row.low, "MAX": row.high}] * len(value)
    if row.unit:
        node["UNIT"] = [row.unit] * len(value)
    return node
