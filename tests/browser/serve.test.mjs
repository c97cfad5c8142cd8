// The page to draw on: pointers, pictures, teaching, runs.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { DIGITS, ROOT, brightness, close, folder, open, overflows, picture, program, serve } from "./common.mjs";

after(close);

/** Draws strokes, whose points are shares of the canvas, with a mouse. */
async function draw(page, ...strokes) {
  await page.locator("#ink").scrollIntoViewIfNeeded();
  const frame = await page.locator("#ink").boundingBox();
  const place = ([x, y]) => [frame.x + x * frame.width, frame.y + y * frame.height];
  for (const [first, ...rest] of strokes) {
    await page.mouse.move(...place(first));
    await page.mouse.down();
    for (const point of rest) await page.mouse.move(...place(point), { steps: 6 });
    await page.mouse.up();
  }
}

/** Draws, and waits for the answer to the whole drawing. */
async function answer(page, ...strokes) {
  await draw(page, ...strokes);
  await page.waitForSelector('#answer[aria-busy="false"]');
  return page.textContent("#answer");
}

const ONE = [[0.52, 0.2], [0.48, 0.8]];
const SEVEN = [[0.3, 0.25], [0.7, 0.25], [0.45, 0.8]];
const ink = (page) => page.evaluate(async () => {
  const canvas = document.getElementById("ink");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return Array.from({ length: data.length / 4 }, (_, at) => 255 - data[4 * at]);
});
const area = (values) => values.reduce((sum, value) => sum + value, 0) / 255;

test("a drawing is answered, shown and explained", async (t) => {
  const cwd = folder(t);
  const { child, address } = await serve(t, cwd, "pretrained");
  const page = await open(t, address);
  assert.ok(!page.url().includes("token"), "the token is not left in the address");
  assert.match(await answer(page, SEVEN), /^7, /);
  assert.equal(await page.locator("#bars li").count(), 10);
  assert.equal(await page.locator("#bars .first .name").textContent(), "7");
  assert.equal(await page.locator("#maps canvas").count(), 9);
  const coloured = (id) => page.evaluate((id) => {
    const canvas = document.getElementById(id);
    return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.filter((_, at) => at % 4 === 3).filter((a) => a > 0).length;
  }, id);
  assert.ok((await coloured("why")) > 1000, "what speaks for the answer lies over the strokes");
  await picture(page, "serve.png", { x: 0, y: 0, width: 1100, height: 760 });
  await page.uncheck("#show-why");
  assert.equal(await coloured("why"), 0);
  // A second character, and one that is none.
  await page.keyboard.press("Escape");
  await answer(page, [[0.2, 0.3], [0.2, 0.8]], [[0.8, 0.3], [0.8, 0.8]]);
  assert.match(await page.textContent("#note"), /2 characters/);
  await page.click("#undo");
  assert.match(await answer(page), /^1, /);
  await page.click("#clear");
  assert.match(await answer(page), /^Empty/);
  // What is cleared while it is drawn stays cleared.
  const frame = await page.locator("#ink").boundingBox();
  await page.mouse.move(frame.x + 50, frame.y + 50);
  await page.mouse.down();
  await page.mouse.move(frame.x + 90, frame.y + 90);
  await page.keyboard.press("Escape");
  await page.mouse.move(frame.x + 150, frame.y + 90);
  await page.mouse.up();
  assert.match(await answer(page), /^Empty/);
  // Without its server it says so.
  assert.deepEqual(page.problems, []);
  child.kill("SIGKILL");
  await draw(page, ONE);
  await page.waitForSelector("#problem:visible");
  assert.match(await page.textContent("#problem"), /does not answer/);
});

test("the page tests itself", async (t) => {
  const { address } = await serve(t, folder(t), "pretrained");
  const page = await open(t, `${address}#selftest`);
  await page.waitForFunction(() => document.documentElement.dataset.selftest !== "");
  assert.equal(await page.evaluate(() => document.documentElement.dataset.selftest), "passed");
  assert.deepEqual(page.problems, []);
});

