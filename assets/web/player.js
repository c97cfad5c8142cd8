// Plays plans of mnist-gpu on WebGPU. It knows buffers, shaders and dispatches; what they compute is in the plan, whose format
// `src/portable.rs` describes.

const FORMAT = "mnist-gpu plan";
const VERSION = 1;
const KINDS = { u: "uniform", r: "read-only-storage", w: "storage" };

/** Why nothing can be played here, in words for the user. */
export class Missing extends Error {}

/** Bytes of base64. */
export const decoded = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

/** Base64 of bytes. */
export function encoded(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}

/** A device of this browser. */
export async function openDevice() {
  if (!globalThis.isSecureContext) {
    throw new Missing("WebGPU needs a secure page: https, http://127.0.0.1, http://localhost, or a file of this computer.");
  }
  if (!globalThis.navigator?.gpu) throw new Missing("This browser has no WebGPU; use a current Chrome, Edge, Safari or Firefox.");
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) {
    throw new Missing("This browser has WebGPU, but offers no GPU. If a page or the driver has crashed, start the browser again.");
  }
  try {
    return { adapter, device: await adapter.requestDevice() };
  } catch (error) {
    throw new Missing(`The GPU cannot be used: ${error.message}`);
  }
}

/** A device with the shaders of a file and the buffers that its plans share. */
export class Session {
  constructor(device, file) {
    if (file.format !== FORMAT || file.version !== VERSION) {
      throw new Error(`this page plays version ${VERSION} of a plan, not ${file.format} ${file.version}`);
    }
    Object.assign(this, { device, file, shared: new Map(), pipelines: new Map(), staging: [] });
    device.lost.then((info) => (this.lost = info));
    device.addEventListener("uncapturederror", (event) => (this.failure ??= event.error));
  }

  /** A buffer; its size is at least that of the smallest binding. */
  buffer(label, length) {
    const { STORAGE, UNIFORM, COPY_SRC, COPY_DST } = GPUBufferUsage;
    return this.device.createBuffer({ label, size: 4 * Math.max(length, 4), usage: STORAGE | UNIFORM | COPY_SRC | COPY_DST });
  }

  /** The pipeline of a shader. Layouts are explicit, since a derived one drops bindings that a shader does not use. */
  pipeline(at) {
    if (!this.pipelines.has(at)) {
      const { kernel: label, bindings, wgsl: code } = this.file.shaders[at];
      const entry = (kind, binding) => ({ binding, visibility: GPUShaderStage.COMPUTE, buffer: { type: KINDS[kind] } });
      const group = this.device.createBindGroupLayout({ label, entries: [...bindings].map(entry) });
      const layout = this.device.createPipelineLayout({ bindGroupLayouts: [group] });
      const module = this.device.createShaderModule({ label, code });
      const made = this.device.createComputePipelineAsync({ label, layout, compute: { module } });
      const told = async (error) => {
        // The compiler's own words say more than the error of the pipeline.
        const { messages } = await module.getCompilationInfo();
        const lines = messages.map(({ lineNum, linePos, message }) => `line ${lineNum}, column ${linePos}: ${message}`);
        throw new Error([`${label}: ${error.message}`, ...lines].join("\n"));
      };
      this.pipelines.set(at, made.then((pipeline) => ({ pipeline, group }), told));
    }
    return this.pipelines.get(at);
  }

  /** A plan with its buffers. Those with a role of images, labels, parameters or state are shared by plans. */
  async plan(name) {
    const plan = this.file.plans[name];
    const pipelines = await Promise.all(plan.dispatches.map(({ shader }) => this.pipeline(shader)));
    const isShared = (role) => ["images", "labels", "parameters", "state"].includes(role);
    const buffers = plan.buffers.map(({ name, length, content, role }) => {
      if (isShared(role) && this.shared.has(name)) return this.shared.get(name);
      const buffer = this.buffer(name, length);
      if (content !== undefined) this.device.queue.writeBuffer(buffer, 0, decoded(content));
      if (isShared(role)) this.shared.set(name, buffer);
      return buffer;
    });
    const dispatches = plan.dispatches.map(({ label, workgroups, bindings }, at) => {
      const entry = ([buffer, start, length], binding) => ({
        binding,
        resource: { buffer: buffers[buffer], offset: 4 * start, size: 4 * length },
      });
      const group = this.device.createBindGroup({ label, layout: pipelines[at].group, entries: bindings.map(entry) });
      return { pipeline: pipelines[at].pipeline, group, workgroups };
    });
    return { batch: plan.batch, dispatches, buffers: new Map(plan.buffers.map(({ name }, at) => [name, buffers[at]])) };
  }

  /** Writes words into a buffer of a plan. */
  write(plan, name, words) {
    this.device.queue.writeBuffer(plan.buffers.get(name), 0, words);
  }

  /** Encodes some batches. */
  encode(encoder, plan, batches = 1) {
    const pass = encoder.beginComputePass();
    for (let batch = 0; batch < batches; batch++) {
      for (const { pipeline, group, workgroups } of plan.dispatches) {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(...workgroups);
      }
    }
    pass.end();
  }

  /**
   * Submits what is encoded, and returns parts of buffers, `[name, start, length]`, as words once the device is done. There must
   * be a part that the submission writes: mapping waits for nothing else.
   */
  async submit(encoder, plan, parts) {
    const size = parts.reduce((sum, [, , length]) => sum + 4 * length, 0);
    const at = this.staging.findIndex((buffer) => buffer.size >= size);
    const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ;
    const staging = at >= 0 ? this.staging.splice(at, 1)[0] : this.device.createBuffer({ size: Math.max(size, 4096), usage });
    let offset = 0;
    for (const [name, start, length] of parts) {
      encoder.copyBufferToBuffer(plan.buffers.get(name), 4 * start, staging, offset, 4 * length);
      offset += 4 * length;
    }
    this.device.queue.submit([encoder.finish()]);
    try {
      await staging.mapAsync(GPUMapMode.READ, 0, size);
    } catch (error) {
      // A lost device tells itself a moment later.
      const info = this.lost ?? (await Promise.race([this.device.lost, new Promise((done) => setTimeout(done, 1000))]));
      throw info ? new Error(`the device was lost (${info.reason}): ${info.message}`) : error;
    }
    const copy = staging.getMappedRange(0, size).slice(0);
    staging.unmap();
    this.staging.push(staging);
    if (this.failure) throw this.failure;
    let first = 0;
    return parts.map(([, , length]) => {
      first += 4 * length;
      return new Uint32Array(copy, first - 4 * length, length);
    });
  }

  /** Plays some batches and returns parts of buffers. */
  play(plan, batches, parts) {
    const encoder = this.device.createCommandEncoder();
    this.encode(encoder, plan, batches);
    return this.submit(encoder, plan, parts);
  }
}
