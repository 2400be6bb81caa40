"""
Throughput of MS-SSFNet in training and fusion, beside the peak of the processor at convolutions.

    python benchmarks/throughput.py --threads 2

One run: the peak is the fastest 3 x 3 convolution of the network's width that torch does here; a
step of training counts three times the multiplications of its forward pass. Fusing is
timed as a whole: estimators, network, data consistency.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.psf import PSF
from hsfuse.methods import METHODS, Options, Window, load_method
from hsfuse.methods.conditioning import fuse_scene
from hsfuse.methods.ms_ssfnet.features import CHANNELS
from hsfuse.nets.ms_ssfnet import Architecture, MSSSFNet
from hsfuse.observe import Degrade, respond
from hsfuse.pair.patch import Patch
from hsfuse.pair.survey import Survey


def seconds(job: Callable[[], object], least: float = 3.0) -> float:
    """Return the median time of a job, repeated for a few seconds."""
    job()
    times: list[float] = []
    while sum(times) < least or len(times) < 3:
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def peak(width: int) -> float:
    """Return the floating-point operations a second of a 3 x 3 convolution, the best of three."""
    best = 0.0
    for channels in (width, 2 * width, 4 * width):
        layer = nn.Conv2d(channels, channels, 3, padding=1).to(memory_format=torch.channels_last)
        image = torch.rand(1, channels, 256, 256).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            spent = seconds(lambda layer=layer, image=image: layer(image), 1.0)
        best = max(best, 2 * 9 * channels**2 * 256**2 / spent)
    return best


def operations(network: MSSSFNet, coarse: torch.Tensor, fine: torch.Tensor) -> float:
    """Return the floating-point operations of one forward pass."""
    with FlopCounterMode(display=False) as counter:
        network(coarse, fine)
    return float(counter.get_total_flops())


def made_pair(side: int, ratio: int, bands: int) -> tuple[Survey, Window]:
    """Return the survey and the window of a pair of waves and edges."""
    draw = np.random.default_rng(0)
    rows, columns = np.mgrid[:side, :side]
    spectra = 0.5 + 0.05 * np.cumsum(draw.normal(size=(6, bands)), axis=1)
    cover = (rows // 23 + columns // 31) % 6
    shade = 1 + 0.2 * np.sin(rows / 9) * np.cos(columns / 13)
    cube = torch.from_numpy((spectra[cover].transpose(2, 0, 1) * shade).astype(np.float32))
    axis = Axis(side, side // ratio, float(ratio))
    geometry = Geometry(axis, axis)
    response = torch.softmax(torch.randn(4, bands, generator=torch.Generator().manual_seed(0)), 1)
    coarse = Degrade.between(geometry, PSF((1.0, 1.0))).forward(cube)
    coarse += 0.005 * torch.randn(coarse.shape, generator=torch.Generator().manual_seed(1))
    fine = respond(response, cube).numpy()
    survey = Survey(
        (Patch(coarse.numpy(), fine, geometry, (0, 0)),),
        PSF((1.0, 1.0)),
        np.ones(bands, bool),
        np.linspace(400, 2400, bands),
    )
    return survey, Window(coarse.numpy(), fine, geometry, (Span(0, side), Span(0, side)), (0, 0))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--weights", help="for fusing; the shipped ones by default")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    most = peak(options.width)
    print(f"peak of 3 x 3 convolutions, {options.threads} threads: {most / 1e9:.0f} GFLOP/s")

    network = MSSSFNet(Architecture(1, CHANNELS, 3, options.width, 2, CHANNELS))
    network = network.to(memory_format=torch.channels_last)
    batch, patch = 12, 64
    fine = torch.rand(batch, CHANNELS, patch, patch).contiguous(memory_format=torch.channels_last)
    coarse = nn.functional.avg_pool2d(fine, 8)
    count = operations(network, coarse, fine)
    optimiser = torch.optim.Adam(network.parameters())

    def step() -> None:
        loss = torch.stack([o.abs().mean() for o in network.all_levels(coarse, fine)]).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    def forward() -> None:
        with torch.inference_mode():
            network(coarse, fine)

    pixels = batch * patch**2 / 1e6
    for name, job, times in (("training", step, 3), ("inference", forward, 1)):
        spent = seconds(job)
        print(
            f"{name}: {pixels / spent:.3f} megapixels/s of one component, "
            f"{times * count / spent / most:.0%} of the peak"
        )
    survey, window = made_pair(512, 4, 100)
    for name in ("guided", "kriging", "ms-ssfnet"):
        weights = options.weights if METHODS[name].takes_weights else None
        fuser = load_method(name).prepare(survey, Options(weights))
        spent = seconds(lambda fuser=fuser: fuse_scene(fuser, window), 1.0)
        print(f"{fuser.name}, 100 bands, ratio 4: {512**2 / 1e6 / spent:.3f} megapixels/s")


if __name__ == "__main__":
    main()
