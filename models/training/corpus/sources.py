"""Sources of the bundled networks' training audio: packages, the files taken from them, licences
and credits.

Only files named here are used, each under a licence that lets trained weights ship under a
permissive one. Licences in these packages differ from file to file, so other files are left out.
Clips used for evaluation are never named here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """One package.

    Its files are used if the path matches one of `take` and the name none of `skip`.
    """

    name: str
    version: str
    sha256: str
    mb: float
    small: bool
    take: tuple[str, ...]
    licence: str
    credit: str
    skip: tuple[str, ...] = ()
    kind: str = "deb"  # deb, npm, wad (MIDI inside), soundfont
    inner: str = ""  # an archive inside the package that holds the files


def _cho(name: str, version: str, mb: float, sha: str) -> Source:
    """Return the source of a game by Kenta Cho.

    One BSD-2-Clause licence covers code, music and effects.
    """
    return Source(
        name + "-data",
        version,
        sha,
        mb,
        True,
        (f"usr/share/games/{name}/sounds/*",),
        "BSD-2-Clause",
        f"{name}: music and sounds (c) Kenta Cho, BSD-2-Clause",
    )


_UFO = (
    "David01 David02 David03 David04 David05 azrael1 karlmacklin_geoscape van_geoscape van_mission van_mission2 "
    "van_mission3 van_mission4 van_theme"
)
_WHALLON = (
    "ambient1 ambient2 ambient2_5 ambient3 automat battlesomething1 battlesomething2 collective1 collective2 empire1 "
    "empire2 flf_battle1 intrigue intro landing_sinister nebu_battle1 nebu_battle2 sirius1 upbeat zalek1 zalek2"
)
SOUNDFONT = "fluidr3mono-gm-soundfont"
SOURCES = (
    Source(
        SOUNDFONT,
        "2.315-7",
        "4098301bf29f4253c2f5799a844f42dd4aa733d91a210071ad16d7757dea51d6",
        18.7,
        True,
        ("*/FluidR3Mono_GM.sf3",),
        "MIT",
        "",
        kind="soundfont",
    ),
    Source(
        "freedoom",
        "0.12.1-2",
        "c5b7cf1aa6dde8c980271981ce75b9b4a9e7b634b9db93d471f54bab7a8e1290",
        15.8,
        True,
        ("*/freedoom1.wad", "*/freedoom2.wad"),
        "BSD-3-Clause (MIDI), MIT (soundfont)",
        "Freedoom music (c) contributors to the Freedoom project, BSD-3-Clause; rendered with the FluidR3Mono GM "
        "soundfont (c) Michael Cowgill, Frank Wen and others, MIT",
        kind="wad",
    ),
    _cho("noiz2sa", "0.51a-13", 8.3, "7e38af552d946eaaf06ab2789c921972bb2bd88f202d48113faf11a30a614223"),
    _cho("torus-trooper", "0.22.dfsg1-13", 5.6, "774d4134f57dd201ae89471b2d3fd1f0b7255dc0ceabcfe0d9e6c3e6b34499aa"),
    _cho("mu-cade", "0.11.dfsg1-13", 4.9, "0486ba0460f0d1d7c9d41b44d5209610e000fc2aea8f6bb3d15de7f6f6664bd1"),
    _cho("gunroar", "0.15.dfsg1-10", 4.9, "d5b0b86f4baef55534d83e77c7a66c91d4c385168fcb19e090553827e282f360"),
    _cho("titanion", "0.3.dfsg1-8", 4.3, "8a291c78bbd2b48e932439aefa219243ea72095e5a92cabb69b54af4797e2008"),
    _cho("tumiki-fighters", "0.2.dfsg1-10", 4.3, "74eb827adfbe9622d693c4bc1c930ad7a5846242689c34da64c97ba214995fba"),
    _cho("parsec47", "0.2.dfsg1-9", 4.1, "5411a7a186cd06433db14b82b6f90e1f3e2cb345dfaf6f4d0f14dec17de8beff"),
    _cho("rrootage", "0.23a-13", 3.6, "790ef886eb9705a9fc8b71069a31c4beab3beb4512603a1b87f90258879e4ccf"),
    _cho("a7xpg", "0.11.dfsg1-11", 3.5, "7407c74e6160be0db3713d79176f9ba984fcd59437ac8127b60033d6bf44ba6a"),
    _cho("val-and-rick", "0.1a.dfsg1-7", 1.4, "95d8606ba7c14e57ebfa7538a0211eb08e55c03c8077fd922cdb91a5c206dd3e"),
    # One-shots only: loops, guitars, ambiences and Arovane's beats are held out.
    Source(
        "supersonic-scsynth-samples",
        "0.84.2",
        "aff0b03208adb5dc7612dc7a4e86d55161188326bcff4dbc2d20ce9e1b94238c",
        34.2,
        True,
        ("package/samples/*.flac",),
        "CC0-1.0",
        "Sonic Pi samples, CC0-1.0, from freesound.org (listed in the package's PROVENANCE.md)",
        skip=("loop_*", "guit_*", "ambi_*", "arovane_*", "tbd_*"),
        kind="npm",
    ),
    Source(
        "hydrogen-drumkits-effects",
        "2017.09.19~dfsg-1",
        "4ca3ff30e89d044952ad8a4ed28c60e8e5e1f8fec0ddcf0e1e7e2c84ce2975c8",
        141.4,
        False,
        ("*/belofilms_GuitarStrums/*",),
        "CC-BY-3.0",
        "belofilms GuitarStrums, Gabriel Verdugo Soto, CC-BY 3.0",
    ),
    Source(
        "ufoai-music",
        "2.5-2",
        "2465d55e9dce75a3a2a1ad1c8ca67da84e251c04e0965d63a8562b2d9f76f9e6",
        210.2,
        False,
        tuple(f"music/{n}.ogg" for n in _UFO.split()),
        "CC-BY-3.0",
        'UFO: Alien Invasion music: Manuel "Vanethian" Marino, Gren, David Reeves (Destructavator), azrael1322, '
        "Karl Macklin, CC-BY 3.0",
        inner="*/0music.pk3",
    ),
    # Two tracks by another author in this package are held out; the rest of its music is CC-BY-SA
    # or GPL.
    Source(
        "naev-data",
        "0.8.2-1",
        "a98849cacdfc72779e03ceb68f32af03cb3c3f382ba8b82e3299ef87254b454d",
        349.5,
        False,
        tuple(f"*/snd/music/{n}.ogg" for n in _WHALLON.split()),
        "CC-BY-3.0",
        "Naev music: Nikola Whallon, offered under GPL-3 or CC-BY 3.0, used under CC-BY 3.0",
    ),
)
