// Plays plans in Chromium, on SwiftShader, for `tests/tint.rs`. Each line of the input is
// {"file": a file of plans, "jobs": [{"plan", "batches", "write": [[name, base64]], "read": [[name, start, length]]}]},
// and each line of the output a list of base64 for each job, or {"error"}. Without jobs, the shaders of the file are compiled.

import { chromium } from "playwright-core";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import readline from "node:readline";
import { ROOT } from "./common.mjs";

const player = fs.readFileSync(path.join(ROOT, "assets/web/player.js"));
const server = http.createServer((request, response) => {
  const isPlayer = request.url === "/player.js";
  response.setHeader("Content-Type", isPlayer ? "text/javascript" : "text/html");
  response.end(isPlayer ? player : "<!DOCTYPE html><title>player</title>");
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));

const browser = await chromium.launch({
  executablePath: process.env.MNIST_GPU_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-dev-shm-usage", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan"],
});
const page = await browser.newPage();
await page.goto(`http://127.0.0.1:${server.address().port}/`);

for await (const line of readline.createInterface({ input: process.stdin })) {
  const played = await page.evaluate(async (line) => {
    try {
      const { Session, decoded, encoded, openDevice } = await import("/player.js");
      const { file, jobs } = JSON.parse(line);
      globalThis.device ??= (await openDevice()).device;
      const session = new Session(globalThis.device, file);
      if (jobs.length === 0) await Promise.all(file.shaders.map((_, at) => session.pipeline(at)));
      const results = [];
      for (const { plan: name, batches, write, read } of jobs) {
        const plan = await session.plan(name);
        for (const [buffer, content] of write) session.write(plan, buffer, decoded(content));
        const parts = await session.play(plan, batches, read);
        results.push(parts.map((words) => encoded(new Uint8Array(words.buffer, words.byteOffset, words.byteLength))));
        plan.buffers.forEach((buffer) => buffer.destroy());
        session.shared.clear();
      }
      return JSON.stringify(results);
    } catch (error) {
      return JSON.stringify({ error: `${error?.message ?? error}` });
    }
  }, line);
  process.stdout.write(`${played}\n`);
}
await browser.close();
server.close();
