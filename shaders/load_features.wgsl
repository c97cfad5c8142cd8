// load_features: the frozen layers' outputs for the images of one batch, gathered in the epoch's order.
//   y[n,i] = features[order[start + n], i], and 0 for rows past the end of the set
// Reads the features of the whole data set (SET,LEN), the order and the cursor. Overwrites y (N,LEN).
// One invocation per tile_i features of an image, so that values read once per row serve all of them.
// Twin: src/reference/load_features.rs
// Uses: cursor

// The plan sets:
const len = 320u;
const tile_i = 4u;
const wg = 64u;

// Distance between the features of one tile, so that neighbouring lanes read adjacent elements.
const LANES = len / tile_i;

@group(0) @binding(0) var<storage, read> features: array<f32>;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read> cursor: Cursor;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(wg)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let n = id.y;
    let i = id.x;
    if i >= LANES {
        return;
    }
    let row = cursor.start + n;
    if row >= cursor.total {
        for (var t = 0u; t < tile_i; t++) {
            y[n * len + i + t * LANES] = 0.0;
        }
        return;
    }
    let image = order[row] * len;
    for (var t = 0u; t < tile_i; t++) {
        y[n * len + i + t * LANES] = features[image + i + t * LANES];
    }
}
