// What the tests of pages share: a browser, a folder of their own, the program.

import { chromium } from "playwright-core";
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
export const DIGITS = path.join(ROOT, "assets/digits");
const PROGRAM = process.env.MNIST_GPU_PROGRAM ?? path.join(ROOT, "target/release/mnist-gpu");
const CHROMIUM = process.env.MNIST_GPU_CHROMIUM ?? "/usr/bin/chromium";

/** A folder that is removed at the end of a test. */
export function folder(t) {
  const made = fs.mkdtempSync(path.join(os.tmpdir(), "mnist-gpu-"));
  t.after(() => fs.rmSync(made, { recursive: true, force: true }));
  return made;
}

/** Runs the program to its end. */
export function program(cwd, ...args) {
  const env = { ...process.env, MNIST_GPU_CACHE: path.join(cwd, "cache") };
  const ended = spawnSync(PROGRAM, args, { cwd, env, encoding: "utf8" });
  if (ended.status !== 0) throw new Error(`${args.join(" ")}: ${ended.stderr}`);
  return ended.stdout;
}

/** Starts `serve` and waits for its address. */
export async function serve(t, cwd, ...args) {
  const env = { ...process.env, MNIST_GPU_CACHE: path.join(cwd, "cache") };
  const child = spawn(PROGRAM, ["serve", "--no-open", "--offline", ...args], { cwd, env });
  t.after(() => child.kill("SIGKILL"));
  const address = await new Promise((found, failed) => {
    let [out, err] = ["", ""];
    child.stderr.on("data", (data) => (err += data));
    child.stdout.on("data", (data) => {
      out += data;
      if (out.includes("\n")) found(out.trim());
    });
    child.on("exit", () => failed(new Error(err)));
  });
  return { child, address };
}

let browser = null;

/** A page in a browser. Whatever it reports or asks elsewhere fails the test. */
export async function open(t, address, options = {}) {
  browser ??= await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  const context = await browser.newContext({ viewport: { width: 1100, height: 1000 }, ...options });
  t.after(() => context.close());
  const page = await context.newPage();
  page.problems = [];
  page.on("pageerror", (error) => page.problems.push(`${error}`));
  page.on("console", (message) => {
    // These tests themselves read canvases back.
    const isOurs = message.text().includes("willReadFrequently");
    if (["error", "warning"].includes(message.type()) && !isOurs) page.problems.push(message.text());
  });
  const { origin, protocol } = new URL(address);
  page.on("request", (request) => {
    const url = request.url();
    const isOwn = url.startsWith("data:") || url.startsWith("blob:") || (protocol === "file:" ? url === address : url.startsWith(`${origin}/`));
    if (!isOwn) page.problems.push(`asks for ${url}`);
  });
  await page.goto(address);
  return page;
}

export const close = () => browser?.close();

/** Whether anything of a page reaches beyond its right side. */
export const overflows = (page) => page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);

/** Brightness of the page's background, from 0 to 1. */
export const brightness = (page) =>
  page.evaluate(() => {
    const parts = getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g).slice(0, 3);
    return parts.reduce((sum, part) => sum + Number(part), 0) / 765;
  });

/** Writes a picture for the README, if it is asked for. */
export async function picture(page, name, clip) {
  if (process.env.MNIST_GPU_PICTURES) await page.screenshot({ path: path.join(ROOT, "assets", name), clip, scale: "css", fullPage: true });
}
