/**
 * Images of the same ground with one view: zoom, place and crosshair are common to all panes.
 *
 * Positions are in pixels of the output: pixel k covers k to k + 1. A layer is a list of pictures
 * { image, extent: [left, top, right, bottom] } in these units, of which later ones lie on top.
 */

const LARGEST = 40; // screen pixels of an output pixel
const CLICK = 4; // screen pixels by which a pointer may move in a click

export class Scene {
  /**
   * @param {HTMLElement} element  holds a canvas for each pane
   * @param {{rows: number, columns: number, aspect: number}} size  of the output; aspect is the
   *   height of a pixel over its width
   */
  constructor(element, size) {
    this.element = element;
    this.size = size;
    this.view = { x: size.columns / 2, y: size.rows / 2, zoom: 0 };
    this.swipe = 0.5;
    this.layers = []; // of the panes; a pane has one layer, or two with the swipe between
    this.crosshair = null;
    this.frame = null;
    this.onPick = () => {};
    this.onChange = () => {};
    this.onSwipe = () => {};
    new ResizeObserver(() => this.draw()).observe(element);
    element.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  /** Show panes: a list of lists of one or two layers. */
  show(panes) {
    this.layers = panes;
    const canvases = [...this.element.querySelectorAll("canvas")];
    while (canvases.length < panes.length) canvases.push(this.#pane());
    canvases.splice(panes.length).forEach((canvas) => canvas.remove());
    this.canvases = canvases;
    this.draw();
  }

  /** Let the view hold the whole output, or the window [left, top, right, bottom]. */
  fit(window = [0, 0, this.size.columns, this.size.rows]) {
    const [left, top, right, bottom] = window;
    this.view = { x: (left + right) / 2, y: (top + bottom) / 2, zoom: 0 };
    const whole = this.#smallest();
    this.view.zoom = Math.min(
      (whole * this.size.columns) / (right - left),
      (whole * this.size.rows) / (bottom - top),
      LARGEST,
    );
    this.draw();
  }

  zoomBy(factor, x = this.view.x, y = this.view.y) {
    const before = this.zoom;
    this.view.zoom = Math.min(Math.max(before * factor, this.#smallest()), LARGEST);
    const share = 1 - before / this.zoom;
    this.#moveTo(this.view.x + (x - this.view.x) * share, this.view.y + (y - this.view.y) * share);
  }

  /** Place the crosshair; the view follows where it would be outside. */
  pointAt(x, y) {
    this.crosshair = { x, y };
    const canvas = this.canvases[0];
    const half = { x: canvas.clientWidth / 2, y: canvas.clientHeight / 2 };
    const { sx, sy } = this.#toScreen(canvas, x, y);
    if (sx < 0 || sy < 0 || sx > 2 * half.x || sy > 2 * half.y) this.#moveTo(x, y);
    else this.draw();
  }

  setSwipe(share) {
    this.swipe = Math.min(Math.max(share, 0), 1);
    this.onSwipe(this.swipe);
    this.draw();
  }

  /** Screen pixels of an output pixel, across. */
  get zoom() {
    return this.view.zoom || this.#smallest();
  }

  draw() {
    if (!this.canvases?.length) return;
    this.#limit();
    this.canvases.forEach((canvas, index) => this.#drawPane(canvas, this.layers[index]));
    this.onChange(this.zoom);
  }

  #drawPane(canvas, layers) {
    const density = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    canvas.width = Math.round(width * density);
    canvas.height = Math.round(height * density);
    const context = canvas.getContext("2d");
    context.scale(density, density);
    context.imageSmoothingEnabled = false;
    const border = width * this.swipe;
    this.#drawLayer(context, canvas, layers[0], 0, layers.length > 1 ? border : width);
    if (layers.length > 1) this.#drawLayer(context, canvas, layers[1], border, width);
    if (this.frame) this.#drawFrame(context, canvas);
    if (this.crosshair) this.#drawCrosshair(context, canvas);
  }

  #drawLayer(context, canvas, layer, start, stop) {
    context.save();
    context.beginPath();
    context.rect(start, 0, stop - start, canvas.clientHeight);
    context.clip();
    for (const { image, extent } of layer) {
      const from = this.#toScreen(canvas, extent[0], extent[1]);
      const to = this.#toScreen(canvas, extent[2], extent[3]);
      context.drawImage(image, from.sx, from.sy, to.sx - from.sx, to.sy - from.sy);
    }
    context.restore();
  }

  #drawFrame(context, canvas) {
    const from = this.#toScreen(canvas, this.frame[0], this.frame[1]);
    const to = this.#toScreen(canvas, this.frame[2], this.frame[3]);
    context.setLineDash([6, 4]);
    for (const [colour, width] of [["#000", 3], ["#ffd400", 1.5]]) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.strokeRect(from.sx, from.sy, to.sx - from.sx, to.sy - from.sy);
    }
    context.setLineDash([]);
  }

  #drawCrosshair(context, canvas) {
    const { sx, sy } = this.#toScreen(canvas, this.crosshair.x + 0.5, this.crosshair.y + 0.5);
    const [inner, outer] = [Math.max(this.zoom / 2, 5), Math.max(this.zoom / 2, 5) + 11];
    for (const [colour, width] of [["#000", 4], ["#fff", 1.8]]) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.beginPath();
      for (const [x, y] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        context.moveTo(sx + x * inner, sy + y * inner);
        context.lineTo(sx + x * outer, sy + y * outer);
      }
      context.stroke();
    }
  }

  #toScreen(canvas, x, y) {
    return {
      sx: (x - this.view.x) * this.zoom + canvas.clientWidth / 2,
      sy: (y - this.view.y) * this.zoom * this.size.aspect + canvas.clientHeight / 2,
    };
  }

  #toOutput(canvas, event) {
    const box = canvas.getBoundingClientRect();
    return {
      x: (event.clientX - box.left - box.width / 2) / this.zoom + this.view.x,
      y: (event.clientY - box.top - box.height / 2) / (this.zoom * this.size.aspect) + this.view.y,
    };
  }

  /** Zoom at which the whole output fits the panes. */
  #smallest() {
    const canvas = this.canvases?.[0];
    if (!canvas?.clientWidth) return 1;
    const { rows, columns, aspect } = this.size;
    return Math.min(canvas.clientWidth / columns, canvas.clientHeight / (rows * aspect));
  }

  #moveTo(x, y) {
    Object.assign(this.view, { x, y });
    this.draw();
  }

  /** Keep the middle of the view within the output. */
  #limit() {
    this.view.x = Math.min(Math.max(this.view.x, 0), this.size.columns);
    this.view.y = Math.min(Math.max(this.view.y, 0), this.size.rows);
  }

  #wheel(event) {
    // An unfocused viewer leaves the wheel to the page, which is scrolled by it.
    if (!(event.ctrlKey || this.element.contains(document.activeElement))) return;
    event.preventDefault();
    const { x, y } = this.#toOutput(event.target.closest("canvas") ?? this.canvases[0], event);
    this.zoomBy(event.deltaY < 0 ? 1.25 : 0.8, x, y);
  }

  #pane() {
    const canvas = this.element.appendChild(document.createElement("canvas"));
    canvas.setAttribute("aria-hidden", "true"); // the element itself has role and name
    let start = null;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      start = { x: event.clientX, y: event.clientY, view: { ...this.view }, moved: false };
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!start) return;
      const [dx, dy] = [event.clientX - start.x, event.clientY - start.y];
      start.moved ||= Math.hypot(dx, dy) > CLICK;
      if (!start.moved) return;
      const down = this.zoom * this.size.aspect;
      this.#moveTo(start.view.x - dx / this.zoom, start.view.y - dy / down);
    });
    canvas.addEventListener("pointerup", (event) => {
      const clicked = start && !start.moved;
      start = null;
      if (!clicked) return;
      const { x, y } = this.#toOutput(canvas, event);
      this.onPick(Math.floor(x), Math.floor(y));
    });
    canvas.addEventListener("pointercancel", () => (start = null));
    return canvas;
  }
}
