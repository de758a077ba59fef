"""Residual vector quantisation: its laws, and the training of its codebooks."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from models.residual.codebook import Codebook
from models.residual.codebook_usage import codebook_usage
from models.residual.rvq import CodebookTraining, QuantiserConfig, ResidualQuantiser

torch.set_num_threads(1)

CONFIGS = {
    "plain": QuantiserConfig(8, 4, 32),
    "groups": QuantiserConfig(8, 3, 32, groups=2),
    "factorised": QuantiserConfig(8, 4, 32, lookup=3),
    "directions": QuantiserConfig(8, 4, 32, lookup=3, cosine=True, gradient=True),
}
configs = st.sampled_from(sorted(CONFIGS))
seeds = st.integers(0, 2**31)


def quantiser_of(config: QuantiserConfig, seed: int = 0, training: CodebookTraining | None = None) -> ResidualQuantiser:
    torch.manual_seed(seed)
    return ResidualQuantiser(config, training)


def latents(config: QuantiserConfig, seed: int, steps: int = 20, items: int = 1) -> torch.Tensor:
    return torch.randn(items, config.width, steps, generator=torch.Generator().manual_seed(seed))


@given(configs, seeds)
def test_a_frozen_quantiser_gives_the_codes_that_training_computes(name: str, seed: int) -> None:
    quantiser = quantiser_of(CONFIGS[name], seed).eval()
    z = latents(CONFIGS[name], seed)
    with torch.inference_mode():
        trained, frozen = quantiser(z), quantiser.freeze()
        tokens = frozen.encode(z[0].T)
        codes = frozen.decode(tokens, [True] * CONFIGS[name].books)
    assert torch.equal(tokens.T, trained.tokens[0])
    torch.testing.assert_close(codes.T, trained.codes[0], atol=1e-5, rtol=1e-5)


@given(configs, seeds)
def test_latents_have_the_same_tokens_and_codes_one_by_one_and_all_at_once(name: str, seed: int) -> None:
    frozen = quantiser_of(CONFIGS[name], seed).eval().freeze()
    rows = latents(CONFIGS[name], seed)[0].T.contiguous()
    with torch.inference_mode():
        tokens = frozen.encode(rows)
        single = torch.cat([frozen.encode(row) for row in rows.split(1)])
        codes = frozen.decode(tokens, [True, False, True, True][: CONFIGS[name].books])
        alone = torch.cat([frozen.decode(t, [True, False, True, True][: CONFIGS[name].books]) for t in tokens.split(1)])
    assert torch.equal(single, tokens)
    assert torch.equal(alone, codes)


def test_of_equally_near_entries_the_first_is_taken() -> None:
    quantiser = quantiser_of(CONFIGS["plain"]).eval()
    for stage in quantiser.all:
        stage.book.entries[5:] = stage.book.entries[4]
    with torch.inference_mode():
        latent = quantiser.all[0].book.entries[[4]] * 1.0
        assert int(quantiser.freeze().encode(latent)[0, 0]) == 4


@given(configs, seeds, st.integers(1, 3))
def test_fewer_books_are_a_prefix_of_more(name: str, seed: int, books: int) -> None:
    config = CONFIGS[name]
    quantiser = quantiser_of(config, seed).eval()
    z = latents(config, seed)
    with torch.inference_mode():
        frozen = quantiser.freeze()
        tokens = frozen.encode(z[0].T)
        few = frozen.decode(tokens, [book < books for book in range(config.books)])
        trained = quantiser(z, torch.tensor([books]))
    torch.testing.assert_close(few.T, trained.codes[0], atol=1e-5, rtol=1e-5)


@given(seeds)
def test_codes_of_soloed_books_add_up_to_all(seed: int) -> None:
    config = CONFIGS["groups"]
    quantiser = quantiser_of(config, seed).eval()
    frozen = quantiser.freeze()
    tokens = frozen.encode(latents(config, seed)[0].T)
    alone = [frozen.decode(tokens, [book == one for book in range(3)]) for one in range(3)]
    torch.testing.assert_close(sum(alone), frozen.decode(tokens, [True] * 3))
    assert not frozen.decode(tokens, [False] * 3).any()


@given(seeds, st.booleans())
def test_the_entry_found_is_the_nearest(seed: int, cosine: bool) -> None:
    torch.manual_seed(seed)
    book, x = Codebook(16, 3, cosine=cosine), torch.randn(40, 3)
    entries, given = (F.normalize(book.entries), F.normalize(x)) if cosine else (book.entries, x)
    far = torch.cdist(given.double(), entries.double())
    found = far[torch.arange(40), book.nearest(x)]
    assert (found <= far.min(1).values + 1e-5).all()


@given(seeds)
def test_every_book_leaves_less_over_once_books_are_initialised_from_data(seed: int) -> None:
    config = QuantiserConfig(6, 4, 16)
    quantiser = quantiser_of(config, seed).train()
    z = latents(config, seed, steps=400)
    quantiser(z)
    quantiser.eval()
    left = [float((quantiser(z, torch.tensor([n])).codes - z).square().mean()) for n in range(5)]
    assert all(b < a for a, b in pairwise(left))


@pytest.mark.parametrize("name", ["plain", "groups"])
def test_the_gradient_goes_straight_through_plain_books(name: str) -> None:
    quantiser = quantiser_of(CONFIGS[name]).eval()
    z = latents(CONFIGS[name], 1).requires_grad_()
    weights = torch.randn(z.shape)
    (quantiser(z).codes * weights).sum().backward()
    assert z.grad is not None
    torch.testing.assert_close(z.grad, weights)


def test_commitment_is_the_sum_over_books_of_their_errors() -> None:
    config = CONFIGS["plain"]
    quantiser = quantiser_of(config).eval()
    z = latents(config, 2)
    frozen = quantiser.freeze()
    tokens = frozen.encode(z[0].T)
    left = [z[0].T - frozen.decode(tokens, [b <= n for b in range(4)]) for n in range(4)]
    wanted = sum(float(rest.square().mean()) for rest in left)
    assert float(quantiser(z).commitment) == pytest.approx(wanted, rel=1e-5)


def test_books_that_an_item_does_not_use_neither_cost_nor_learn() -> None:
    config = CONFIGS["plain"]
    quantiser = quantiser_of(config, training=CodebookTraining(kmeans=False, restart=0.0)).train()
    before = [stage.book.entries.clone() for stage in quantiser.all]
    quantiser(latents(config, 3, items=2), torch.tensor([2, 1]))
    moved = [not torch.equal(a, s.book.entries) for a, s in zip(before, quantiser.all, strict=True)]
    assert moved == [True, True, False, False]


def test_entries_are_running_means_of_the_vectors_that_chose_them() -> None:
    torch.manual_seed(0)
    book = Codebook(2, 1)
    book.entries.copy_(torch.tensor([[-1.0], [1.0]]))
    for _ in range(600):
        x = torch.tensor([[-2.0], [-4.0], [5.0]])
        book.update(x, book.nearest(x), 0.99)
    torch.testing.assert_close(book.entries, torch.tensor([[-3.0], [5.0]]), atol=1e-3, rtol=0)
    torch.testing.assert_close(book.counts, torch.tensor([2.0, 1.0]), atol=1e-2, rtol=0)


def test_directions_are_learnt_by_gradient() -> None:
    config = CONFIGS["directions"]
    quantiser = quantiser_of(config, 4)
    optimiser = torch.optim.Adam(quantiser.parameters(), 1e-2)
    losses = []
    for step in range(60):
        z = latents(config, step % 4, steps=50)
        found = quantiser(z)
        loss = (found.codes - z).square().mean()
        optimiser.zero_grad()
        (loss + found.codebook + 0.25 * found.commitment).backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-8:]) < 0.7 * np.mean(losses[:8])


def uses(training: CodebookTraining, seed: int = 0) -> tuple[list[float], float]:
    """(part of the entries in use in each book, what is left over) after 150 steps on drifting clusters."""
    config = QuantiserConfig(8, 3, 64)
    quantiser = quantiser_of(config, seed, training).train()
    rng = torch.Generator().manual_seed(seed)
    centres = torch.randn(200, 8, generator=rng)

    def batch(step: int) -> torch.Tensor:
        """Return data that drift during training, like an encoder's outputs."""
        moved = centres[torch.randint(200, (256,), generator=rng)] * (1 + step / 30) + 3
        return (moved + 0.3 * torch.randn(256, 8, generator=rng)).T[None]

    for step in range(150):
        quantiser(batch(step))
    quantiser.eval()
    data = torch.cat([batch(150) for _ in range(16)], dim=2)
    found = quantiser(data)
    left = float((found.codes - data).square().mean() / data.var())
    return [one.use for one in codebook_usage(found.tokens[0].T.numpy(), 64)], left


