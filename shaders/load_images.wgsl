// load_images: the images of one batch, gathered by the epoch's order and normalised.
//   y[n,p] = table[images[order[start + n], p]], and 0 for rows past the end of the set
// Reads the data set as bytes packed four to a word, the order, the cursor and the 256 values a byte can become.
// Overwrites y (N,PIXELS). One invocation per four pixels of an image: one word, where images are whole words.
// Twin: src/reference/load_images.rs
const batch = 64u;
const pixels = 784u;

const WG = 64u;

struct Cursor {
    step: u32,
    start: u32,
    total: u32,
}

@group(0) @binding(0) var<storage, read> images: array<u32>;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read> cursor: Cursor;
@group(0) @binding(3) var<uniform> table: array<vec4f, 64>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let first = id.x * 4u;
    let n = id.y;
    if first >= pixels {
        return;
    }
    let row = cursor.start + n;
    if row >= cursor.total {
        for (var p = first; p < min(first + 4u, pixels); p++) {
            y[n * pixels + p] = 0.0;
        }
        return;
    }
    let at = order[row] * pixels + first;
    var word = images[at / 4u];
    for (var p = 0u; p < min(4u, pixels - first); p++) {
        if pixels % 4u != 0u {
            word = images[(at + p) / 4u];
        }
        let byte = (word >> ((at + p) % 4u * 8u)) & 255u;
        y[n * pixels + first + p] = table[byte / 4u][byte % 4u];
    }
}
