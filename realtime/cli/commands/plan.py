"""Command `plan`: print the latency and its terms, and store it for new inserts."""

from __future__ import annotations

import argparse
import contextlib
import json
from typing import Any

from realtime.cli import effect_flags, flags
from realtime.parameters.table import PARAMETERS

NAMES = ("rate", "block", "latency", "precision")


def add_parser(commands: Any) -> None:
    """Add the command's parser to the subparsers of `verdigris`."""
    plan = commands.add_parser("plan", help="print the latency and its terms")
    flags.add_slots(plan)
    effect_flags.add(plan, "--post-a", "--post-b")
    flags.add_parameters(plan, *NAMES)
    flags.add_trust(plan)
    plan.add_argument("--json", action="store_true", help="print JSON")
    plan.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from realtime.plugin import reserved_latency
    from realtime.worker import lane_setup
    from realtime.worker.latency_budget import plan, raised_message
    from realtime.worker.messages import LoadCodecs

    flags.give_consent(arguments)
    names = ("a.codec", "b.codec", *NAMES)
    given = {name: PARAMETERS[name].default for name in names} | flags.given_parameters(arguments, *names)
    rate = given["rate"]
    slots: list[tuple[int, str, str | None]] = [(0, *flags.slot_a(given["a.codec"]))]
    if b := flags.slot_b(given["b.codec"]):
        slots.append((1, *b))
    request = LoadCodecs(tuple(slots), rate, precision=given["precision"], racks=effect_flags.racks(arguments))
    with contextlib.ExitStack() as at_end:
        lanes = lane_setup.open_lanes(request)
        for lane in lanes:
            at_end.callback(lane.close)
        lane_setup.autotune(lanes)
        compute_s, remarks = lane_setup.warm_up(lanes, request)
        ready = lane_setup.requirements_of(lanes, compute_s)
    budget = plan(ready.needs, rate=rate, block=given["block"], latency=given["latency"])
    reserved_latency.reserve(budget.latency, budget.terms["compute"], rate)
    if arguments.json:
        facts = {"sample_rate": rate, "latency_samples": budget.latency, "latency_terms": budget.terms}
        print(json.dumps({**facts, "real_time_factor": ready.load}))
        return
    for term, samples in budget.terms.items():
        print(f"{term:>10} {samples:7} samples {1000 * samples / rate:8.1f} ms")
    print(f"{'latency':>10} {budget.latency:7} samples {budget.milliseconds:8.1f} ms at {rate} Hz")
    for remark in (*remarks, raised_message(given["latency"], budget)):
        if remark:
            print(remark)
    if ready.load >= 1.0:
        print(f"{ready.load:.2f} × real time: too slow here. Pass fewer steps, another codec, or render a file.")
