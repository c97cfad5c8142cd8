// Shows an answer: bars, the image that the network gets, what speaks for the answer, and what each layer sees.

import { SIDE, box } from "./canvas.js";

// Classes that are listed, and maps of a layer.
const LISTED = 10;
const MAPS = 64;
// Colours of positive and negative values, the same as in reports.
const FOR = [230, 97, 1];
const AGAINST = [33, 102, 172];

export const percent = (share) => `${(100 * share).toFixed(share > 0.9995 || share < 0.0005 ? 2 : 1)} %`;

/** Bytes of base64. */
export const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

/** An element with a class and a text. */
export function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** The probabilities of the classes: all of them in order, or the most probable ones if there are many. */
export function showBars(list, classes) {
  const best = [...classes].sort((a, b) => b.probability - a.probability);
  const shown = classes.length > LISTED ? best.slice(0, LISTED) : classes;
  const rows = shown.map((one) => {
    const row = element("li", one === best[0] ? "first" : "");
    const [track, fill] = [element("span", "track"), element("div", "fill")];
    fill.style.width = `${100 * one.probability}%`;
    track.append(fill);
    row.append(element("span", "name", one.class), track, element("span", "value", percent(one.probability)));
    return row;
  });
  list.replaceChildren(...rows);
}

/** An image with dark ink on white. */
export function showImage(canvas, image) {
  const bytes = bytesOf(image.bytes);
  [canvas.width, canvas.height] = [image.width, image.height];
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(image.width, image.height);
  bytes.forEach((byte, at) => pixels.data.set([255 - byte, 255 - byte, 255 - byte, 255], 4 * at));
  context.putImageData(pixels, 0, 0);
}

/** Signed values as colours over white. */
function colours(values) {
  const out = new Uint8ClampedArray(4 * values.length);
  values.forEach((value, at) => {
    const share = Math.sqrt(Math.abs(value) / 127);
    const colour = value > 0 ? FOR : AGAINST;
    out.set(colour.map((part) => 255 * (1 - share) + part * share), 4 * at);
    out[4 * at + 3] = 255;
  });
  return out;
}

/** Lays what speaks for the answer over the strokes: the image is a scaled copy of them. */
export function showWhy(canvas, ink, told) {
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, SIDE, SIDE);
  const { width } = told.image;
  const [from, to] = [box(bytesOf(told.image.bytes), width, 64), box(ink, SIDE, 127)];
  if (!from || !to) return;
  const scale = Math.max((to.right - to.left) / (from.right - from.left), (to.bottom - to.top) / (from.bottom - from.top));
  const middle = (a, b) => (a + b) / 2;
  const left = middle(to.left, to.right) - scale * middle(from.left, from.right);
  const top = middle(to.top, to.bottom) - scale * middle(from.top, from.bottom);
  const values = new Int8Array(bytesOf(told.map).buffer);
  values.forEach((value, at) => {
    if (Math.abs(value) < 4) return;
    const [red, green, blue] = value > 0 ? FOR : AGAINST;
    context.fillStyle = `rgba(${red}, ${green}, ${blue}, ${0.85 * Math.sqrt(Math.abs(value) / 127)})`;
    context.fillRect(left + (at % width) * scale, top + Math.floor(at / width) * scale, scale, scale);
  });
}

/** The outputs of layers: maps side by side, or units in a row. */
export function showLayers(place, layers) {
  const figures = layers.map((layer) => {
    const [channels, height, width] = layer.shape;
    const values = new Int8Array(bytesOf(layer.values).buffer);
    const shown = height * width === 1 ? 1 : Math.min(channels, MAPS);
    // Units are one map of a single row.
    const [high, wide] = height * width === 1 ? [1, channels] : [height, width];
    const gap = shown > 1 ? 1 : 0;
    const canvas = element("canvas");
    [canvas.width, canvas.height] = [shown * (wide + gap) - gap, high];
    const context = canvas.getContext("2d");
    for (let map = 0; map < shown; map++) {
      const part = colours(values.subarray(map * high * wide, (map + 1) * high * wide));
      context.putImageData(new ImageData(part, wide, high), map * (wide + gap), 0);
    }
    const zoom = high === 1 ? 8 : Math.max(1, Math.min(4, Math.floor(48 / high)));
    canvas.style.width = `${canvas.width * zoom}px`;
    if (high === 1) canvas.style.height = "16px";
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `outputs of ${layer.name}`);
    const size = height * width === 1 ? `${channels}` : `${channels}x${height}x${width}`;
    const figure = element("figure");
    const caption = element("figcaption");
    caption.append(element("strong", "", layer.name), ` ${[layer.describe, size].filter(Boolean).join(", ")}`);
    figure.append(caption, canvas);
    return figure;
  });
  place.replaceChildren(...figures);
}
