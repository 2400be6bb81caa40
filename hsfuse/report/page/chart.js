/**
 * A chart of spectra: an SVG element with axes, a legend, a cursor that reads values, and a table
 * of the same numbers for screen readers. It needs chart.css and nothing else.
 *
 *   const chart = new SpectrumChart(element, { x: "Wavelength (nm)", y: "Reflectance" });
 *   chart.show(series, "Spectrum of row 12, column 40");
 *   element.append(spectrumTable(series, "Wavelength (nm)"));
 *
 * A series is an object:
 *   name    string    for the legend and the table
 *   kind    string    "line" (default), "dashed" (a line too), or "points"
 *   x, y    number[]  of the same length; null or NaN in y where there is no value
 *   error   number or number[]  optional: half of the width of a band about the line
 *   labels  string[]  optional: name of each value, for the cursor and the table
 *   colour  string    a CSS colour, such as "var(--spectrum-1)" of chart.css
 *
 * Values need no order along x. A line breaks where values are missing and at wide gaps of x. The
 * cursor follows the pointer; with the chart focused, the left and right arrow keys move it.
 */

const MARGIN = { top: 10, right: 24, bottom: 42, left: 62 };
const GAP = 6; // median distances along x, from which a line breaks
const SVG = "http://www.w3.org/2000/svg";

export class SpectrumChart {
  /**
   * @param {HTMLElement} element  is emptied; its width is the chart's
   * @param {{x: string, y: string, height?: number}} options  axis labels with units; pixels
   */
  constructor(element, options) {
    this.options = { height: 300, ...options };
    this.series = [];
    this.place = null; // of the cursor along x
    element.replaceChildren();
    this.legend = element.appendChild(make("ul", { class: "spectrum-legend" }));
    this.svg = element.appendChild(
      makeSvg("svg", { class: "spectrum-chart", role: "img", tabindex: 0 }),
    );
    this.readout = element.appendChild(
      make("output", { class: "spectrum-readout", "aria-live": "polite" }),
    );
    this.svg.addEventListener("pointermove", (event) => this.#follow(event));
    this.svg.addEventListener("pointerleave", () => this.#moveCursor(null));
    this.svg.addEventListener("keydown", (event) => this.#step(event));
    new ResizeObserver(() => this.#draw()).observe(element);
  }

  /** Draw these series; the title is what a screen reader calls the chart. */
  show(series, title = "Spectra") {
    this.series = series.map(sorted);
    this.svg.setAttribute("aria-label", `${title}. The table below holds its values.`);
    this.legend.replaceChildren(...this.series.map(legendItem));
    this.#draw();
  }

  #draw() {
    const width = this.svg.parentElement.clientWidth;
    if (!width || !this.series.length) return;
    const { height } = this.options;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.setAttribute("height", height);
    const [left, right] = [MARGIN.left, width - MARGIN.right];
    const [top, bottom] = [MARGIN.top, height - MARGIN.bottom];
    const ranges = rangesOf(this.series);
    this.scale = {
      x: linear(ranges.x, [left, right]),
      y: linear(ranges.y, [bottom, top]),
      area: { left, right, top, bottom },
    };
    const layers = [this.#axes(ranges), ...this.series.map((each) => this.#drawSeries(each))];
    this.cursor = makeSvg("g", { class: "spectrum-cursor" });
    this.svg.replaceChildren(...layers, this.cursor);
    this.#moveCursor(this.place);
  }

  #axes(ranges) {
    const { x, y, area } = this.scale;
    const group = makeSvg("g", { class: "spectrum-axes" });
    for (const value of ticks(ranges.y, 5)) {
      const height = y(value);
      group.append(
        makeSvg("line", { class: "grid", x1: area.left, x2: area.right, y1: height, y2: height }),
        makeText(numberText(value), area.left - 8, height + 4, "end"),
      );
    }
    for (const value of ticks(ranges.x, Math.max(2, Math.floor((area.right - area.left) / 80)))) {
      const place = x(value);
      group.append(
        makeSvg("line", { x1: place, x2: place, y1: area.bottom, y2: area.bottom + 5 }),
        makeText(numberText(value), place, area.bottom + 19, "middle"),
      );
    }
    const middle = (area.top + area.bottom) / 2;
    const label = makeText(this.options.y, 0, 0, "middle");
    label.setAttribute("transform", `translate(14 ${middle}) rotate(-90)`);
    group.append(
      makeSvg("line", { x1: area.left, x2: area.right, y1: area.bottom, y2: area.bottom }),
      makeText(this.options.x, (area.left + area.right) / 2, area.bottom + 37, "middle"),
      label,
    );
    return group;
  }

  #drawSeries(series) {
    const { x, y } = this.scale;
    const group = makeSvg("g", { class: `spectrum-${series.kind}`, style: `color: ${series.colour}` });
    if (series.kind === "points") {
      series.y.forEach((value, index) => {
        if (!Number.isFinite(value)) return;
        group.append(makeSvg("circle", { cx: x(series.x[index]), cy: y(value), r: 5 }));
      });
      return group;
    }
    for (const part of unbroken(series)) {
      const point = (index, offset) => `${x(series.x[index])},${y(series.y[index] + offset)}`;
      if (series.error) {
        const upper = part.map((index) => point(index, series.error[index]));
        const lower = part.map((index) => point(index, -series.error[index])).reverse();
        group.append(makeSvg("polygon", { points: [...upper, ...lower].join(" ") }));
      }
      group.append(makeSvg("polyline", { points: part.map((i) => point(i, 0)).join(" ") }));
    }
    return group;
  }

  #follow(event) {
    const box = this.svg.getBoundingClientRect();
    this.#moveCursor(this.scale.x.invert(event.clientX - box.left));
  }

  #step(event) {
    const direction = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const line = this.series.find((each) => each.kind !== "points");
    if (!direction || !line) return;
    event.preventDefault();
    const current = this.place === null ? -1 : nearest(line.x, this.place);
    const next = Math.min(Math.max(current + direction, 0), line.x.length - 1);
    this.#moveCursor(line.x[next]);
  }

