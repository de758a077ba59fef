"""Codec catalogue: the registry's rows and how fast each codec was on this machine."""

from __future__ import annotations

from typing import Any

from models.load import catalogue
from realtime.worker import compute_history

KEEPS_UP = 0.9  # × real time: a higher load leaves nothing for other programs


def rows() -> list[dict[str, Any]]:
    """Return a row for each family of codecs, of plain values.

    No network call, and no codec is loaded.

    `names` are the choices for live use; empty for a codec of whole files. `speed` is the slowest ×
    real time of that family in earlier sessions on this machine, or -1 if there was none.
    `keeps_up` is "yes", "no" or "unknown"; "no" for a codec of whole files.
    """
    seen = compute_history.load()
    found = []
    for row in catalogue():
        rate = row["sample_rate"] / row["hop"]  # type: ignore[operator]
        taken = [seconds * rate for key, seconds in seen.items() if _is_of(key, row)]
        speed = round(max(taken), 3) if taken else -1.0
        answer = "unknown" if not taken else "yes" if speed < KEEPS_UP else "no"
        names = [f"{row['name']}:{variant}".rstrip(":") for variant in _variants(row)] if row["live"] else []
        found.append({**row, "names": names, "speed": speed, "keeps_up": answer if row["live"] else "no"})
    return found


def table(found: list[dict[str, Any]]) -> str:
    """Return the catalogue as text, one paragraph per row of `rows`."""
    lines = [f"{'codec':10} {'kind':8} {'kHz':>5} {'ch':>2} {'kbit/s':>7} {'latency':>9} {'weights':>18}  licence"]
    for row in found:
        where = {"none": "-", "download": f"download {row['size_mb']:.0f} MB" if row["size_mb"] else "download"}
        weights = where.get(row["weights"], f"{row['size_mb']:.0f} MB here")
        lines.append(
            f"{row['name']:10} {row['kind']:8} {row['sample_rate'] / 1000:5g} {row['channels']:2} {row['kbps']:7g} "
            f"{row['latency_ms']:6.1f} ms {weights:>18}  {row['licence']}"
        )
        variants = ", ".join(f"{row['name']}:{variant}" for variant in row["variants"] if variant)
        speed = "" if row["speed"] < 0 else f"{row['speed']:.2f} × real time here"
        details = [part for part in (variants, speed, row["remark"]) if part]
        lines += [f"{'':10} {part}" for part in details]
    return "\n".join(lines)


def _variants(row: dict[str, Any]) -> list[str]:
    """Return the variants of a row; the default is first unless it equals one of several."""
    bitrates = dict(row["variants"])
    default = bitrates.pop("")
    return list(bitrates) if len(bitrates) > 1 and default in bitrates.values() else ["", *bitrates]


def _is_of(key: str, row: dict[str, Any]) -> bool:
    """Return True if a stored time is of this family and of frames with this row's hop."""
    if key.startswith(f"{row['name']} "):  # a file of the user's, whose name may have spaces and colons
        return True
    name = key.split(" ", 1)[0]
    family, _, variant = name.partition(":")
    return family == row["name"] and (variant in row["variants"] or not variant)
