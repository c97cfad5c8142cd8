// dropout: zeroes values at random and scales up the others (N. Srivastava et al., 2014, in PyTorch's form).
//   y[i] = keep(i) * x[i] / (1 - percent / 100), where keep(i) is 1 with that probability and else 0
// Forward, x is the output of a layer. Backward, x is the gradient of the loss with respect to the forward y, and the
// mask is the same. The mask is drawn by hashing the seed, the step, the layer and the index of the value in the batch
// (C. Wellons, Prospecting for Hash Functions, 2018: lowbias32).
// Reads x, the cursor and the seed. Overwrites y. One invocation per value.
// Twin: src/reference/dropout.rs
// Uses: cursor, hash

// The plan sets:
const count = 64u;
const percent = 50u;
const layer = 1u;

const WG = 64u;
const SCALE = 100.0 / (100.0 - f32(percent));

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> cursor: Cursor;
@group(0) @binding(2) var<uniform> seed: array<vec4u, 1>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let i = id.x;
    if i >= count {
        return;
    }
    let base = hash(hash(hash(seed[0].x) + cursor.step) + layer);
    let drawn = ((hash(base + i * 0x9e3779b9u) >> 16u) * 100u) >> 16u;
    y[i] = select(x[i] * SCALE, 0.0, drawn < percent);
}
