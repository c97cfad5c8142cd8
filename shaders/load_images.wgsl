// load_images: the images of one batch, gathered in the epoch's order and normalised.
//   y[n,p] = byte_values[images[order[start + n], p]], and 0 for rows past the end of the set
// Reads the data set as bytes packed four to a word, the order, the cursor and the value of each of the 256 bytes
// to. Overwrites y (N,PIXELS). One invocation per tile_p pixels of an image; tile_p is a multiple of four, so that it
// reads whole words if images consist of them.
// Twin: src/reference/load_images.rs
// Uses: cursor

// The plan sets:
const pixels = 784u;
const tile_p = 4u;
const wg = 64u;

@group(0) @binding(0) var<storage, read> images: array<u32>;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read> cursor: Cursor;
@group(0) @binding(3) var<uniform> byte_values: array<vec4f, 64>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(wg)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let n = id.y;
    let first = id.x * tile_p;
    if first >= pixels {
        return;
    }
    let end = min(first + tile_p, pixels);
    let row = cursor.start + n;
    if row >= cursor.total {
        for (var p = first; p < end; p++) {
            y[n * pixels + p] = 0.0;
        }
        return;
    }
    let image = order[row] * pixels;
    for (var p = first; p < end; p += 4u) {
        var word = images[(image + p) / 4u];
        var value = array<f32, 4>();
        for (var q = 0u; q < 4u; q++) { // unroll
            if pixels % 4u != 0u {
                word = images[(image + min(p + q, end - 1u)) / 4u];
            }
            let byte = (word >> ((image + p + q) % 4u * 8u)) & 255u;
            value[q] = byte_values[byte / 4u][byte % 4u];
        }
        for (var q = 0u; q < 4u; q++) { // unroll
            if pixels % 4u == 0u || p + q < end {
                y[n * pixels + p + q] = value[q];
            }
        }
    }
}
