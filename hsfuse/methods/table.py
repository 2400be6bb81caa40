"""The table of fusion methods: name, capabilities and import path."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from hsfuse.errors import PlanError

if TYPE_CHECKING:
    from hsfuse.methods import Method, Options

__all__ = [
    "METHODS",
    "MethodSpec",
    "check_options",
    "find_method",
    "list_methods",
    "load_method",
    "methods_with",
]


@dataclass(frozen=True, slots=True)
class MethodSpec:
    """
    Capabilities and import path of a method.

    Attributes
    ----------
    path : str
        Import path ``module:attribute`` of the :class:`Method`, imported on use.
    summary : str
        Description for `hsfuse methods`, one line.
    takes_weights : bool
        Whether a weights file may be given.
    needs_weights : bool
        Whether a weights file must be given: none is shipped, and no other method is used instead.
    gives_standard_error : bool
        Whether it can give the standard error of each pixel.
    wants_denoised_bands : bool
        Whether it fuses the clean HS bands only, from which noisy bands are predicted; false for
        interpolation, which cannot sharpen noise.
    tile_step : int
        Tiles are multiples of this number of MS pixels; if it is more than 1 and weights are
        given, of the ratio of their network.
    """

    path: str
    summary: str
    takes_weights: bool = False
    needs_weights: bool = False
    gives_standard_error: bool = False
    wants_denoised_bands: bool = True
    tile_step: int = 1

    def load(self) -> Method:
        """Import the method, with reconstruction of noisy bands if required."""
        plain = self.load_plain()
        return _imported(_DENOISING)(plain) if self.wants_denoised_bands else plain

    def load_plain(self) -> Method:
        """Import the method without reconstruction of noisy bands."""
        method: Method = _imported(self.path)
        return method


METHODS = {
    "bicubic": MethodSpec(
        "hsfuse.methods.bicubic:METHOD",
        "the HS image interpolated, without the MS image; the lower bound of any comparison",
        wants_denoised_bands=False,
    ),
    "guided": MethodSpec(
        "hsfuse.methods.guided.method:METHOD",
        "local and scene-wide regression on the MS bands in the scene's own subspace; "
        "any sensor, no training, parameters selected on the pair itself",
    ),
    "kriging": MethodSpec(
        "hsfuse.methods.kriging.method:METHOD",
        "area-to-point regression by Gaussian processes of colour, texture and position; slower "
        "than guided, no training",
    ),
    "cnmf": MethodSpec(
        "hsfuse.methods.cnmf.method:METHOD",
        "coupled non-negative matrix factorisation (Yokoya 2012): endmembers of the scene, "
        "abundances of the MS image",
    ),
    "gsa": MethodSpec(
        "hsfuse.methods.gsa:METHOD",
        "adaptive Gram-Schmidt sharpening (Aiazzi 2007), a component substitution, with bands "
        "synthesised from the MS bands (Selva 2015)",
    ),
    "sfim": MethodSpec(
        "hsfuse.methods.sfim:METHOD",
        "smoothing-filter-based intensity modulation (Liu 2000), with bands synthesised from the "
        "MS bands (Selva 2015)",
    ),
    "mtf-glp-hpm": MethodSpec(
        "hsfuse.methods.mtf_glp_hpm:METHOD",
        "generalised Laplacian pyramid matched to the MTF, high-pass modulation (Aiazzi 2006, "
        "Vivone 2014), with bands synthesised from the MS bands (Selva 2015)",
    ),
    "fuse": MethodSpec(
        "hsfuse.methods.fuse:METHOD",
        "Bayesian estimate with a Gaussian prior by a Sylvester equation in closed form (Wei 2015)",
    ),
    "hysure": MethodSpec(
        "hsfuse.methods.hysure:METHOD",
        "endmembers of the scene with vector total variation (Simoes 2015), by ADMM",
    ),
    "csu": MethodSpec(
        "hsfuse.methods.csu:METHOD",
        "coupled spectral unmixing (Lanaras 2015): abundances that sum to one, by proximal "
        "alternating linearised minimisation",
    ),
    "nnsr": MethodSpec(
        "hsfuse.methods.nnsr:METHOD",
        "non-negative structured sparse representation (Dong 2016): codes of a spectral dictionary "
        "with non-local means, by the alternating direction method of multipliers",
    ),
    "gsomp": MethodSpec(
        "hsfuse.methods.gsomp:METHOD",
        "sparse spatio-spectral representation (Akhtar 2014): codes of a spectral dictionary, "
        "patch by patch, by simultaneous orthogonal matching pursuit",
        tile_step=8,
    ),
    "snnmf": MethodSpec(
        "hsfuse.methods.snnmf:METHOD",
        "sparse non-negative matrix factorisation of both images at once (Wycoff 2013)",
    ),
    "bsr": MethodSpec(
        "hsfuse.methods.bsr:METHOD",
        "Bayesian sparse representation (Akhtar 2015): a dictionary with a beta process prior and "
        "codes of MS pixels, by Gibbs sampling",
    ),
    "spectralift": MethodSpec(
        "hsfuse.methods.spectralift:METHOD",
        "a per-pixel network trained on the pair itself (Shah 2025); needs the spectral response "
        "alone",
    ),
    "ms-ssfnet": MethodSpec(
        "hsfuse.methods.ms_ssfnet.method:METHOD",
        "the multi-scale spatial and spectral fusion network; where no weights fit the pair, "
        "`guided` is used instead and a note says why",
        takes_weights=True,
        gives_standard_error=True,
        tile_step=8,
    ),
    "ssf-cnn": MethodSpec(
        "hsfuse.methods.single_pathway:SSF_CNN",
        "three convolutions on the interpolated HS image and the MS image (Han 2018); needs "
        "weights",
        takes_weights=True,
        needs_weights=True,
    ),
    "ssf-resnet": MethodSpec(
        "hsfuse.methods.single_pathway:SSF_RESNET",
        "residual blocks on the interpolated HS image and the MS image (Han 2019); needs weights",
        takes_weights=True,
        needs_weights=True,
    ),
    "spectral-resnet": MethodSpec(
        "hsfuse.methods.single_pathway:SPECTRAL_RESNET",
        "residual blocks on the MS image alone (Han 2019); needs weights",
        takes_weights=True,
        needs_weights=True,
    ),
    "dhsis": MethodSpec(
        "hsfuse.methods.dhsis:METHOD",
        "Sylvester equation, residual network, Sylvester equation (Dian 2018); needs weights",
        takes_weights=True,
        needs_weights=True,
    ),
}
# Wrapper that reconstructs noisy bands.
_DENOISING = "hsfuse.methods.denoising:DenoisedMethod"


def list_methods() -> dict[str, str]:
    """
    Return the name and description of every method.

    Examples
    --------
    >>> list_methods()["bicubic"].split(",")[0]
    'the HS image interpolated'
    """
    return {name: spec.summary for name, spec in METHODS.items()}


def methods_with(capability: str) -> str:
    """
    Return the names of the methods with a capability, for a message.

    Parameters
    ----------
    capability : str
        A flag of :class:`MethodSpec`.

    Examples
    --------
    >>> methods_with("gives_standard_error")
    'ms-ssfnet'
    """
    return ", ".join(name for name, spec in METHODS.items() if getattr(spec, capability))


def check_options(name: str, options: Options) -> None:
    """
    Check that a method supports the options.

    Raises
    ------
    PlanError
        If weights or standard errors are requested of a method without support (the message lists
        the methods with support), or if required weights are missing.
    """
    spec = find_method(name)
    if options.weights and not spec.takes_weights:
        raise PlanError(
            f"{name} takes no weights, got {options.weights}; methods with weights: "
            f"{methods_with('takes_weights')}"
        )
    if options.uncertainty and not spec.gives_standard_error:
        raise PlanError(
            f"{name} gives no standard error; methods that do: "
            f"{methods_with('gives_standard_error')}"
        )
    if spec.needs_weights and not options.weights:
        raise PlanError(
            f"{name} needs weights, and none come with hsfuse; expected `--weights FILE`, which "
            f"`hsfuse train --network {name}` writes (some for CAVE at ratio 16 are in "
            "benchmarks/weights of the repository)"
        )


def find_method(name: str) -> MethodSpec:
    """
    Return the row of a method.

    Raises
    ------
    PlanError
        If the method does not exist; the message lists the names.
    """
    if name not in METHODS:
        raise PlanError(f"method must be one of {', '.join(METHODS)}, got {name!r}")
    return METHODS[name]


def load_method(name: str) -> Method:
    """
    Import a method by name.

    Raises
    ------
    PlanError
        As in :func:`find_method`.
    """
    return find_method(name).load()


def _imported(path: str) -> Any:
    module, attribute = path.split(":")
    return getattr(import_module(module), attribute)
