/**
 * Which bands of an image are shown for a choice of bands of the fused raster. Bands count from 1,
 * as the server counts them.
 *
 * A choice is { mode, single, three }: mode "natural", "false", "single" or "three"; a band; three
 * bands in the order red, green, blue.
 */

/** Return one band, or three. */
export function bandsOf(scene, key, choice) {
  const layer = scene.layers[key];
  if (key === "standard_error") return [1];
  if (choice.mode === "natural") return layer.natural.map((band) => band + 1);
  if (choice.mode === "false") return (layer.false ?? layer.natural).map((band) => band + 1);
  const wanted = choice.mode === "single" ? [choice.single] : choice.three;
  if (key !== "ms") return wanted;
  return wanted.map((band) => nearestBand(layer, scene.layers.fused.wavelength[band - 1]));
}

/** Return the band of a layer nearest to a wavelength, the first where it is not known. */
export function nearestBand(layer, wavelength) {
  let best = 0;
  let least = Infinity;
  layer.wavelength.forEach((each, index) => {
    if (each === null || wavelength === null) return;
    const distance = Math.abs(each - wavelength);
    if (distance < least) [best, least] = [index, distance];
  });
  return best + 1;
}

/** Return the name of a band, with its wavelength where it is known. */
export function bandName(layer, band) {
  const wavelength = layer.wavelength[band - 1];
  const name = layer.names[band - 1];
  if (wavelength === null) return name || `band ${band}`;
  const text = `${Number(wavelength.toFixed(1))} nm`;
  return `${text}, band ${band}`;
}

/** Return the bands of a picture in a few words. */
export function bandsText(layer, bands) {
  if (bands.length === 1) return bandName(layer, bands[0]);
  const known = bands.map((band) => layer.wavelength[band - 1]);
  if (known.includes(null)) return `bands ${bands.join(", ")}`;
  return `${known.map((value) => Math.round(value)).join(", ")} nm`;
}

/** Return a number with four significant digits. */
export function shortNumber(value) {
  return String(Number(value.toPrecision(4)));
}
