"""Training of the small Transformer that tells what codes come next (models/forecast.py), on a codec's own codes.

python -m models.training.residual.forecast PACK --codec swift --out FILE --minutes 10

The audio of the packs is coded first. Floats throughout; the file is read again on the grid of models/forecast.py.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from models.codec import CodecError
from models.forecast import FORMAT, GRID, Forecast, ForecastConfig, _scale
from models.load import load
from models.residual import ResidualCodec
from models.training.data import Pack

RATE, BATCH, STEPS = 2e-3, 12, 256  # learning rate, items of so many steps of tokens
DROPOUT = 0.3  # how often an item has a random number of books
STRETCH = 4.0  # s of audio coded at once
ASKED = 4  # books of a step that it learns from: most of the time goes to scores
TILT, SLIGHT = 1 / 8, 0.1  # how sure the start is of the next latent; of what layers begin with


class ForecastNetwork(nn.Module):
    """The same function in torch, all steps at once."""

    def __init__(self, config: ForecastConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        generator = torch.Generator().manual_seed(seed)
        self.weights = nn.ParameterDict()
        for name, shape in config.shapes().items():
            size = 0.02 if name in ("embed", "scores") else 0.0 if name == "bias" else shape[-2] ** -0.5
            self.weights[_key(name)] = nn.Parameter(size * torch.randn(shape, generator=generator))

    @torch.no_grad()
    def fit(self, entries: Tensor, data: npt.NDArray[np.int16]) -> None:
        """Begin with what needs no training, of the books' entries [K, size, width] and tokens [stretches, S, K].

        Embeddings are the entries, measured by how far latents spread. The next latent is the last one, each number as
        far as it goes on; what of that the books before have not said yet tilts how often each entry comes.
        """
        config, weights = self.config, self.weights
        tokens = torch.from_numpy(data.astype(np.int64))
        latents = torch.stack([F.embedding(tokens[..., k], entries[k]) for k in range(config.books)]).sum(0)
        latents = latents - latents.mean((0, 1))
        spread = latents.square().mean((0, 1))
        goes_on = ((latents[:, 1:] * latents[:, :-1]).mean((0, 1)) / spread).clamp(0, 1)
        weights["embed"].copy_(entries / spread.sqrt())
        weights["scores"].copy_(TILT * weights["embed"].transpose(1, 2))
        weights["ahead"].copy_(torch.diag(goes_on).expand_as(weights["ahead"]))
        weights["within"].copy_(-torch.eye(config.width).expand_as(weights["within"]))
        for book in range(config.books):
            counts = torch.bincount(tokens[..., book].flatten(), minlength=config.size) + 1
            weights["bias"][book] = (counts / counts.sum()).log()
        for layer in range(config.layers):
            for name in ("mix", "down"):
                weights[f"{layer}_{name}"] *= SLIGHT

    def forward(self, tokens: Tensor, books: Tensor, asked: Sequence[int] | None = None) -> Tensor:
        """Bits [B, S, K] of each of tokens [B, S, K], each item given its first `books` [B]; of the books asked."""
        config, weights = self.config, self.weights
        S, K = tokens.shape[1:]
        rows = weights["embed"].flatten(0, 1)
        own = (
            F.embedding(tokens + torch.arange(K) * config.size, rows)
            * (torch.arange(K) < books[:, None])[:, None, :, None]
        )
        x = F.pad(own.sum(2)[:, :-1], (0, 0, 1, 0))
        back = torch.arange(S)[:, None] - torch.arange(S)
        near = (back >= 0) & (back < config.window)
        mask = torch.where(near, -torch.tensor(config.slopes)[:, None, None] * back, -torch.inf)
        for layer in range(config.layers):
            seen = _level(x)
            query, key, value = (
                (seen @ weights[f"{layer}_{name}"]).unflatten(-1, (config.heads, -1)).transpose(1, 2)
                for name in ("query", "key", "value")
            )
            mixed = F.scaled_dot_product_attention(query, key, value, mask, scale=_scale(query.shape[-1]))
            x = x + mixed.transpose(1, 2).flatten(2) @ weights[f"{layer}_mix"]
            x = x + torch.relu(_level(x) @ weights[f"{layer}_up"]) @ weights[f"{layer}_down"]
        at = torch.arange(K) if asked is None else torch.tensor(asked)
        before = (own.cumsum(2) - own)[:, :, at]
        inner = torch.einsum("bsd,kde->bske", x, weights["ahead"][at])
        inner = inner + torch.einsum("bskd,kde->bske", before, weights["within"][at])
        scores = torch.einsum("bske,kev->bskv", inner, weights["scores"][at]) + weights["bias"][at]
        wanted = tokens[:, :, at]
        bits = F.cross_entropy(scores.flatten(0, 2), wanted.flatten(), reduction="none") / math.log(2)
        return bits.reshape(wanted.shape)

    def plain(self) -> dict[str, Tensor]:
        """Weights by their names in a file, float16."""
        return {name: self.weights[_key(name)].detach().half().contiguous() for name in self.config.shapes()}


def _key(name: str) -> str:
    return name.replace(".", "_")


def _level(x: Tensor) -> Tensor:
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + GRID)


def code(codec: ResidualCodec, pack: Pack, hours: float, seed: int = 0) -> npt.NDArray[np.int16]:
    """Stretches of the pack as tokens [stretches, S, K]."""
    hop = codec.spec.hop
    samples = round(STRETCH * codec.spec.sample_rate / hop) * hop
    rng = np.random.default_rng(seed)
    found = []
    with torch.inference_mode():
        for _ in range(max(1, round(hours * 3600 / STRETCH))):
            audio = pack.draw(rng, 1, samples)[0].numpy()
            z = codec.network.encoder(torch.from_numpy(audio)[None])[0].T
            found.append(codec.lookup.tokens(z).numpy().astype(np.int16))
    return np.stack(found)


def draw(data: npt.NDArray[np.int16], step: int, books: int) -> tuple[Tensor, Tensor]:
    """A step's batch: tokens [B, S, K] and how many books each item has."""
    rng = np.random.default_rng([7, step])
    where = zip(rng.integers(len(data), size=BATCH), rng.integers(data.shape[1] - STEPS + 1, size=BATCH), strict=True)
    tokens = np.stack([data[item, at : at + STEPS] for item, at in where]).astype(np.int64)
    some = np.where(rng.random(BATCH) < DROPOUT, rng.integers(1, books + 1, BATCH), books)
    return torch.from_numpy(tokens), torch.from_numpy(some)


