// load_images: the images of one batch, gathered in the epoch's order and normalised.
//   y[n,p] = table[images[order[start + n], p]], and 0 for rows past the end of the set
// Reads the data set as bytes packed four to a word, the order, the cursor and a table of the 256 values a byte maps
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
@group(0) @binding(3) var<uniform> table: array<vec4f, 64>;
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
    for (var q = first; q < end; q += 4u) {
        var word = images[(image + q) / 4u];
        for (var p = q; p < q + 4u; p++) {
            if pixels % 4u != 0u {
                if p >= end {
                    break;
                }
                word = images[(image + p) / 4u];
            }
            let byte = (word >> ((image + p) % 4u * 8u)) & 255u;
            y[n * pixels + p] = table[byte / 4u][byte % 4u];
        }
    }
}
