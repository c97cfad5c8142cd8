// The page of `mnist-gpu serve`: joins the drawing, the answers, teaching and the runs with the server.

import { Pad, SIDE, addSegment } from "./canvas.js";
import { element, percent, showBars, showImage, showLayers, showWhy } from "./answer.js";
import { drawChart } from "./chart.js";

const at = (id) => document.getElementById(id);

// How often the list of runs is asked for, in milliseconds.
const RUNS = 3000;
// Points of a curve that are drawn.
const CURVE = 400;

/** Shows what is wrong with a kind of work, or that nothing is any more. */
const problems = new Map();
function problem(work, text) {
  problems.delete(work);
  if (text) problems.set(work, text);
  at("problem").hidden = problems.size === 0;
  at("problem").textContent = [...problems.values()].join(" ");
}

/** Asks the server. An error of the server has a text for the user. */
async function ask(path, body, kind = "application/octet-stream") {
  const options = body === undefined ? {} : { method: "POST", body, headers: { "Content-Type": kind } };
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("mnist-gpu does not answer; start `mnist-gpu serve` again and open its new address");
  }
  const told = await response.json();
  if (!response.ok) throw new Error(told.error);
  return told;
}

// Answers

let asking = false;
let asked = null;
let told = null;
let file = null;

/** Asks for an answer to what is drawn now. While one is under way, only the newest drawing waits. */
async function look() {
  asked = file ? { path: "/picture", body: file } : { path: `/look?width=${SIDE}`, body: pad.ink.slice() };
  if (asking) return;
  asking = true;
  at("answer").ariaBusy = "true";
  while (asked) {
    const { path, body } = asked;
    asked = null;
    const began = performance.now();
    try {
      const answer = await ask(path, body);
      if (answer.newer) {
        // Another page has drawn meanwhile.
        asked ??= { path, body };
        continue;
      }
      told = answer;
      problem("look");
      show(performance.now() - began);
    } catch (error) {
      problem("look", error.message);
    }
  }
  asking = false;
  at("answer").ariaBusy = "false";
}

function show(milliseconds) {
  const { ink, note, classes } = told;
  const best = classes.find((one) => one.class === told.class);
  at("answer").textContent = ink ? `${best.class}, ${percent(best.probability)}` : "Empty: draw something.";
  at("note").textContent = ink && note ? `Note: ${note}.` : "";
  at("time").textContent = `answered in ${milliseconds.toFixed(0)} ms, ${told.milliseconds.toFixed(0)} of them on the device`;
  showBars(at("bars"), ink ? classes : classes.map((one) => ({ ...one, probability: 0 })));
  showImage(at("image"), told.image);
  showLayers(at("maps"), told.layers);
  showReasons();
  if (ink && !at("class").value) at("class").placeholder = best.class;
}

function showReasons() {
  const isShown = at("show-why").checked && told && told.ink && !file;
  const context = at("why").getContext("2d");
  if (isShown) showWhy(at("why"), pad.ink, told);
  else context.clearRect(0, 0, SIDE, SIDE);
}

const pad = new Pad(at("ink"), () => {
  if (file) showFile(null);
  look();
});
at("undo").addEventListener("click", () => pad.undo());
at("clear").addEventListener("click", () => {
  showFile(null);
  pad.clear();
});
at("show-why").addEventListener("change", showReasons);
document.addEventListener("keydown", (event) => {
  if (event.target.closest("input:not([type=checkbox])")) return;
  if ((event.ctrlKey || event.metaKey) && event.key === "z") pad.undo();
  if (event.key === "Escape") at("clear").click();
});

/** Shows a picture file in place of the drawing. */
function showFile(picture) {
  file = picture;
  const image = at("shown");
  if (image.src) URL.revokeObjectURL(image.src);
  image.hidden = !picture;
  if (picture) image.src = URL.createObjectURL(picture);
  else image.removeAttribute("src");
  at("keep").disabled = Boolean(picture);
}

function open(picture) {
  if (!picture) return;
  pad.clear();
  showFile(picture);
  look();
}

at("shown").addEventListener("pointerdown", () => at("clear").click());
at("file").addEventListener("change", (event) => {
  open(event.target.files[0]);
  event.target.value = "";
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  at("pad").classList.add("over");
});
document.addEventListener("dragleave", () => at("pad").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  at("pad").classList.remove("over");
  open(event.dataTransfer.files[0]);
});
document.addEventListener("paste", (event) => open([...event.clipboardData.files][0]));

// Teaching

let losses = [];

