/**
 * Two images on one map in the pixels of the fused raster, with a divider between them.
 *
 * A place is (row, column): Leaflet's latitude and longitude. At zoom 0 a pixel of the raster has one
 * of the screen; zoom -n shows level n of the server. Leaflet (L) is loaded by the page.
 */

const CLOSEST = 6;
const STEP = 2; // percent of the width that an arrow key moves the divider

export class PixelMap {
  /**
   * @param {object} scene  of scene.json
   * @param {{pick: function, hover: function, fault: function}} calls  with a row and a column; with
   *   the address of a tile that did not come
   */
  constructor(scene, calls) {
    this.scene = scene;
    this.calls = calls;
    this.fraction = 0.5;
    this.sides = { left: null, right: null };
    this.replaced = { left: [], right: [] };
    this.view = document.getElementById("view");
    this.divider = document.getElementById("divider");
    this.bounds = L.latLngBounds([0, 0], [scene.rows, scene.columns]);
    this.map = L.map("map", {
      crs: pixelGrid(scene),
      minZoom: -scene.deepest - 1,
      maxZoom: CLOSEST,
      attributionControl: false,
      fadeAnimation: false,
      zoomAnimation: !matchMedia("(prefers-reduced-motion: reduce)").matches,
      keyboardPanDelta: 100,
    });
    for (const side of ["left", "right"]) this.map.createPane(side).style.zIndex = 210;
    this.marks = L.layerGroup().addTo(this.map);
    if (scene.pixel_metres) L.control.scale({ imperial: false, position: "bottomright" }).addTo(this.map);
    this.map.fitBounds(this.bounds, { animate: false });
    this.#listen();
  }

  /** Show an image on a side; nothing without an address. */
  show(side, address) {
    const before = [...this.replaced[side], this.sides[side]].filter(Boolean);
    this.replaced[side] = address ? before : [];
    this.sides[side] = null;
    if (!address) before.forEach((layer) => layer.remove());
    else {
      const layer = new Tiles("", {
        pane: side,
        address,
        bounds: this.bounds,
        tileSize: this.scene.tile,
        minNativeZoom: -this.scene.deepest,
        maxNativeZoom: 0,
        minZoom: -this.scene.deepest - 1,
        maxZoom: CLOSEST,
        noWrap: true,
      });
      layer.on("tileerror", (event) => this.calls.fault(event.tile.src));
      // What was shown stays until all of this is there.
      layer.once("load", () => {
        before.forEach((each) => each.remove());
        this.replaced[side] = this.replaced[side].filter((each) => !before.includes(each));
      });
      this.sides[side] = layer.addTo(this.map);
    }
    this.divider.hidden = !this.sides.right;
    this.#clip();
  }

  /** Mark a pixel of the fused raster, and the outline of the HS pixel on it. */
  mark(row, column, outline) {
    this.marks.clearLayers();
    const line = { interactive: false, fill: false, weight: 2 };
    if (outline) {
      L.rectangle(outline, { ...line, color: "#000", weight: 4, opacity: 0.6 }).addTo(this.marks);
      L.rectangle(outline, { ...line, color: "#ffb000" }).addTo(this.marks);
    }
    const place = [row + 0.5, column + 0.5];
    L.circleMarker(place, { ...line, radius: 7, color: "#000", weight: 4 }).addTo(this.marks);
    L.circleMarker(place, { ...line, radius: 7, color: "#fff" }).addTo(this.marks);
    if (!this.map.getBounds().contains(place)) this.map.panTo(place);
  }

  /** Put the divider at a share of the width. */
  divide(fraction) {
    this.fraction = Math.min(Math.max(fraction, 0), 1);
    const percent = Math.round(this.fraction * 100);
    this.divider.style.left = `${this.fraction * 100}%`;
    this.divider.setAttribute("aria-valuenow", percent);
    this.divider.setAttribute("aria-valuetext", `left image on ${percent} % of the width`);
    this.#clip();
  }

  #listen() {
    const pixel = (latlng) => [Math.floor(latlng.lat), Math.floor(latlng.lng)];
    this.map.on("click", (event) => this.#pick(...pixel(event.latlng)));
    this.map.on("mousemove", (event) => this.calls.hover(...pixel(event.latlng)));
    this.map.on("mouseout", () => this.calls.hover(-1, -1));
    this.map.on("move zoom resize viewreset", () => this.#clip());
    this.map.getContainer().addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.target !== this.map.getContainer()) return;
      this.#pick(...pixel(this.map.getCenter()));
    });
    new ResizeObserver(() => this.map.invalidateSize({ animate: false })).observe(this.view);
    this.divider.addEventListener("pointerdown", (event) => {
      this.divider.setPointerCapture(event.pointerId);
    });
    this.divider.addEventListener("pointermove", (event) => {
      if (!this.divider.hasPointerCapture(event.pointerId)) return;
      const box = this.view.getBoundingClientRect();
      this.divide((event.clientX - box.left) / box.width);
    });
    this.divider.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: -STEP, ArrowDown: -STEP, ArrowRight: STEP, ArrowUp: STEP };
      const ends = { Home: 0, End: 1 };
      if (event.key in steps) this.divide(this.fraction + steps[event.key] / 100);
      else if (event.key in ends) this.divide(ends[event.key]);
      else return;
      event.preventDefault();
    });
  }

  #pick(row, column) {
    const { rows, columns } = this.scene;
    if (row >= 0 && column >= 0 && row < rows && column < columns) this.calls.pick(row, column);
  }

  /** Cut both images at the divider, in the coordinates of Leaflet's panes. */
  #clip() {
    const size = this.map.getSize();
    const start = this.map.containerPointToLayerPoint([0, 0]);
    const end = this.map.containerPointToLayerPoint(size);
    const middle = start.x + (this.sides.right ? size.x * this.fraction : size.x);
    const rectangle = (left, right) => `rect(${start.y}px, ${right}px, ${end.y}px, ${left}px)`;
    this.map.getPane("left").style.clip = rectangle(start.x, middle);
    this.map.getPane("right").style.clip = rectangle(middle, end.x);
  }
}

const Tiles = L.TileLayer.extend({
  getTileUrl(place) {
    return this.options.address(-place.z, place.y, place.x);
  },
});

/** Return a coordinate system in pixels: rows down, columns to the right. */
function pixelGrid(scene) {
  const metres = scene.pixel_metres ?? 1;
  return L.extend({}, L.CRS.Simple, {
    transformation: new L.Transformation(1, 0, 1, 0),
    distance: (one, other) => metres * Math.hypot(one.lat - other.lat, one.lng - other.lng),
  });
}
