"""Training of residual codecs: the balancer, discriminators that learn, runs that resume exactly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.codec import CodecError, DecoderControls
from models.load import load
from models.residual.network import ResidualNetwork
from models.training.residual.balancer import Balancer
from models.training.residual.config import RECIPES, RENAMED, ResidualConfig
from models.training.residual.discriminators import (
    DISCRIMINATORS,
    PeriodsAndBands,
    discriminator_loss,
    feature_loss,
    generator_loss,
)
from models.training.residual.objective import draw_books, make_discriminator, to_mid_side
from models.training.residual.spectral_losses import SPECTRA
from models.training.residual.state import ResidualState
from models.training.residual.train import export, one_step, run
from tests.support.residual import narrow

torch.set_num_threads(1)

NARROW = narrow(books=4, size=64)
QUICK = ResidualConfig(
    batch=2, seconds=0.1, precision="float32", steps=200, discriminator_width=4, discriminator_windows=(256, 128)
)


def state_of(config: ResidualConfig = QUICK) -> ResidualState:
    return ResidualState(ResidualNetwork(NARROW).randomise(config.seed), config)


def tones(step: int, samples: int = 4800) -> torch.Tensor:
    """A batch of chords [2, 2, samples], the same for the same step."""
    rng = np.random.default_rng(step)
    pitch = rng.uniform(100, 4000, (2, 2, 3, 1))
    return torch.from_numpy((0.1 * np.sin(2 * np.pi * pitch * np.arange(samples) / 48000).sum(2)).astype(np.float32))


@given(st.lists(st.floats(0.1, 10), min_size=3, max_size=3), st.lists(st.floats(1e-3, 1e3), min_size=3, max_size=3))
def test_a_losses_share_of_the_gradient_is_its_weight(weights: list[float], scales: list[float]) -> None:
    """The equation, in one batch: the norms are their own running means, whatever the losses' sizes."""
    output = torch.zeros(3, 50, requires_grad=True)
    losses = {str(i): scale * output[i].sum() for i, scale in enumerate(scales)}  # of gradients at right angles
    balancer = Balancer({str(i): weight for i, weight in enumerate(weights)}, total=2.0)
    gradient, norms = balancer.gradient(losses, output)
    for i, weight in enumerate(weights):
        assert float(gradient[i].norm()) == pytest.approx(2.0 * weight / sum(weights), rel=1e-4)
        assert norms[str(i)] == pytest.approx(scales[i] * 50**0.5, rel=1e-4)


def test_a_gradient_is_weighed_by_the_running_mean_of_its_norms() -> None:
    balancer = Balancer({"x": 1.0}, decay=0.5)
    sent = []
    for scale in (1.0, 3.0):
        output = torch.zeros(1, requires_grad=True)
        gradient, _ = balancer.gradient({"x": scale * output.sum()}, output)
        sent.append(float(gradient))
    assert sent[0] == pytest.approx(1.0)
    assert sent[1] == pytest.approx(3.0 / ((0.5 * 1 + 3) / 1.5))


def test_a_loss_of_weight_zero_has_no_part() -> None:
    output = torch.zeros(2, requires_grad=True)
    gradient, norms = Balancer({"x": 1.0, "y": 0.0}).gradient({"x": output[0], "y": output[1]}, output)
    assert gradient.tolist() == [1.0, 0.0]
    assert list(norms) == ["x"]


@pytest.mark.parametrize("name", SPECTRA)
def test_a_spectral_loss_is_nothing_for_equals_and_grows_with_distance(name: str) -> None:
    a, noise = tones(0), 0.01 * torch.randn(2, 2, 4800, generator=torch.Generator().manual_seed(0))
    distances = [float(SPECTRA[name](a + amount * noise, a, 48000)) for amount in (0.0, 1.0, 10.0)]
    assert distances[0] == pytest.approx(0, abs=1e-2)
    assert distances[0] < distances[1] < distances[2]
    silent = torch.zeros(1, 2, 4800, requires_grad=True)
    SPECTRA[name](silent, torch.zeros(1, 2, 4800), 48000).backward()
    assert silent.grad is not None
    assert torch.isfinite(silent.grad).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_a_discriminator_learns_to_tell_noise_from_tones(name: str) -> None:
    torch.manual_seed(0)
    discriminator = DISCRIMINATORS[name](4)
    optimiser = torch.optim.Adam(discriminator.parameters(), 3e-3, betas=(0.5, 0.9))
    generator = torch.Generator().manual_seed(1)
    losses = []
    for step in range(24):
        real, made = discriminator(tones(step)), discriminator(0.1 * torch.randn(2, 2, 2400, generator=generator))
        loss = discriminator_loss(real, made)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[0] == pytest.approx(2.0, abs=0.5)  # a hinge on each side, before anything is known
    assert losses[-1] < 0.85 * losses[0]