  #moveCursor(place) {
    this.place = place;
    if (!this.cursor) return;
    this.cursor.replaceChildren();
    const line = this.series.find((each) => each.kind !== "points");
    if (place === null || !line) {
      this.readout.textContent = "";
      return;
    }
    const at = line.x[nearest(line.x, place)];
    const { x, area } = this.scale;
    this.cursor.append(
      makeSvg("line", { x1: x(at), x2: x(at), y1: area.top, y2: area.bottom }),
    );
    const values = this.series
      .filter((each) => each.kind !== "points")
      .map((each) => `${each.name} ${valueText(each.y[nearest(each.x, at)])}`);
    this.readout.textContent = `${numberText(at)}: ${values.join(", ")}`;
  }
}

/** Return a table of the values, a row for each value of x, a column for each series. */
export function spectrumTable(series, xName, caption = "Values of the spectra") {
  const rows = new Map();
  series.forEach((each, column) =>
    each.x.forEach((x, index) => {
      const row = rows.get(x) ?? { cells: Array(series.length).fill(""), label: "" };
      const error = errorAt(each, index);
      row.cells[column] = valueText(each.y[index]) + (error ? ` ± ${valueText(error)}` : "");
      row.label ||= each.labels?.[index] ?? "";
      rows.set(x, row);
    }),
  );
  const table = make("table", { class: "spectrum-table" });
  table.append(make("caption", {}, caption));
  const head = table.appendChild(make("thead")).appendChild(make("tr"));
  head.append(make("th", { scope: "col" }, xName), make("th", { scope: "col" }, "Band"));
  head.append(...series.map((each) => make("th", { scope: "col" }, each.name)));
  const body = table.appendChild(make("tbody"));
  for (const [x, row] of [...rows].sort((one, other) => one[0] - other[0])) {
    const line = body.appendChild(make("tr"));
    line.append(make("th", { scope: "row" }, numberText(x)), make("td", {}, row.label));
    line.append(...row.cells.map((cell) => make("td", {}, cell)));
  }
  return table;
}

/** Return a number with four significant digits; a dash where there is none. */
export function valueText(value) {
  return Number.isFinite(value) ? numberText(Number(value.toPrecision(4))) : "no data";
}

function numberText(value) {
  return String(Number(value.toPrecision(6)));
}

/** Return the series with its values ordered along x, and one error for each. */
function sorted(series) {
  const order = series.x.map((_, index) => index).sort((i, j) => series.x[i] - series.x[j]);
  const pick = (values) => values && order.map((index) => values[index]);
  const error = series.error && pick(series.x.map((_, index) => errorAt(series, index) || 0));
  const { x, y, labels } = series;
  return { kind: "line", ...series, x: pick(x), y: pick(y), labels: pick(labels), error };
}

function errorAt(series, index) {
  return Array.isArray(series.error) ? series.error[index] : series.error;
}

/** Return the indexes of each unbroken part of a line. */
function unbroken(series) {
  const steps = series.x.slice(1).map((x, index) => x - series.x[index]);
  const median = [...steps].sort((one, other) => one - other)[Math.floor(steps.length / 2)];
  const parts = [];
  let part = [];
  series.x.forEach((x, index) => {
    const wide = index > 0 && x - series.x[index - 1] > GAP * median;
    if (wide || !Number.isFinite(series.y[index])) {
      if (part.length) parts.push(part);
      part = [];
    }
    if (Number.isFinite(series.y[index])) part.push(index);
  });
  if (part.length) parts.push(part);
  return parts;
}

/** Return the range of both axes: all values with their errors, and zero where none is negative. */
function rangesOf(series) {
  const xs = series.flatMap((each) => each.x).filter(Number.isFinite);
  const ys = series
    .flatMap((each) =>
      each.y.flatMap((y, i) => [y - (each.error?.[i] ?? 0), y + (each.error?.[i] ?? 0)]),
    )
    .filter(Number.isFinite);
  const extent = (values) =>
    values.length ? [Math.min(...values), Math.max(...values)] : [0, 1];
  const [low, high] = extent(ys);
  const span = high - Math.min(low, 0) || 1;
  return { x: extent(xs), y: [low >= 0 ? 0 : low - span * 0.04, high + span * 0.04] };
}

/** Return round values within a range, about as many as asked. */
export function ticks([low, high], count) {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: Math.max(last - first + 1, 0) }, (_, index) => (first + index) * step);
}

function linear([low, high], [start, stop]) {
  const factor = (stop - start) / (high - low || 1);
  const scale = (value) => start + (value - low) * factor;
  scale.invert = (position) => low + (position - start) / factor;
  return scale;
}

function nearest(values, place) {
  let best = 0;
  values.forEach((value, index) => {
    if (Math.abs(value - place) < Math.abs(values[best] - place)) best = index;
  });
  return best;
}

function legendItem(series) {
  const item = make("li");
  const mark = make("span", {
    class: `spectrum-mark spectrum-mark-${series.kind}`,
    style: `color: ${series.colour}`,
  });
  item.append(mark, series.name + (series.error ? " (band: ± standard error)" : ""));
  return item;
}

function makeText(text, x, y, anchor) {
  const element = makeSvg("text", { x, y, "text-anchor": anchor });
  element.textContent = text;
  return element;
}

function make(name, attributes = {}, text = "") {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  return element;
}

function makeSvg(name, attributes = {}) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
