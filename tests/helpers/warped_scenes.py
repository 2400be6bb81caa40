"""The scene of a pair of files, on grids that are not parallel to the other file's."""

from pathlib import Path

import rasterio
from rasterio.warp import Resampling, calculate_default_transform, reproject

__all__ = ["rotated", "warped"]


def warped(files: Path, folder: Path) -> Path:
    """Write the scene in another CRS, so that it is warped when it is paired."""
    with rasterio.open(files / "scene.tif") as source:
        crs = rasterio.crs.CRS.from_epsg(4326)
        transform, width, height = calculate_default_transform(
            source.crs, crs, source.width, source.height, *source.bounds
        )
        profile = source.profile | {
            "crs": crs,
            "transform": transform,
            "width": width,
            "height": height,
        }
        with rasterio.open(folder / "warped.tif", "w", **profile) as target:
            for band in source.indexes:
                reproject(
                    rasterio.band(source, band),
                    rasterio.band(target, band),
                    resampling=Resampling.cubic,
                )
    return folder / "warped.tif"


def rotated(files: Path, folder: Path) -> Path:
    """Write the scene on a grid that is turned by three degrees about its corner."""
    with rasterio.open(files / "scene.tif") as source:
        turned = source.transform * rasterio.Affine.rotation(3)
        with rasterio.open(
            folder / "rotated.tif", "w", **source.profile | {"transform": turned}
        ) as target:
            target.write(source.read())
    return folder / "rotated.tif"
