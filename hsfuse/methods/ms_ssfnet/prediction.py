"""What estimators and network predict of the components, before the update by both images."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from hsfuse.methods.ms_ssfnet.scales import ComponentScales

__all__ = ["Prediction", "relative_disagreement"]


def relative_disagreement(disagreement: Tensor, power: Tensor, scales: ComponentScales) -> Tensor:
    """
    Return the disagreement of the estimates in units of that over the scene.

    Parameters
    ----------
    disagreement : Tensor of shape (rows, columns)
        As of :class:`Prediction`.
    power : Tensor of shape (components,)
        As of :class:`Prediction`.
    scales : ComponentScales
        Of the scene.
    """
    scene = (scales.prior_deviation**2) @ power.cpu().double().numpy()
    return disagreement / float(scene)


@dataclass(frozen=True)
class Prediction:
    """
    Result of estimators and network over a core.

    Attributes
    ----------
    corrected : Tensor of shape (components, rows, columns)
        The components by the network.
    initial, offset : Tensor of shape (components, rows, columns), or None
        The initial estimate, and the mean difference of the others from it; where standard errors
        are wanted.
    disagreement : Tensor of shape (rows, columns)
        Squared differences of the other estimates from the initial one, summed over the good
        bands, mean over the estimates.
    unmixed : Tensor of shape (rows, columns)
        Squared difference of `cnmf` from the initial estimate, summed over the good bands.
    power : Tensor of shape (components,)
        What a unit of each component adds to the good bands, sum of squares.
    """

    corrected: Tensor
    initial: Tensor | None
    offset: Tensor | None
    disagreement: Tensor
    unmixed: Tensor
    power: Tensor

    def relative_variance(self, scales: ComponentScales, least: float) -> Tensor:
        """
        Return the variance of errors over the core, shape (rows, columns).

        The disagreement of the estimates in units of that over the scene, plus a least one.
        """
        return relative_disagreement(self.disagreement, self.power, scales) + least

    def spread(self, final: Tensor, part: tuple[slice, slice]) -> Tensor:
        """
        Return the spread of the estimates about a final one.

        Parameters
        ----------
        final : Tensor of shape (components, rows, columns)
            Over a part of the core.
        part : tuple of slice
            That part.

        Returns
        -------
        Tensor of shape (rows, columns)
            Squared differences summed over the good bands, mean over the estimates.
        """
        if self.initial is None or self.offset is None:
            raise ValueError("standard errors were not asked for")
        change = final - self.initial[:, *part]
        more = self.power[:, None, None] * change * (change - 2 * self.offset[:, *part])
        return (self.disagreement[part] + more.sum(dim=0)).clamp_min(0)