def test_adversarial_losses_are_those_of_the_papers() -> None:
    real = [(torch.tensor([2.0, 0.0]), [torch.tensor([1.0, 3.0])])]
    made = [(torch.tensor([-2.0, 0.5]), [torch.tensor([2.0, 3.0])])]
    assert float(discriminator_loss(real, made)) == pytest.approx(0.5 + 0.75)
    assert float(generator_loss(made)) == pytest.approx((3.0 + 0.5) / 2)
    assert float(feature_loss(real, made, relative=False)) == pytest.approx(0.5)
    assert float(feature_loss(real, made, relative=True)) == pytest.approx(0.25)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("adversarial", [False, True])
def test_every_recipe_takes_a_step_with_and_without_its_discriminator(recipe: str, adversarial: bool) -> None:
    state = state_of(replace(QUICK, recipe=recipe, adversarial=adversarial, discriminator_every=1.0))
    before = [weight.clone() for weight in state.network.parameters()]
    judged = [] if state.adversary is None else [weight.clone() for weight in state.adversary.network.parameters()]
    shown = [one_step(state, tones(step)).metrics for step in range(2)]
    assert all(np.isfinite(value) for value in shown[-1].values())
    assert ("adversarial" in shown[-1]) == adversarial
    assert any(not torch.equal(a, b) for a, b in zip(before, state.network.parameters(), strict=True))
    if state.adversary is not None:
        assert any(not torch.equal(a, b) for a, b in zip(judged, state.adversary.network.parameters(), strict=True))


@pytest.mark.slow
def test_one_batch_is_learnt_within_seconds() -> None:
    state = state_of(replace(QUICK, rate=3e-3, rise=1, dropout=0.0))
    shown = [one_step(state, tones(0)).metrics for _ in range(60)]
    assert np.mean([row["mel"] for row in shown[-5:]]) < 0.75 * np.mean([row["mel"] for row in shown[:3]])


@pytest.mark.parametrize("adversarial", [False, True])
def test_a_run_goes_on_as_if_it_had_never_stopped(adversarial: bool, tmp_path: Path) -> None:
    config = replace(QUICK, steps=6, adversarial=adversarial, save_every=3, log_every=2)
    torch.manual_seed(0)
    whole = state_of(config)
    torch.manual_seed(0)
    parts = state_of(replace(config, steps=3))
    run(whole, tones, tmp_path / "whole", show=False)
    run(parts, tones, tmp_path / "parts", show=False)
    resumed = ResidualState.load(tmp_path / "parts" / "state.pt")
    resumed.set(config)
    assert parts.step == resumed.step == 3
    for one, two in zip(parts.network.state_dict().values(), resumed.network.state_dict().values(), strict=True):
        assert torch.equal(one, two)
    for state in (parts, resumed):
        state.set(config)
        run(state, tones, tmp_path / "on", show=False)
    for one, two in zip(parts.network.state_dict().values(), resumed.network.state_dict().values(), strict=True):
        assert torch.equal(one, two)
    assert (tmp_path / "whole" / "curves.csv").read_text().startswith("step,seconds,mel")


