// batch_norm_forward: normalises each channel to mean 0 and variance 1, then applies the learned scale and shift.
//   y[n,c,p] = act(w[c] * (x[n,c,p] - mean[c]) / sqrt(variance[c] + 1e-5) + b[c])
// Reads x (N,C,P), w, b, mean and variance (C): those of the batch in training, the running ones if the layer is frozen
// and in evaluation. Overwrites y (N,C,P). One invocation per tile_p values of a channel.
// Twin: src/reference/batch_norm_forward.rs
// Uses: activation, component

// The plan sets:
const batch = 64u;
const channels = 24u;
const pixels = 144u;
const tile_p = 4u;
const wg = 64u;

const TILES = pixels / tile_p;
const EPS = 1e-5;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<uniform> w: array<vec4f, (channels + 3u) / 4u>;
@group(0) @binding(2) var<uniform> b: array<vec4f, (channels + 3u) / 4u>;
@group(0) @binding(3) var<uniform> mean: array<vec4f, (channels + 3u) / 4u>;
@group(0) @binding(4) var<uniform> variance: array<vec4f, (channels + 3u) / 4u>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(wg)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if id.x >= batch * channels * TILES {
        return;
    }
    let plane = id.x / TILES;
    let c = plane % channels;
    let first = plane * pixels + id.x % TILES * tile_p;
    let centre = component(mean[c / 4u], c % 4u);
    let scale = component(w[c / 4u], c % 4u) / sqrt(component(variance[c / 4u], c % 4u) + EPS);
    let shift = component(b[c / 4u], c % 4u);
    var value = array<f32, tile_p>();
    for (var p = 0u; p < tile_p; p++) { // unroll
        value[p] = x[first + p];
    }
    for (var p = 0u; p < tile_p; p++) { // unroll
        y[first + p] = act(scale * (value[p] - centre) + shift);
    }
}
