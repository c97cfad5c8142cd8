// Line charts that grow.

const WIDTH = 400;
const HEIGHT = 220;
const [TOP, RIGHT, BOTTOM, LEFT] = [12, 12, 38, 56];

function svg(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Round numbers between two ends. */
function ticks(low, high, isLog) {
  if (isLog) {
    const all = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
      for (const factor of high / low > 200 ? [1] : [1, 2, 5]) all.push(factor * 10 ** power);
    }
    return all.filter((tick) => tick >= low && tick <= high);
  }
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough * 0.999);
  const all = [];
  for (let tick = Math.ceil(low / step - 1e-9); tick * step <= high + step * 1e-9; tick++) all.push(tick * step);
  return all;
}

/**
 * Draws lines into a figure. `lines` are `{name, colour, points: [[x, y], ...]}`; `shown` formats a value.
 */
export function drawChart(figure, title, xTitle, lines, { isLog = false, shown = (value) => `${+value.toPrecision(3)}`, last = 1 } = {}) {
  const points = lines.flatMap((line) => line.points).filter(([, y]) => !isLog || y > 0);
  if (points.length === 0) return figure.replaceChildren();
  let [low, high] = [Math.min(...points.map(([, y]) => y)), Math.max(...points.map(([, y]) => y))];
  if (low === high) [low, high] = [low * 0.95, high * 1.05 + 1e-9];
  if (isLog) [low, high] = [low / 1.1, high * 1.1];
  const end = Math.max(last, ...points.map(([x]) => x));
  const scale = isLog ? Math.log : (value) => value;
  const across = (x) => LEFT + (x / end) * (WIDTH - LEFT - RIGHT);
  const up = (y) => {
    const share = (scale(Math.max(y, isLog ? low : y)) - scale(low)) / (scale(high) - scale(low));
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);
  };
  const drawn = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title });
  for (const tick of ticks(low, high, isLog)) {
    drawn.append(svg("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: up(tick), y2: up(tick) }));
    drawn.append(svg("text", { x: LEFT - 6, y: up(tick) + 4, "text-anchor": "end" }, shown(tick)));
  }
  for (const tick of ticks(0, end, false)) {
    drawn.append(svg("text", { x: across(tick), y: HEIGHT - BOTTOM + 16, "text-anchor": "middle" }, `${+tick.toPrecision(6)}`));
  }
  drawn.append(svg("text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 4, "text-anchor": "middle" }, xTitle));
  for (const line of lines.filter((line) => line.points.length > 0)) {
    const path = line.points.map(([x, y], at) => `${at === 0 ? "M" : "L"}${across(x).toFixed(1)} ${up(y).toFixed(1)}`);
    drawn.append(svg("path", { class: `c${line.colour}`, d: path.join("") }));
  }
  const caption = document.createElement("figcaption");
  const strong = document.createElement("strong");
  strong.textContent = title;
  caption.append(strong, ` ${lines.filter((line) => line.points.length > 0).map((line) => line.name).join(", ")}`);
  figure.replaceChildren(drawn, caption);
}
