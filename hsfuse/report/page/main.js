/** The report: reads its data, and connects images, spectra and controls. */

import { SpectrumChart, spectrumTable, valueText } from "./chart.js";
import { unpackCube } from "./cube.js";
import { drawScale } from "./scale.js";
import { Scene } from "./scene.js";

const data = JSON.parse(document.getElementById("data").textContent);
const find = (name) => document.getElementById(name);
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

const viewer = find("viewer");
const scene = new Scene(viewer, data.size);
const spectra = new SpectrumChart(find("spectrum"), { ...data.axes, height: 320 });
let regions = [];
let place = null; // { region, row, column }: indexes of the sampled pixel

function loadImage(source) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error("an embedded picture cannot be read"));
    image.src = source;
  });
}

async function loadLayers() {
  for (const layer of data.layers) {
    for (const picture of layer.pictures) picture.image = await loadImage(picture.source);
  }
}

async function loadRegions() {
  return Promise.all(
    data.regions.map(async (region) => {
      const names = ["fused", "hs", "degraded", "ms", "error"].filter((name) => region[name]);
      const cubes = await Promise.all(names.map((name) => unpackCube(region[name])));
      return { ...region, ...Object.fromEntries(names.map((name, i) => [name, cubes[i]])) };
    }),
  );
}

/** Return the pictures of a layer in the chosen composite, or in its first one. */
function pictures(name) {
  const layer = data.layers.find((each) => each.name === name);
  const chosen = find("composite").value;
  const known = layer.pictures.some((picture) => picture.composite === chosen);
  const composite = known ? chosen : layer.pictures[0].composite;
  return layer.pictures.filter((picture) => picture.composite === composite);
}

function showImages() {
  const beside = find("beside").checked;
  const names = beside
    ? ["HS image", "MS image", "fused image"]
    : [find("left").value, find("right").value];
  viewer.classList.toggle("beside", beside);
  for (const name of ["left", "right", "swipe"]) find(name).disabled = beside;
  find("divider").hidden = beside;
  const layers = names.map(pictures);
  scene.show(beside ? layers.map((layer) => [layer]) : [layers]);
  const labels = names.map((name, index) => `${name}: ${layers[index][0].label}`);
  find("shown").textContent = labels.join(beside ? " | " : " (left), ") + (beside ? "" : " (right)");
}

function nearestIndex(values, value) {
  let best = 0;
  values.forEach((each, index) => {
    if (Math.abs(each - value) < Math.abs(values[best] - value)) best = index;
  });
  return best;
}

/** Go to the sampled pixel nearest to a pixel of the output. */
function pick(x, y) {
  const inside = (region) =>
    x >= region.window[0] && x < region.window[2] && y >= region.window[1] && y < region.window[3];
  const region = regions.findLast(inside) ?? regions[0];
  go(region, nearestIndex(region.rows, y), nearestIndex(region.columns, x));
}

function go(region, row, column) {
  place = { region, row, column };
  scene.pointAt(region.columns[column], region.rows[row]);
  showSpectrum();
}

function seriesAt({ region, row, column }) {
  const [hsRow, hsColumn] = [region.hsRow[row], region.hsColumn[column]];
  const error = region.error?.value(0, row, column);
  const good = (values) => values.map((value, band) => (data.bands.good[band] ? value : NaN));
  const bands = { x: data.bands.x, labels: data.bands.names };
  const series = [
    {
      ...bands,
      name: "fused pixel",
      y: good(region.fused.spectrum(row, column)),
      error: Number.isFinite(error) ? error : undefined,
      colour: "var(--spectrum-1)",
    },
  ];
  if (hsRow !== null && hsColumn !== null) {
    if (region.degraded) {
      series.push({
        ...bands,
        name: "fused image as the HS sensor sees it",
        y: good(region.degraded.spectrum(hsRow, hsColumn)),
        colour: "var(--spectrum-4)",
      });
    }
    series.push({
      ...bands,
      name: "HS pixel under it",
      kind: "dashed",
      y: good(region.hs.spectrum(hsRow, hsColumn)),
      colour: "var(--spectrum-2)",
    });
  }
  if (region.ms) {
    series.push({
      name: "MS bands, scaled to the HS image",
      kind: "points",
      x: data.msBands.x,
      y: region.ms.spectrum(row, column),
      labels: data.msBands.names,
      colour: "var(--spectrum-3)",
    });
  }
  return series;
}

