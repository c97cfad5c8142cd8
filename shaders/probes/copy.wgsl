// copy: how fast a device moves memory. Not part of a training step.
//   y[i] = x[i]
// Reads x (LEN vectors). Overwrites y. One invocation per tile neighbouring workgroups' worth of vectors, a stride apart, so
// that neighbouring lanes read neighbours.

// The plan sets:
const len = 1048576u;
const tile = 4u;
const wg = 64u;

const LANES = len / tile;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(wg)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if id.x >= LANES {
        return;
    }
    for (var t = 0u; t < tile; t++) {
        y[id.x + t * LANES] = x[id.x + t * LANES];
    }
}
