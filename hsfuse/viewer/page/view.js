/** The page of the viewer: what is asked for in its controls, and what is shown of it. */

import { SpectrumChart, spectrumTable } from "./chart.js";
import { bandName, bandsOf, bandsText, shortNumber } from "./bands.js";
import { PixelMap } from "./map.js";
import { axesOf, outlineOf, placeText, pointText, seriesOf } from "./spectra.js";

const byId = (id) => document.getElementById(id);
const SIDES = ["left", "right"];
const MOST_VISITED = 20;

class Viewer {
  constructor(scene) {
    this.scene = scene;
    this.visited = [];
    this.asked = {}; // what each side shows, so that an answer that comes late is not used
    this.form = byId("shown").elements;
    this.axes = axesOf(scene);
    this.map = new PixelMap(scene, {
      pick: (row, column) => this.pick(row, column),
      hover: (row, column) => this.hover(row, column),
      fault: (address) => explain(address),
    });
    this.describe();
    this.fillControls();
    this.map.divide(0.5);
    this.listen();
    this.draw();
  }

  describe() {
    const { scene } = this;
    const { fused } = scene.layers;
    document.title = `${scene.name} - hsfuse view`;
    byId("name").textContent = scene.name;
    const known = fused.wavelength.filter((value) => value !== null);
    const range = known.length
      ? `, ${Math.round(Math.min(...known))} to ${Math.round(Math.max(...known))} nm`
      : "";
    byId("facts").textContent =
      `${scene.rows} x ${scene.columns} pixels, ${fused.names.length} bands${range}` +
      (scene.crs ? `, ${scene.crs}` : ", no CRS");
    byId("notes").hidden = !scene.notes.length;
    byId("notes").querySelector("ul").replaceChildren(...scene.notes.map((note) => make("li", note)));
  }

  fillControls() {
    const { form, scene } = this;
    const keys = Object.keys(scene.layers);
    const options = keys.map((key) => [key, scene.layers[key].label]);
    fill(form.left, options, "fused");
    const right = ["hs", "ms", "standard_error"].find((key) => key in scene.layers) ?? "";
    fill(form.right, [...options, ["", "none"]], right);
    const { fused } = scene.layers;
    const bands = fused.names.map((_, index) => {
      const good = fused.good[index] ? "" : " (not good)";
      return [String(index + 1), bandName(fused, index + 1) + good];
    });
    form.mode.querySelector("[value=natural]").textContent = fused.natural_text;
    const [red, green, blue] = fused.natural.map((band) => String(band + 1));
    fill(form.single, bands, red);
    fill(form.red, bands, red);
    fill(form.green, bands, green);
    fill(form.blue, bands, blue);
    fill(form.colours, scene.colour_maps.map((name) => [name, name]), scene.colour_maps[0]);
    if (!fused.false) form.mode.querySelector("[value=false]").disabled = true;
    for (const [name, count] of [["row", scene.rows], ["column", scene.columns]]) {
      byId("pixel").elements[name].max = count - 1;
    }
  }

  listen() {
    byId("shown").addEventListener("submit", (event) => event.preventDefault());
    byId("shown").addEventListener("change", (event) => {
      const kept = ["low", "high", "colours", "left", "right"];
      if (!kept.includes(event.target.name)) this.form.low.value = this.form.high.value = "";
      this.draw();
    });
    byId("pixel").addEventListener("submit", (event) => {
      event.preventDefault();
      const { row, column } = event.target.elements;
      this.pick(Number(row.value), Number(column.value));
    });
    byId("forget").addEventListener("click", () => {
      this.visited = [];
      this.list();
    });
  }

  get choice() {
    const { form } = this;
    return {
      mode: form.mode.value,
      single: Number(form.single.value),
      three: [form.red, form.green, form.blue].map((each) => Number(each.value)),
    };
  }

  /** Show both images as the controls say. */
  async draw() {
    const { form } = this;
    const { mode } = this.choice;
    const shown = SIDES.map((side) => form[side].value);
    const mapped = mode === "single" || shown.includes("standard_error");
    document.querySelectorAll(".single").forEach((each) => (each.hidden = mode !== "single"));
    document.querySelectorAll(".three").forEach((each) => (each.hidden = mode !== "three"));
    document.querySelectorAll(".map").forEach((each) => (each.hidden = !mapped));
    try {
      const legends = await Promise.all(SIDES.map((side) => this.drawSide(side, form[side].value)));
      if (legends.includes(undefined)) return;
      byId("legends").replaceChildren(...legends.filter(Boolean));
    } catch (error) {
      complain(error.message);
    }
  }