def test_frozen_codebooks_stay_frozen_in_a_resumed_run(tmp_path: Path) -> None:
    config = replace(QUICK, steps=4, freeze_codebooks_at=2, save_every=3)
    state = state_of(config)
    books = [stage.book for stage in state.network.quantiser.all]
    run(state, tones, tmp_path, show=False)
    assert state.network.quantiser.book_training.restart == 0
    settled = [book.entries.clone() for book in books]
    state.set(replace(config, steps=6))
    run(state, tones, tmp_path, show=False)
    assert all(torch.equal(book.entries, entries) for book, entries in zip(books, settled, strict=True))
    resumed = ResidualState.load(tmp_path / "state.pt")
    one_step(resumed, tones(6))
    found = [stage.book.entries for stage in resumed.network.quantiser.all]
    assert all(torch.equal(entries, other) for entries, other in zip(found, settled, strict=True))


def test_an_exported_network_can_be_played(tmp_path: Path) -> None:
    state = state_of()
    one_step(state, tones(0))
    export(state, tmp_path / "x.safetensors")
    codec = load(str(tmp_path / "x.safetensors"))
    assert (codec.spec.name, codec.spec.hop, codec.spec.books) == ("x", 320, 4)
    frame = codec.open_encoder().encode(tones(0)[0, :, :320].numpy())
    assert codec.open_decoder("discrete").decode(frame, DecoderControls()).shape == (2, 320)


def test_a_gradient_that_is_not_finite_changes_no_weight() -> None:
    state = state_of()
    before = [weight.clone() for weight in state.network.parameters()]
    one_step(state, torch.full((2, 2, 4800), torch.nan))
    assert all(torch.equal(a, b) for a, b in zip(before, state.network.parameters(), strict=True))


@given(st.integers(0, 2**31), st.integers(1, 16))
def test_quantizer_dropout_draws_between_one_and_all_books(seed: int, books: int) -> None:
    drawn = draw_books(replace(QUICK, dropout=0.5), books, 200, torch.Generator().manual_seed(seed))
    assert 1 <= int(drawn.min()) <= int(drawn.max()) <= books
    assert (drawn == books).float().mean() > 0.3
    always = draw_books(replace(QUICK, dropout=0.0), books, 5, torch.Generator().manual_seed(seed))
    assert always.tolist() == [books] * 5


def test_middle_and_side_keep_the_energy() -> None:
    audio = tones(3)
    turned = to_mid_side(audio, torch.tensor([True, False]))
    assert torch.equal(turned[1], audio[1])
    torch.testing.assert_close(turned[0].square().sum(), audio[0].square().sum())


def test_an_option_that_is_not_known_is_named() -> None:
    with pytest.raises(CodecError, match='option "mood" not known'):
        ResidualConfig().with_options(["mood=1"])
    with pytest.raises(CodecError, match='recipe "x" not known'):
        ResidualConfig().with_options(["recipe=x"])
    assert ResidualConfig().with_options(["discriminator_windows=[512]"]).discriminator_windows == (512,)
    assert make_discriminator(QUICK).windows == (256, 128)
    discriminator = make_discriminator(replace(QUICK, recipe="dac", discriminator_width=2))
    assert isinstance(discriminator, PeriodsAndBands)
    assert len(discriminator.bands) == 15


def test_old_names_of_options_still_work_and_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    config = ResidualConfig().with_options(["judge_width=8", "settle=5"])
    assert (config.discriminator_width, config.freeze_codebooks_at) == (8, 5)
    assert '"settle" is now called "freeze_codebooks_at"' in capsys.readouterr().err


def test_a_state_of_the_first_version_is_read(tmp_path: Path) -> None:
    """Options and parts of the discriminator had other names in 0.1.0."""
    state = state_of(replace(QUICK, adversarial=True))
    state.save(tmp_path / "state.pt")
    held = torch.load(tmp_path / "state.pt", weights_only=True)
    old = {now: before for before, now in RENAMED.items()}
    held["config"] = {old.get(name, name): value for name, value in held["config"].items()}
    weights = {name.replace("discriminators.", "judges."): weight for name, weight in held["judge"][0].items()}
    assert any(name.startswith("judges.") for name in weights)
    held["judge"] = (weights, held["judge"][1])
    torch.save(held, tmp_path / "state.pt")
    found = ResidualState.load(tmp_path / "state.pt")
    assert found.config == state.config
    assert state.adversary is not None
    assert found.adversary is not None
    expected = state.adversary.network.state_dict()
    assert all(torch.equal(weight, expected[name]) for name, weight in found.adversary.network.state_dict().items())
