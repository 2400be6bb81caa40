/** A scale bar of the map: a round length of the ground and how long it is on the screen. */

const WIDEST = 140; // screen pixels

/**
 * Draw the bar.
 *
 * @param {HTMLElement} element  its width and text are set
 * @param {number} pixelSize  width of an output pixel, in the unit
 * @param {number} zoom  screen pixels of an output pixel
 * @param {string} unit  "m", "°", "pixels" or another
 */
export function drawScale(element, pixelSize, zoom, unit) {
  const longest = (WIDEST * pixelSize) / zoom;
  const power = 10 ** Math.floor(Math.log10(longest));
  const length = [5, 2, 1].find((factor) => factor * power <= longest) * power;
  element.style.width = `${(length / pixelSize) * zoom}px`;
  const inKilometres = unit === "m" && length >= 1000;
  const text = Number((inKilometres ? length / 1000 : length).toPrecision(3));
  element.textContent = `${text} ${inKilometres ? "km" : unit}`;
}