function showState(state) {
  const drawn = state.drawings.classes;
  at("about").textContent = `${state.model}, ${state.classes.length} classes, ${state.parameters} parameters, on ${state.adapter.name}`;
  const names = [...new Set([...state.classes, ...drawn.map((one) => one.class)])];
  at("classes").replaceChildren(...names.map((name) => Object.assign(element("option"), { value: name })));
  const few = names.length <= 40 ? names : [];
  at("choices").replaceChildren(
    ...few.map((name) => {
      const button = Object.assign(element("button", "", name), { type: "button" });
      button.addEventListener("click", () => keep(name));
      return button;
    }),
  );
  const counts = drawn.map((one) => `${one.class}: ${one.drawings}`).join(", ");
  at("kept").textContent = counts ? `Kept in ${state.drawings.folder}: ${counts}` : `Drawings will be kept in ${state.drawings.folder}.`;
  at("take-back").disabled = state.can_take_back === 0;
  at("unteach").disabled = state.can_unteach === 0;
  at("teach-now").disabled = drawn.length === 0;
  if (state.taught) showTaught(state.taught);
  if (state.saved) at("taught").replaceChildren(element("p", "", `Saved as ${state.saved}.`));
}

const accuracy = (share) => `${(100 * share).toFixed(2)} %`;

function showTaught({ drawings, old, seconds }) {
  const lines = [
    `Your drawings: ${drawings.before} of ${drawings.of} right before, ${drawings.after} after.`,
    old.name
      ? `${old.name}, ${old.instead ? "in place of the set that it has learned from" : "which it has learned before"}: ${accuracy(old.before)} right before, ${accuracy(old.after)} after.`
      : `What it forgets cannot be measured: ${old.missing}. Start with --keep-testing SET, the set that it has learned from.`,
    `It took ${seconds.toFixed(1)} s.`,
  ];
  at("taught").replaceChildren(...lines.map((line) => element("p", "", line)));
}

/** Does something that changes the state, and shows it. */
async function change(path, body = "") {
  try {
    showState(await ask(path, body));
    problem("change");
    return true;
  } catch (error) {
    problem("change", error.message);
    return false;
  }
}

async function keep(name) {
  if (file) return problem("change", "A picture that was opened is not a drawing; put the file into a folder of its class.");
  if (pad.isEmpty) return problem("change", "Draw something first.");
  const strokes = [...pad.strokes];
  const isKept = await change(`/keep?width=${SIDE}&class=${encodeURIComponent(name)}`, pad.ink.slice());
  // Another drawing may have been begun meanwhile.
  if (isKept && strokes.length === pad.strokes.length && strokes.every((stroke, at) => stroke === pad.strokes[at])) pad.clear();
}

at("keep-form").addEventListener("submit", (event) => {
  event.preventDefault();
  keep(at("class").value);
});
at("take-back").addEventListener("click", () => change("/take-back"));
at("unteach").addEventListener("click", async () => {
  if (await change("/unteach")) {
    at("taught").replaceChildren(element("p", "", "The model is as it was before."));
    look();
  }
});
at("save").addEventListener("click", () => change("/save"));
at("halt").addEventListener("click", () => ask("/halt", "").catch((error) => problem("change", error.message)));
at("teach-now").addEventListener("click", async () => {
  at("taught").replaceChildren(element("p", "", "Teaching…"));
  at("teach-now").disabled = true;
  const isTaught = await change("/teach");
  at("teach-now").disabled = false;
  if (isTaught) look();
  else at("taught").replaceChildren();
});

let isTeaching = false;

async function happened(event) {
  if (event.event === "teaching") [losses, isTeaching] = [[], true];
  if (event.event === "idle") isTeaching = false;
  at("halt").hidden = !isTeaching;
  if (event.event === "epoch") {
    losses.push([event.epoch, event.loss]);
    at("teaching-curve").hidden = false;
    drawChart(at("teaching-curve"), "Loss of teaching", "epoch", [{ name: "", colour: 0, points: losses }], { isLog: true, last: event.of });
  }
  if (event.event === "model") {
    showState(await ask("/state"));
    look();
  }
}

// Runs

let watched = null;
let stream = null;
let run = null;
let isDirty = false;

/** Listens to what happens and, if one is watched, to a run. A page has one stream, and none while nobody sees it. */
function listen() {
  stream?.close();
  stream = null;
  if (document.hidden) return;
  stream = new EventSource(watched === null ? "/events" : `/events?run=${encodeURIComponent(watched)}`);
  // A stream that is opened again tells everything of a run again.
  stream.addEventListener("open", () => (run = { steps: [], train: [], validation: [], accuracy: [], batches: 0, epochs: 1, batch: 1, told: "" }));
  stream.addEventListener("message", (message) => happened(JSON.parse(message.data)));
  stream.addEventListener("run", (message) => tellRun(JSON.parse(message.data)));
}

document.addEventListener("visibilitychange", listen);
listen();

function watch(name) {
  watched = name;
  at("run").hidden = false;
  at("run-name").textContent = name;
  listen();
}

