// batch_norm_backward_input: gradient of the loss with respect to the input of batch normalisation.
//   dx[n,c,p] = act'(x[n,c,p]) * w[c] / s[c] * (dy[n,c,p] - (db[c] + dw[c] * (x[n,c,p] - mean[c]) / s[c]) / M)
//     with s[c] = sqrt(variance[c] + 1e-5) and M = images * pixels, and 0 for rows past the end of the set
// Reads dy and x (N,C,P), w, mean, variance, and the gradients dw and db (C), which are 0 if the layer is frozen, since
// mean and variance are then constants. x is the output of the activation below. Overwrites dx (N,C,P). One invocation
// per tile_p values of a channel.
// Twin: src/reference/batch_norm_backward_input.rs
// Uses: activation, component, cursor

// The plan sets:
const batch = 64u;
const padded = 64u;
const channels = 24u;
const pixels = 144u;
const tile_p = 4u;
const wg = 64u;

const TILES = pixels / tile_p;
const EPS = 1e-5;

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<uniform> w: array<vec4f, (channels + 3u) / 4u>;
@group(0) @binding(3) var<uniform> mean: array<vec4f, (channels + 3u) / 4u>;
@group(0) @binding(4) var<uniform> variance: array<vec4f, (channels + 3u) / 4u>;
@group(0) @binding(5) var<uniform> dw: array<vec4f, (channels + 3u) / 4u>;
@group(0) @binding(6) var<uniform> db: array<vec4f, (channels + 3u) / 4u>;
@group(0) @binding(7) var<storage, read> cursor: Cursor;
@group(0) @binding(8) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(wg)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if id.x >= padded * channels * TILES {
        return;
    }
    let plane = id.x / TILES;
    let c = plane % channels;
    let first = plane * pixels + id.x % TILES * tile_p;
    let images = min(batch, cursor.total - cursor.start);
    let count = f32(images * pixels);
    let centre = component(mean[c / 4u], c % 4u);
    let deviation = sqrt(component(variance[c / 4u], c % 4u) + EPS);
    let scale = component(w[c / 4u], c % 4u) / deviation;
    let slope = component(dw[c / 4u], c % 4u) / deviation / count;
    let shift = component(db[c / 4u], c % 4u) / count;
    if plane / channels >= images {
        for (var p = 0u; p < tile_p; p++) { // unroll
            dx[first + p] = 0.0;
        }
        return;
    }
    var value = array<f32, tile_p>();
    var delta = array<f32, tile_p>();
    for (var p = 0u; p < tile_p; p++) { // unroll
        value[p] = x[first + p];
        delta[p] = dy[first + p];
    }
    for (var p = 0u; p < tile_p; p++) { // unroll
        dx[first + p] = scale * (delta[p] - (shift + slope * (value[p] - centre))) * act_derivative(value[p]);
    }
}
