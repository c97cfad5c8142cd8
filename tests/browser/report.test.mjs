// The page of `report` in a browser that runs no scripts.

import assert from "node:assert/strict";
import path from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { DIGITS, brightness, close, folder, open, overflows, picture, program } from "./common.mjs";

after(close);

/** The page of a short run. */
function made(t) {
  const cwd = folder(t);
  program(cwd, "train", "--data", process.env.MNIST_GPU_PICTURES ?? DIGITS, "--epochs", "4", "--out", "run", "--report");
  return { cwd, address: pathToFileURL(path.join(cwd, "run/report.html")).href };
}

test("a page is whole without scripts and without a network", async (t) => {
  const { cwd, address } = made(t);
  const page = await open(t, address, { javaScriptEnabled: false });
  const { y } = await page.locator("#training").boundingBox();
  await picture(page, "report.png", { x: 0, y: y - 10, width: 1100, height: 900 });
  assert.match(await page.textContent("h1"), /Run run/);
  const sections = await page.locator("main > section > h2").allTextContents();
  for (const title of ["Results", "Training", "Confusion", "Most confident mistakes", "Calibration", "Repeat this run"]) {
    assert.ok(sections.includes(title), title);
  }
  // A number of the matrix leads to its pictures, which were not shown before.
  const link = page.locator(".matrix td.bad a").first();
  const cell = page.locator(`[id="${(await link.getAttribute("href")).slice(1)}"]`);
  assert.ok(!(await cell.isVisible()));
  await link.click();
  assert.ok(await cell.isVisible());
  assert.equal(await cell.locator("img").count(), Number(await link.textContent()));
  assert.equal(await page.locator(".cell:visible").count(), 1);
  // By keyboard, too.
  await page.locator(".matrix td.good a").first().focus();
  await page.keyboard.press("Enter");
  assert.match(await page.locator(".cell:visible h4").textContent(), /^0 read as 0/);
  assert.deepEqual(page.problems, []);

  await page.emulateMedia({ media: "print" });
  assert.ok((await page.locator(".cell:visible").count()) > 1, "on paper, all mistakes are shown");
  assert.ok(!(await page.locator("nav").isVisible()));
  assert.ok((await page.pdf()).length > 10_000);

  const second = program(cwd, "train", "--data", DIGITS, "--epochs", "2", "--lr", "0.05", "--out", "second");
  program(cwd, "report", "run", "second", "--out", "both.html");
  const both = await open(t, pathToFileURL(path.join(cwd, "both.html")).href, { javaScriptEnabled: false });
  assert.match(await both.textContent("#differences"), /lr/, second);
  const [left, right] = await both.locator("#results .panel").all();
  const [a, b] = [await left.boundingBox(), await right.boundingBox()];
  assert.ok(a.y === b.y && a.x < b.x, "two runs are side by side");
  assert.deepEqual(both.problems, []);
});

test("a page fits a phone and the dark", async (t) => {
  const { address } = made(t);
  const light = await open(t, address, { viewport: { width: 360, height: 700 }, javaScriptEnabled: true });
  assert.ok(!(await overflows(light)));
  assert.ok((await brightness(light)) > 0.9);
  const dark = await open(t, address, { colorScheme: "dark" });
  assert.ok((await brightness(dark)) < 0.2);
  assert.ok((await dark.evaluate(() => getComputedStyle(document.body).color)) !== (await light.evaluate(() => getComputedStyle(document.body).color)));
  // On paper it is light again.
  await dark.emulateMedia({ media: "print", colorScheme: "dark" });
  assert.ok((await brightness(dark)) > 0.9);
});
