// load_images: the images of one batch, gathered by the epoch's order and normalised.
//   y[n,p] = table[images[order[start + n], p]], and 0 for rows past the end of the set
// Reads the data set as bytes packed four to a word, the order, the cursor and the 256 values a byte can become.
// Overwrites y (N,PIXELS). One invocation per pixel.
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
@group(0) @binding(3) var<storage, read> table: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let p = id.x;
    let n = id.y;
    if p >= pixels {
        return;
    }
    let row = cursor.start + n;
    if row >= cursor.total {
        y[n * pixels + p] = 0.0;
        return;
    }
    let at = order[row] * pixels + p;
    let byte = (images[at >> 2u] >> ((at & 3u) * 8u)) & 255u;
    y[n * pixels + p] = table[byte];
}