def test_replacing_dead_codes_prevents_the_collapse() -> None:
    """Random initial entries: without replacement a handful of them takes everything."""
    collapsed, coarse = uses(CodebookTraining(kmeans=False, restart=0.0))
    alive, fine = uses(CodebookTraining(kmeans=False, restart=0.1))
    print(f"use of each book without restart {collapsed}, left over {coarse:.3f}; with {alive}, {fine:.3f}")
    assert collapsed[0] < 0.4
    assert min(alive) > 0.9
    assert fine < 0.7 * coarse


def test_books_initialised_from_data_are_in_use_at_once() -> None:
    config = QuantiserConfig(8, 3, 64)
    begun, anywhere = (
        quantiser_of(config, 0, CodebookTraining(kmeans=flag, restart=0.0)).train() for flag in (True, False)
    )
    z = latents(config, 5, steps=2000) + 4
    use = [[h.use for h in codebook_usage(q(z).tokens[0].T.numpy(), 64)] for q in (begun, anywhere)]
    assert min(use[0]) > 0.9 > 0.5 > use[1][0]


@given(st.lists(st.integers(0, 15), min_size=1, max_size=200))
def test_usage_counts_the_entries_that_occur(tokens: list[int]) -> None:
    (found,) = codebook_usage(np.array(tokens)[:, None], 16)
    assert found.use == len(set(tokens)) / 16
    assert found.dead == 16 - len(set(tokens))
    assert 1 <= found.perplexity <= len(set(tokens)) + 1e-9
    assert found.bits == pytest.approx(np.log2(found.perplexity))


def test_learning_is_the_same_for_the_same_seed() -> None:
    one, two = (quantiser_of(CONFIGS["plain"], 1).train() for _ in range(2))
    z = latents(CONFIGS["plain"], 6, steps=100)
    for quantiser in (one, two):
        quantiser(z)
    assert torch.equal(one(z).codes, two(z).codes)
    assert replace(one.config) == two.config