  /** Show an image on a side; return its legend, null where it needs none, undefined if late. */
  async drawSide(side, key) {
    const ticket = (this.asked[side] = Symbol(side));
    const label = byId(`${side}-label`);
    if (!key) {
      label.textContent = "";
      this.map.show(side, null);
      return null;
    }
    const layer = this.scene.layers[key];
    const bands = bandsOf(this.scene, key, this.choice);
    const limits = await this.limits(key, bands);
    if (this.asked[side] !== ticket) return undefined;
    label.textContent =
      key === "standard_error" ? layer.label : `${layer.label}: ${bandsText(layer, bands)}`;
    const query = new URLSearchParams({ bands, low: limits.low, high: limits.high });
    if (bands.length === 1) query.set("colours", this.form.colours.value);
    this.map.show(side, (level, row, column) => `tile/${key}/${level}/${row}/${column}.png?${query}`);
    return bands.length === 1 ? this.legend(label.textContent, layer, limits) : null;
  }

  /** Return the limits of the stretch: as entered, else by percentiles; the HS image has the fused. */
  async limits(key, bands) {
    const { form } = this;
    const own = key === "hs" ? "fused" : key;
    const percentiles = form.percentiles.value;
    const query = new URLSearchParams({ layer: own, bands, percentiles });
    const found = await ask(`limits.json?${query}`);
    if (own !== "fused" || bands.length !== 1) return found;
    const [low, high] = [form.low, form.high].map((each) => each.valueAsNumber);
    if (Number.isFinite(low) && Number.isFinite(high) && low < high) return { low: [low], high: [high] };
    [form.low.value, form.high.value] = [found.low[0], found.high[0]].map(shortNumber);
    return found;
  }

  legend(name, layer, limits) {
    const legend = make("div", "");
    legend.className = "legend";
    const bar = make("img", "");
    bar.src = `colours/${this.form.colours.value}.png`;
    bar.alt = `Colours from ${shortNumber(limits.low[0])} to ${shortNumber(limits.high[0])}`;
    const ends = make("div", "");
    ends.append(...[limits.low[0], limits.high[0]].map((value) => make("span", shortNumber(value))));
    legend.append(make("span", name + (layer.units ? `, ${layer.units}` : "")), bar, ends);
    return legend;
  }

  /** Show the spectra of a pixel. */
  async pick(row, column) {
    try {
      const found = await ask(`spectra.json?row=${row}&column=${column}`);
      const { scene } = this;
      const series = seriesOf(scene, found);
      this.map.mark(row, column, outlineOf(scene, found));
      byId("place").textContent = placeText(scene, found);
      this.chart ??= new SpectrumChart(byId("chart"), this.axes);
      this.chart.show(series, `Spectra of row ${row}, column ${column}`);
      byId("values").hidden = false;
      byId("values").querySelector(".scroll").replaceChildren(spectrumTable(series, this.axes.x));
      const { elements } = byId("pixel");
      [elements.row.value, elements.column.value] = [row, column];
      this.visited = this.visited.filter((each) => each[0] !== row || each[1] !== column);
      this.visited = [...this.visited, [row, column]].slice(-MOST_VISITED);
      this.list();
      complain("");
    } catch (error) {
      complain(error.message);
    }
  }

  /** List the pixels whose spectra the CSV holds. */
  list() {
    byId("actions").hidden = byId("visited").hidden = !this.visited.length;
    byId("download").href = `spectra.csv?${this.visited.map((each) => `pixel=${each}`).join("&")}`;
    const entries = this.visited.map(([row, column]) => {
      const button = make("button", `${row}, ${column}`);
      button.type = "button";
      button.setAttribute("aria-label", `Spectrum of row ${row}, column ${column}`);
      button.addEventListener("click", () => this.pick(row, column));
      const entry = make("li", "");
      entry.append(button);
      return entry;
    });
    byId("visited").querySelector("ol").replaceChildren(...entries);
  }

  hover(row, column) {
    const { scene } = this;
    const inside = row >= 0 && column >= 0 && row < scene.rows && column < scene.columns;
    let text = inside ? `row ${row}, column ${column}` : "";
    if (inside && scene.transform) {
      const [a, b, c, d, e, f] = scene.transform;
      const [across, down] = [column + 0.5, row + 0.5];
      text += `; ${pointText(scene, a * across + b * down + c, d * across + e * down + f)}`;
    }
    byId("position").textContent = text;
  }
}

/** Return what the server answers as JSON; its line of text where it refuses. */
async function ask(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error((await response.text()).trim());
  return response.json();
}

/** Say why a tile did not come. */
async function explain(address) {
  try {
    const response = await fetch(address);
    if (!response.ok) complain((await response.text()).trim());
  } catch {
    complain("The server does not answer any more; start hsfuse view again.");
  }
}

function complain(text) {
  byId("message").textContent = text;
  byId("message").hidden = !text;
}

function fill(select, options, chosen) {
  select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
  select.value = chosen;
}

function make(name, text) {
  const element = document.createElement(name);
  element.textContent = text;
  return element;
}

try {
  new Viewer(await ask("scene.json"));
} catch (error) {
  complain(error.message);
}
