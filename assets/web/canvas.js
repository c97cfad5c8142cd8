// The drawing: strokes are rasterised here, into an array of ink. Reading a canvas back would not do, since browsers that guard
// against fingerprinting falsify what is read.

export const SIDE = 280;
// A stroke is two pixels wide in an image of 28 pixels.
const RADIUS = SIDE / 28;

/** Adds a segment with round ends to an array of ink: the distance to it, with a border that is one pixel soft. */
export function addSegment(ink, side, from, to) {
  const reach = Math.max(from.radius, to.radius) + 1;
  const left = Math.max(0, Math.floor(Math.min(from.x, to.x) - reach));
  const right = Math.min(side - 1, Math.ceil(Math.max(from.x, to.x) + reach));
  const top = Math.max(0, Math.floor(Math.min(from.y, to.y) - reach));
  const bottom = Math.min(side - 1, Math.ceil(Math.max(from.y, to.y) + reach));
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = dx * dx + dy * dy;
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const [px, py] = [x + 0.5 - from.x, y + 0.5 - from.y];
      const along = length > 0 ? Math.min(1, Math.max(0, (px * dx + py * dy) / length)) : 0;
      const distance = Math.hypot(px - along * dx, py - along * dy);
      const radius = from.radius + along * (to.radius - from.radius);
      const cover = Math.round(255 * Math.min(1, Math.max(0, radius - distance + 0.5)));
      const at = y * side + x;
      if (cover > ink[at]) ink[at] = cover;
    }
  }
}

/** The smallest box around what is darker than a level, or null. */
export function box(values, width, level) {
  let [left, top, right, bottom] = [Infinity, Infinity, -1, -1];
  values.forEach((value, at) => {
    if (value <= level) return;
    const [x, y] = [at % width, Math.floor(at / width)];
    [left, right] = [Math.min(left, x), Math.max(right, x)];
    [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
  });
  return right < 0 ? null : { left, top, right: right + 1, bottom: bottom + 1 };
}

/** A canvas to draw on. */
export class Pad {
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.changed = changed;
    this.ink = new Uint8Array(SIDE * SIDE);
    this.strokes = [];
    this.pointer = null;
    this.context = canvas.getContext("2d");
    this.pixels = this.context.createImageData(SIDE, SIDE);
    this.show();
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, (event) => this.end(event));
  }

  get isEmpty() {
    return this.strokes.length === 0;
  }

  point(event) {
    const frame = this.canvas.getBoundingClientRect();
    // A mouse has a pressure of 0.5 while a button is down, and a finger often none at all.
    const pressure = event.pointerType === "pen" && event.pressure > 0 ? event.pressure : 0.5;
    return {
      x: ((event.clientX - frame.left) / frame.width) * SIDE,
      y: ((event.clientY - frame.top) / frame.height) * SIDE,
      radius: RADIUS * (0.6 + 0.8 * pressure),
    };
  }

  begin(event) {
    if (this.pointer !== null || event.button > 0) return;
    event.preventDefault();
    this.pointer = event.pointerId;
    this.canvas.setPointerCapture(event.pointerId);
    const point = this.point(event);
    this.strokes.push([point]);
    this.draw(point, point);
  }

  move(event) {
    if (event.pointerId !== this.pointer) return;
    // All places since the last frame, not only the latest.
    const events = event.getCoalescedEvents?.() ?? [];
    const stroke = this.strokes[this.strokes.length - 1];
    for (const each of events.length > 0 ? events : [event]) {
      const point = this.point(each);
      addSegment(this.ink, SIDE, stroke[stroke.length - 1], point);
      stroke.push(point);
    }
    this.show();
    this.changed();
  }

  end(event) {
    if (event.pointerId !== this.pointer) return;
    this.pointer = null;
    this.changed();
  }

  draw(from, to) {
    addSegment(this.ink, SIDE, from, to);
    this.show();
    this.changed();
  }

  undo() {
    this.pointer = null;
    this.strokes.pop();
    this.ink.fill(0);
    for (const stroke of this.strokes) {
      addSegment(this.ink, SIDE, stroke[0], stroke[0]);
      for (let at = 1; at < stroke.length; at++) addSegment(this.ink, SIDE, stroke[at - 1], stroke[at]);
    }
    this.show();
    this.changed();
  }

  clear() {
    // A stroke that is under way ends here.
    this.pointer = null;
    this.strokes = [];
    this.ink.fill(0);
    this.show();
    this.changed();
  }

  /** Shows the ink on white paper. */
  show() {
    const data = this.pixels.data;
    this.ink.forEach((ink, at) => {
      data.fill(255 - ink, 4 * at, 4 * at + 3);
      data[4 * at + 3] = 255;
    });
    this.context.putImageData(this.pixels, 0, 0);
  }
}
