/** The spectra of a pixel: as series of the chart, and in words. */

import { bandName } from "./bands.js";

/** Return the series of the chart, in units of the HS image. */
export function seriesOf(scene, found) {
  const { fused, hs, ms } = scene.layers;
  const inNanometres = fused.wavelength.every((value) => value !== null);
  const along = inNanometres ? fused.wavelength : fused.wavelength.map((_, index) => index + 1);
  const labels = fused.names;
  const known = (layer, values) => values.map((value, index) => (layer.good[index] ? value : null));
  const series = [
    {
      name: `fused pixel ${found.row}, ${found.column}`,
      x: along,
      y: known(fused, found.fused.values),
      error: found.standard_error ?? undefined,
      labels,
      colour: "var(--spectrum-1)",
    },
  ];
  if (found.hs && found.hs.values.length === along.length) {
    series.push({
      name: "HS pixel under it",
      kind: "dashed",
      x: along,
      y: known(hs, found.hs.values),
      labels,
      colour: "var(--spectrum-2)",
    });
  }
  if (found.ms && inNanometres && ms.wavelength.some((value) => value !== null)) {
    const values = found.ms.in_hs_units ?? found.ms.values;
    const placed = values.map((_, index) => index).filter((i) => ms.wavelength[i] !== null);
    const pick = (list) => placed.map((index) => list[index]);
    series.push({
      name: found.ms.in_hs_units ? "MS pixel, in units of the HS image" : "MS pixel, its own units",
      kind: "points",
      x: pick(ms.wavelength),
      y: pick(values),
      labels: placed.map((index) => bandName(ms, index + 1)),
      colour: "var(--spectrum-3)",
    });
  }
  return series;
}

/** Return the labels of the axes. */
export function axesOf(scene) {
  const { fused } = scene.layers;
  const inNanometres = fused.wavelength.every((value) => value !== null);
  return {
    x: inNanometres ? "wavelength (nm)" : "band",
    y: fused.units || "value (units not stated)",
    height: 240,
  };
}

/** Return where a pixel is, in words. */
export function placeText(scene, found) {
  const parts = [`row ${found.row}, column ${found.column}`];
  if (found.x !== null) parts.push(pointText(scene, found.x, found.y));
  if (found.longitude !== null) {
    const east = found.longitude < 0 ? "W" : "E";
    const north = found.latitude < 0 ? "S" : "N";
    const degrees = (value) => Math.abs(value).toFixed(6);
    parts.push(`${degrees(found.latitude)}° ${north}, ${degrees(found.longitude)}° ${east}`);
  }
  if (found.standard_error !== undefined && found.standard_error !== null) {
    parts.push(`standard error ${Number(found.standard_error.toPrecision(4))}`);
  }
  return parts.join("; ");
}

/** Return coordinates in the CRS. */
export function pointText(scene, x, y) {
  const digits = Math.max(Math.abs(x), Math.abs(y)) > 1000 ? 2 : 6;
  return `x ${x.toFixed(digits)}, y ${y.toFixed(digits)}${scene.crs ? ` (${scene.crs})` : ""}`;
}

/** Return the outline of the HS pixel at a pixel, as two corners; null where there is none. */
export function outlineOf(scene, found) {
  if (!found.hs) return null;
  const { rows, columns } = scene.layers.hs;
  const corner = (row, column) => [
    rows.origin + row * rows.ratio,
    columns.origin + column * columns.ratio,
  ];
  return [corner(found.hs.row, found.hs.column), corner(found.hs.row + 1, found.hs.column + 1)];
}