def train(network: ForecastNetwork, data: npt.NDArray[np.int16], steps: int, minutes: float) -> int:
    """Train to the end of the steps or of the time, the rate falling with what is nearer; steps done."""
    optimiser = torch.optim.Adam(network.parameters(), RATE, betas=(0.9, 0.98))
    begun, recent = time.perf_counter(), 0.0
    for step in range(steps):
        done = max(step / steps, (time.perf_counter() - begun) / (60 * minutes))
        if done >= 1:
            return step
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * done))
        tokens, books = draw(data, step, network.config.books)
        asked = np.random.default_rng([8, step]).permutation(network.config.books)[:ASKED].tolist()
        with torch.autocast("cpu", torch.bfloat16):
            bits = network(tokens, books, asked)
        sent = torch.tensor(asked) < books[:, None]
        loss = (bits.float() * sent[:, None]).sum() / (sent.sum().clamp(min=1) * tokens.shape[1])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        recent = float(loss.detach()) if not step else 0.98 * recent + 0.02 * float(loss.detach())
        if step % 50 == 49:
            print(f"{step + 1}/{steps}  {recent:.3f} bits a token, {time.perf_counter() - begun:.0f} s", flush=True)
    return steps


def save(network: ForecastNetwork, path: Path) -> None:
    """Write the file; it is read again, so that what is written is whole."""
    save_file(network.plain(), path, metadata={"format": FORMAT, "config": json.dumps(asdict(network.config))})
    Forecast.read(path)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("packs", nargs="+", type=Path)
    parser.add_argument("--codec", default="swift")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--hours", type=float, default=1.0, help="of audio to code (default %(default)s)")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--minutes", type=float, default=10.0)
    given = parser.parse_args(arguments)
    codec = load(given.codec)
    if not isinstance(codec, ResidualCodec):
        raise CodecError(f"{given.codec} has no books of codes. Pass such as swift.")
    data = code(codec, Pack(given.packs), given.hours)
    print(f"{data.shape[0] * data.shape[1]} steps of {data.shape[2]} codes", flush=True)
    entries = torch.stack([stage.book.entries for stage in codec.network.quantiser.all])
    network = ForecastNetwork(ForecastConfig(codec.spec.books, codec.spec.cardinality, entries.shape[-1]))
    network.fit(entries, data)
    train(network, data, given.steps, given.minutes)
    save(network, given.out)


if __name__ == "__main__":
    main()
