"""Lists of codecs and devices by OSC."""

from __future__ import annotations

from realtime.client.model import pairs
from realtime.osc.device_list import DeviceList
from realtime.system.cli_subprocess import CliProcesses
from realtime.worker import codec_catalogue
from tests.support.osc_rig import Rig


class FakeProcesses(CliProcesses):
    """Stands in for `verdigris devices --json`."""

    def __init__(self, output: object, succeeded: bool = True) -> None:
        super().__init__()
        self.started: list[tuple[str, ...]] = []
        self.output, self.succeeded, self.over = output, succeeded, False

    def start(self, *command: str) -> int:
        self.started.append(command)
        return 0

    def is_running(self, command: str) -> bool:
        return bool(self.started)

    def ended(self) -> list[tuple[tuple[str, ...], bool, object]]:
        return [(self.started.pop(), self.succeeded, self.output)] if self.over else []


def test_the_catalogue_is_answered_row_by_row_in_plain_values(rig: Rig) -> None:
    rows = codec_catalogue.rows()
    answers = rig.ask("/verdigris/codecs")
    assert [answer.args[:2] for answer in answers] == [(number, len(rows)) for number in range(1, len(rows) + 1)]
    for row, answer in zip(rows, answers, strict=True):
        fields = pairs(answer.args[2:])
        assert fields.keys() == row.keys()
        for name in ("name", "kind", "licence", "weights", "sample_rate", "channels", "keeps_up"):
            assert fields[name] == row[name]
        assert fields["names"] == ",".join(row["names"])
    (swift,) = [pairs(answer.args[2:]) for answer in answers if "swift" in answer.args]
    assert swift["variants"].startswith("default=12,3=3,")


def test_devices_are_listed_by_another_process_and_sent_when_it_ends(rig: Rig) -> None:
    usb = {"name": "ALSA:USB", "host_api": "ALSA", "inputs": 2, "outputs": 4, "rates": [44_100, 48_000]}
    processes = FakeProcesses([{**usb, "used_for_input": True}])
    rig.server.device_list = DeviceList(processes)
    rig.server.device_facts = lambda: {"driver": "device", "name": "ALSA:USB → ALSA:HDMI"}
    assert rig.ask("/verdigris/devices") == []
    assert rig.ask("/verdigris/devices") == []
    assert processes.started == [("devices", "--json")], "one process for all requests"
    processes.over = True
    first, second = rig.turn()
    assert first.args[:2] == (1, 2)
    facts = dict(zip(first.args[2::2], first.args[3::2], strict=True))
    assert facts == {**usb, "rates": "44100 48000", "used_for_input": 1, "playing": 1}
    assert second.args == (2, 2, "name", "ALSA:HDMI", "host_api", "ALSA", "playing", 1), "others find it busy"
    assert rig.turn() == []


def test_no_devices_and_no_sound_library_are_answered_too(rig: Rig) -> None:
    for output, succeeded, answer in (
        ([], True, ("/verdigris/devices", (0, 0))),
        ("no PortAudio library. Install it.", False, ("/verdigris/error", ("/verdigris/devices",))),
    ):
        processes = FakeProcesses(output, succeeded)
        processes.over = True
        rig.server.device_list = DeviceList(processes)
        (reply,) = rig.ask("/verdigris/devices")
        assert (reply.address, reply.args[: len(answer[1])]) == answer


def test_facts_of_the_driver_are_looked_up_only_on_request(rig: Rig) -> None:
    calls: list[int] = []
    rig.server.device_facts = lambda: calls.append(1) or {"driver": "clock"}  # type: ignore[func-returns-value]
    rig.turn()
    assert not calls
    rig.ask("/verdigris/device")
    assert calls
