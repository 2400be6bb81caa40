"""
Help of commands with many options, in groups.

The groups are a table of option names, so that the options remain plain options of click, which
commands share, configuration files set and the documentation lists.
"""

from __future__ import annotations

import click

__all__ = ["GROUPS", "GroupedCommand"]

#: Title of each group, and the names of its options in order; a command shows those that it has.
GROUPS: dict[str, tuple[str, ...]] = {
    "Output": ("out", "suffix", "overwrite", "resume"),
    "Input": (
        *("patterns", "pair", "protocol"),
        *("hs_sensor", "rgb_sensor", "rgb_sensors", "hs_mask", "rgb_mask"),
        *("hs_nodata", "rgb_nodata", "assets"),
    ),
    "Part of the scene": ("bbox", "bbox_crs", "bands"),
    "Method": ("method", "methods", "weights", "uncertainty"),
    "Co-registration and point spread function (PSF)": ("align", "fwhm", "psf", "share_psf"),
    "Network": ("network", "name", "width", "levels", "depth", "scales", "start_from", "terms"),
    "Training": (
        *("steps", "batch", "patch", "scenes", "rate", "validation"),
        *("ratio", "snr", "clean"),
    ),
    "Simulation": ("ratios", "hs_snr", "ms_snr", "peak", "seed"),
    "Storage": ("dtype", "scale", "max_error", "creation_options", "temporary"),
    "Computation": ("device", "precision", "scheduler", "workers", "memory", "tile", "overlap"),
    "Reports": ("report", "page", "quicklook", "pictures", "stac_item", "when"),
}
_REST = "General"


class GroupedCommand(click.Command):
    """A command whose help lists its options in the groups of :data:`GROUPS`."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each group with the options of the command, then the other options."""
        records = {
            str(parameter.name): record
            for parameter in self.get_params(ctx)
            if isinstance(parameter, click.Option)
            and (record := parameter.get_help_record(ctx)) is not None
        }
        for title, names in GROUPS.items():
            rows = [records.pop(name) for name in names if name in records]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
        if records:
            with formatter.section(_REST):
                formatter.write_dl(list(records.values()))