test("mouse, finger and pen draw the same strokes at every resolution", async (t) => {
  const { address } = await serve(t, folder(t), "pretrained");
  const [one, fine] = [await open(t, address), await open(t, address, { deviceScaleFactor: 3 })];
  await Promise.all([one, fine].map((page) => draw(page, SEVEN)));
  const drawn = await ink(one);
  assert.deepEqual(await ink(fine), drawn);
  // A stroke of a mouse is 20 pixels wide.
  const row = drawn.slice(280 * 69 + 84, 280 * 69 + 196);
  assert.ok(row.every((value) => value === 255) && drawn[280 * 50 + 140] === 0 && drawn[280 * 90 + 140] === 0);

  const phone = await open(t, address, { hasTouch: true, isMobile: true, viewport: { width: 360, height: 700 } });
  const frame = await phone.locator("#ink").boundingBox();
  const touch = await phone.context().newCDPSession(phone);
  const at = ([x, y]) => [{ x: frame.x + x * frame.width, y: frame.y + y * frame.height }];
  await touch.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: at([0.5, 0.2]) });
  for (let y = 0.25; y < 0.8; y += 0.05) await touch.send("Input.dispatchTouchEvent", { type: "touchMove", touchPoints: at([0.5, y]) });
  await touch.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
  assert.match(await answer(phone), /^1, /);
  assert.equal(await phone.evaluate(() => scrollY), 0, "a stroke does not scroll");
  assert.ok(!(await overflows(phone)));

  // A pen that is pressed harder leaves more ink.
  const pressed = async (pressure) => {
    await one.click("#clear");
    await one.evaluate((pressure) => {
      const canvas = document.getElementById("ink");
      canvas.setPointerCapture = () => {};
      const { left, top, width } = canvas.getBoundingClientRect();
      const event = (kind, y) => new PointerEvent(kind, { pointerId: 7, pointerType: "pen", pressure, clientX: left + width / 2, clientY: top + y * width, bubbles: true });
      canvas.dispatchEvent(event("pointerdown", 0.3));
      for (let y = 0.3; y < 0.7; y += 0.05) canvas.dispatchEvent(event("pointermove", y));
      canvas.dispatchEvent(event("pointerup", 0.7));
    }, pressure);
    return area(await ink(one));
  };
  const [light, hard] = [await pressed(0.1), await pressed(0.9)];
  assert.ok(hard > 1.5 * light, `${light} ${hard}`);
  assert.deepEqual([...one.problems, ...fine.problems, ...phone.problems], []);
});

test("a picture can be opened in place of a drawing", async (t) => {
  const { address } = await serve(t, folder(t), "pretrained");
  const page = await open(t, address);
  await page.setInputFiles("#file", path.join(ROOT, "assets/handwriting.png"));
  assert.doesNotMatch(await answer(page), /^Draw/);
  assert.ok(await page.locator("#shown").isVisible());
  assert.ok(await page.locator("#keep").isDisabled());
  await page.locator("#shown").click();
  assert.match(await answer(page, ONE), /^1, /);
  // Dropped and pasted, too.
  const bytes = [...fs.readFileSync(path.join(ROOT, "assets/handwriting.png"))];
  for (const kind of ["drop", "paste"]) {
    await page.evaluate(([kind, bytes]) => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(bytes)], "x.png", { type: "image/png" }));
      const event = kind === "drop" ? new DragEvent("drop", { dataTransfer: data, bubbles: true }) : new ClipboardEvent("paste", { clipboardData: data, bubbles: true });
      document.body.dispatchEvent(event);
    }, [kind, bytes]);
    await page.waitForSelector('#answer[aria-busy="false"]');
    assert.ok(await page.locator("#shown").isVisible(), kind);
    await page.click("#clear");
    assert.ok(!(await page.locator("#shown").isVisible()));
  }
  // What is no picture is told in words, and the page goes on.
  await page.setInputFiles("#file", { name: "x.png", mimeType: "image/png", buffer: Buffer.from("no picture") });
  await page.waitForSelector("#problem:visible");
  assert.match(await page.textContent("#problem"), /not a PNG/);
  await page.click("#clear");
  assert.match(await answer(page, ONE), /^1, /);
  assert.ok(!(await page.locator("#problem").isVisible()));
});