function tellRun(event) {
  if (event.event === "start") {
    [run.epochs, run.batch] = [event.config.epochs, event.config.batch];
    run.told = `${event.command}, ${event.config.epochs} epochs, on ${event.adapter.name}`;
  } else if (event.event === "step") {
    run.steps.push([event.step, event.loss]);
  } else if (event.event === "epoch") {
    run.batches ||= Math.ceil(Math.round(event.images_per_second * event.seconds) / run.batch);
    run.train.push([event.epoch, event.train_loss]);
    if (event.validation_loss !== null) run.validation.push([event.epoch, event.validation_loss]);
    if (event.validation_accuracy !== null) run.accuracy.push([event.epoch, event.validation_accuracy]);
  } else if (event.event === "end") {
    run.told += `; test accuracy ${accuracy(event.accuracy)}`;
  } else if (event.event === "stopped") {
    run.told += `; stopped: ${event.reason}`;
  }
  if (isDirty) return;
  isDirty = true;
  requestAnimationFrame(() => {
    isDirty = false;
    showRun(run);
  });
}

function showRun(run) {
  at("run-told").textContent = run.told;
  // Before the first epoch has ended, its number of steps is not known.
  const bunch = Math.max(1, Math.ceil(run.steps.length / CURVE));
  const steps = run.steps.filter((_, index) => index % bunch === 0);
  const scaled = run.batches > 0 ? steps.map(([step, loss]) => [step / run.batches, loss]) : [];
  const lines = [
    { name: "single batches", colour: 2, points: scaled },
    { name: "training", colour: 0, points: run.train },
    { name: "validation", colour: 1, points: run.validation },
  ];
  if (run.batches > 0 || run.train.length > 0) {
    drawChart(at("run-loss"), "Loss", "epoch", lines, { isLog: true, last: run.epochs });
  } else {
    drawChart(at("run-loss"), "Loss", "step", [{ name: "single batches", colour: 2, points: steps }], { isLog: true });
  }
  const reached = [{ name: "validation", colour: 1, points: run.accuracy }];
  drawChart(at("run-accuracy"), "Accuracy", "epoch", reached, { shown: percent, last: run.epochs });
}

async function showRuns() {
  let runs;
  try {
    runs = await ask("/runs");
  } catch {
    return;
  }
  const head = element("tr");
  for (const title of ["run", "state", "epoch", "accuracy", ""]) head.append(element("th", "", title));
  const rows = runs.map((run) => {
    const row = element("tr");
    const reached = run.accuracy ?? run.validation_accuracy;
    const of = run.epochs ? `${run.epoch ?? 0} of ${run.epochs}` : "";
    const cells = [run.name, run.state, of, reached == null ? "" : accuracy(reached)];
    row.append(...cells.map((cell) => element("td", "", cell)));
    const button = Object.assign(element("button", "", "Show"), { type: "button" });
    button.setAttribute("aria-label", `Show ${run.name}`);
    button.addEventListener("click", () => watch(run.name));
    const cell = element("td");
    cell.append(button);
    row.append(cell);
    return row;
  });
  // The focus survives the refreshing of the list.
  const list = at("run-list");
  const focused = list.contains(document.activeElement) ? document.activeElement.ariaLabel : null;
  list.replaceChildren(...(rows.length > 0 ? [head, ...rows] : []));
  if (focused) [...list.querySelectorAll("button")].find((button) => button.ariaLabel === focused)?.focus();
  at("runs").hidden = rows.length === 0;
  const live = runs.find((run) => run.state === "running");
  if (live && watched === null) watch(live.name);
}

// Self-test

/** Draws a bar without a pointer and follows it through the server: its answer, its image and every layer. */
async function selftest() {
  const bar = new Uint8Array(SIDE * SIDE);
  const [from, to] = [60, 220].map((y) => ({ x: SIDE / 2, y, radius: 10 }));
  addSegment(bar, SIDE, from, to);
  const area = bar.reduce((sum, ink) => sum + ink, 0) / 255;
  const expected = 20 * 160 + Math.PI * 100;
  if (Math.abs(area - expected) > 0.01 * expected) throw new Error(`a bar of ${expected} pixels has the area ${area}`);
  const [state, answer] = [await ask("/state"), await ask(`/look?width=${SIDE}`, bar)];
  const sum = answer.classes.reduce((sum, one) => sum + one.probability, 0);
  if (!answer.ink || !(Math.abs(sum - 1) < 1e-6)) throw new Error(`the probabilities add up to ${sum}`);
  if (answer.classes.length !== state.classes.length) throw new Error("a class has no probability");
  for (const { name, shape, values } of answer.layers) {
    const wanted = shape.reduce((product, side) => product * side, 1);
    if (atob(values).length !== wanted) throw new Error(`${name} has not ${wanted} outputs`);
  }
  if (!(await ask(`/look?width=${SIDE}`, new Uint8Array(SIDE * SIDE))).ink) return;
  throw new Error("an empty drawing is not empty");
}

if (location.hash === "#selftest") {
  const { dataset } = document.documentElement;
  selftest().then(
    () => (dataset.selftest = "passed"),
    (error) => (dataset.selftest = `failed: ${error.message}`),
  );
}

ask("/state").then(showState, (error) => problem("state", error.message));
showRuns();
setInterval(showRuns, RUNS);