function showSpectrum() {
  const { region, row, column } = place;
  const [y, x] = [region.rows[row], region.columns[column]];
  const series = seriesAt(place);
  const where = `row ${y}, column ${x}`;
  spectra.show(series, `Spectra of the fused pixel at ${where} and of the HS pixel under it`);
  find("table").replaceChildren(spectrumTable(series, data.axes.x, `Spectra at ${where}`));
  const error = region.error ? `, standard error ${valueText(region.error.value(0, row, column))}` : "";
  const examples = data.bands.named.map(
    ({ band, name }) => `${name}: ${valueText(series[0].y[band])}`,
  );
  find("pixel").textContent = `${where}${mapPlace(x, y)}. Fused: ${examples.join(", ")}${error}`;
}

function mapPlace(x, y) {
  if (!data.transform) return "";
  const [a, b, c, d, e, f] = data.transform;
  const digits = data.unit === "°" ? 6 : 1;
  const [across, down] = [a * (x + 0.5) + b * (y + 0.5) + c, d * (x + 0.5) + e * (y + 0.5) + f];
  return ` (x ${across.toFixed(digits)}, y ${down.toFixed(digits)})`;
}

function moveCrosshair(event) {
  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  if (event.key in steps && place) {
    event.preventDefault();
    const [down, across] = steps[event.key].map((step) => step * (event.shiftKey ? 10 : 1));
    const { region } = place;
    go(
      region,
      clamp(place.row + down, 0, region.rows.length - 1),
      clamp(place.column + across, 0, region.columns.length - 1),
    );
  } else if (event.key === "+" || event.key === "=") scene.zoomBy(1.5);
  else if (event.key === "-") scene.zoomBy(1 / 1.5);
  else if (event.key === "0") scene.fit();
}

function connectDivider() {
  const divider = find("divider");
  const follow = (event) => {
    const box = viewer.getBoundingClientRect();
    scene.setSwipe((event.clientX - box.left) / box.width);
  };
  divider.addEventListener("pointerdown", (event) => {
    divider.setPointerCapture(event.pointerId);
    divider.addEventListener("pointermove", follow);
  });
  divider.addEventListener("pointerup", () => divider.removeEventListener("pointermove", follow));
  divider.addEventListener("pointercancel", () =>
    divider.removeEventListener("pointermove", follow),
  );
  scene.onSwipe = (share) => {
    divider.style.left = `${share * 100}%`;
    find("swipe").value = Math.round(share * 100);
  };
  find("swipe").addEventListener("input", (event) => scene.setSwipe(event.target.value / 100));
}

function connectControls() {
  for (const name of ["left", "right", "composite", "beside", "over"]) {
    find(name).addEventListener("change", showImages);
  }
  find("larger").addEventListener("click", () => scene.zoomBy(1.5));
  find("smaller").addEventListener("click", () => scene.zoomBy(1 / 1.5));
  find("fit").addEventListener("click", () => scene.fit());
  find("to-detail")?.addEventListener("click", () => scene.fit(data.detail));
  viewer.addEventListener("keydown", moveCrosshair);
  scene.onPick = pick;
  scene.onChange = (zoom) => drawScale(find("scale"), data.pixelSize, zoom, data.unit);
  connectDivider();
  find("copy")?.addEventListener("click", async () => {
    await navigator.clipboard.writeText(find("command").textContent);
    find("copied").textContent = "copied";
  });
}

function drawCharts() {
  for (const chart of data.charts) {
    new SpectrumChart(find(chart.id), { ...chart.axes, height: 220 }).show(
      chart.series,
      chart.title,
    );
  }
}

connectControls();
drawCharts();
await loadLayers();
showImages();
scene.frame = data.detail;
scene.setSwipe(0.5);
regions = await loadRegions();
pick(...data.start);
document.documentElement.dataset.ready = "true";