test("a new class is kept, taught, undone and saved", async (t) => {
  const cwd = folder(t);
  program(cwd, "train", "--data", DIGITS, "--epochs", "20", "--lr", "0.05", "--out", "run");
  const { address } = await serve(t, cwd, "run", "--drawings", "mine");
  const page = await open(t, address);
  assert.ok(await page.locator("#teach-now").isDisabled());
  const triangle = (at) => [[0.5 + at, 0.2], [0.8, 0.8 - at], [0.2, 0.8], [0.5 + at, 0.2]];
  for (const [count, shift] of [0, 0.03, -0.03, 0.06, -0.06, 0.09].entries()) {
    await draw(page, triangle(shift));
    await page.fill("#class", "<b>Δ"); // A name that is no name of a folder everywhere.
    await page.keyboard.press("Enter");
    await page.waitForSelector("#problem:visible");
    await page.fill("#class", "Δ");
    await page.keyboard.press("Enter");
    await page.waitForFunction((n) => document.getElementById("kept").textContent.endsWith(`Δ: ${n}`), count + 1);
  }
  assert.equal(fs.readdirSync(path.join(cwd, "mine/Δ")).length, 6);
  await page.click("#teach-now");
  await page.waitForFunction(() => document.getElementById("taught").textContent.includes("It took"));
  const taught = await page.textContent("#taught");
  assert.match(taught, /0 of 6 right before, 6 after/);
  assert.match(taught, /digits, which it has learned before: [\d.]+ % right before, [\d.]+ % after/);
  assert.equal(await page.locator("#teaching-curve path").count(), 1);
  assert.match(await answer(page, triangle(0.015)), /^Δ, /);
  await page.click("#save");
  await page.waitForFunction(() => document.getElementById("taught").textContent.includes("Saved"));
  assert.ok(fs.existsSync(path.join(cwd, "taught.safetensors")));
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#export")]);
  assert.equal(download.suggestedFilename(), "drawings.zip");
  await page.click("#unteach");
  await page.waitForFunction(() => document.getElementById("about").textContent.includes("10 classes"));
  await page.click("#take-back");
  await page.waitForFunction(() => document.getElementById("kept").textContent.endsWith("Δ: 5"));
  assert.deepEqual(page.problems.filter((problem) => !problem.includes("422")), []);
});

test("a run is shown while it goes on, in the dark and on a phone", async (t) => {
  const cwd = folder(t);
  const log = path.join(cwd, "runs/now/events.jsonl");
  fs.mkdirSync(path.dirname(log), { recursive: true });
  const write = (event) => fs.appendFileSync(log, `${JSON.stringify(event)}\n`);
  write({ event: "start", command: "train", adapter: { name: "x" }, config: { epochs: 3, batch: 10 }, step: 0 });
  const { address } = await serve(t, cwd, "runs/now");
  const page = await open(t, address, { colorScheme: "dark", viewport: { width: 360, height: 700 } });
  // Nobody holds its lock, so it is not watched by itself.
  await page.locator("#run-list").getByRole("button", { name: "Show now" }).click();
  await page.waitForFunction(() => document.getElementById("run-told").textContent.includes("3 epochs"));
  for (let step = 10; step <= 60; step += 10) write({ event: "step", step, loss: 2 / step });
  await page.waitForSelector("#run-loss path");
  write({ event: "epoch", epoch: 1, train_loss: 0.5, validation_loss: 0.4, validation_accuracy: 0.8, seconds: 2, images_per_second: 300 });
  write({ event: "epoch", epoch: 2, train_loss: 0.3, validation_loss: 0.3, validation_accuracy: 0.9 });
  await page.waitForSelector("#run-accuracy path");
  write({ event: "end", accuracy: 0.91 });
  await page.waitForFunction(() => document.getElementById("run-told").textContent.includes("91.00 %"));
  assert.ok((await brightness(page)) < 0.2 && !(await overflows(page)));
  assert.deepEqual(page.problems, []);
});
