// augment_images: the images of one batch, each shifted, rotated, warped and erased at random, and normalised.
//   y[n,i,j] = byte_values[byte], where byte is sampled bilinearly from image order[start + n] at
//     centre + M ((j,i) - centre) + shift + bend(i,j),  M = rotation * shear * scale
//   and 0 outside it and inside an erased rectangle; y is 0 for rows past the end of the set
// All arithmetic is in fixed-point integers, so that every device produces the same bytes: angles have 14 fractional
// bits, M has 12, positions 13, and sampling weights 8. Random values are drawn by hashing the seed, the epoch and the
// image's place in its file (C. Wellons, Prospecting for Hash Functions, 2018: lowbias32). bend is interpolated between
// random vectors at the corners of cells of a quarter of the image (after P. Simard et al., Best Practices for
// Convolutional Neural Networks, 2003).
// Reads the inputs of load_images, places and augment. Overwrites y (N,H,W). One invocation per tile_p pixels.
// Twin: src/reference/augment_images.rs
// Uses: cursor, hash

// The plan sets:
const height = 28u;
const width = 28u;
const tile_p = 4u;
const wg = 64u;

const PIXELS = height * width;
const H = i32(height);
const W = i32(width);
const CELL_H = max(H / 4, 1);
const CELL_W = max(W / 4, 1);
// Index of the first draw for the vectors of bend.
const NODES = 16u;

@group(0) @binding(0) var<storage, read> images: array<u32>;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read> places: array<u32>;
@group(0) @binding(3) var<storage, read> cursor: Cursor;
@group(0) @binding(4) var<uniform> byte_values: array<vec4f, 64>;
// Seed, epoch, shift in 256ths of a pixel, quarter of the angle; scale, shear, bend in 256ths of a pixel, crop in
// pixels; number of images in 65,536 that are partly erased, and whether half of them are mirrored. All but the last
// two are bounds.
@group(0) @binding(5) var<uniform> augment: array<vec4i, 3>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

fn draw(base: u32, k: u32) -> u32 {
    return hash(base + k * 0x9e3779b9u);
}

// Uniform in [0, bound), where bound is at most 65,536.
fn below(base: u32, k: u32, bound: i32) -> i32 {
    return i32(((draw(base, k) >> 16u) * u32(bound)) >> 16u);
}

// Uniform in [-range, range].
fn within(base: u32, k: u32, range: i32) -> i32 {
    return below(base, k, 2 * range + 1) - range;
}

fn bend(base: u32, i: i32, j: i32, axis: u32) -> i32 {
    let u = i / CELL_H;
    let v = j / CELL_W;
    let r = i % CELL_H * 256 / CELL_H;
    let s = j % CELL_W * 256 / CELL_W;
    var ends: array<i32, 2>;
    for (var e = 0; e < 2; e++) {
        let node = NODES + 2u * u32((u + e) * 8 + v) + axis;
        let left = within(base, node, augment[1].z);
        let right = within(base, node + 2u, augment[1].z);
        ends[e] = left * (256 - s) + right * s;
    }
    return (ends[0] * (256 - r) + ends[1] * r) >> 11u;
}

fn pixel(image: u32, i: i32, j: i32) -> i32 {
    let inside = i >= 0 && i < H && j >= 0 && j < W;
    let at = select(0u, image * PIXELS + u32(i * W + j), inside);
    return select(0, i32((images[at / 4u] >> (at % 4u * 8u)) & 255u), inside);
}

@compute @workgroup_size(wg)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let n = id.y;
    let first = id.x * tile_p;
    if first >= PIXELS {
        return;
    }
    let end = min(first + tile_p, PIXELS);
    let row = cursor.start + n;
    if row >= cursor.total {
        for (var p = first; p < end; p++) {
            y[n * PIXELS + p] = 0.0;
        }
        return;
    }
    let image = order[row];
    let base = hash(hash(hash(u32(augment[0].x)) + u32(augment[0].y)) + places[row]);

    // Sine and cosine of a quarter of the angle by their series, then doubled twice.
    let t = within(base, 0u, augment[0].w);
    let t2 = (t * t) >> 14u;
    let t3 = (t * t2) >> 14u;
    let t4 = (t2 * t2) >> 14u;
    var s = t - t3 / 6 + ((t3 * t2) >> 14u) / 120;
    var c = 16384 - t2 / 2 + t4 / 24 - ((t4 * t2) >> 14u) / 720;
    for (var e = 0; e < 2; e++) {
        let twice = (2 * s * c) >> 14u;
        c = (c * c - s * s) >> 14u;
        s = twice;
    }
    let scale_x = 4096 + within(base, 1u, augment[1].x);
    let scale_y = 4096 + within(base, 2u, augment[1].x);
    let slant = (within(base, 3u, augment[1].y) * scale_y) >> 12u;
    let m = vec4i((c * scale_x) >> 14u, (c * slant - s * scale_y) >> 14u, (s * scale_x) >> 14u, (s * slant + c * scale_y) >> 14u);
    let shift_x = within(base, 4u, augment[0].z) * 32 + within(base, 5u, augment[1].w) * 8192;
    let shift_y = within(base, 6u, augment[0].z) * 32 + within(base, 7u, augment[1].w) * 8192;
    let mirrored = augment[2].y == 1 && below(base, 8u, 2) == 1;
    let erased = below(base, 9u, 65536) < augment[2].x;
    let erased_h = 1 + below(base, 10u, H / 2);
    let erased_w = 1 + below(base, 11u, W / 2);
    let erased_i = below(base, 12u, H - erased_h + 1);
    let erased_j = below(base, 13u, W - erased_w + 1);

    for (var p = first; p < end; p++) {
        let i = i32(p) / W;
        let j = i32(p) % W;
        // Offset from the centre, in half pixels.
        let v = 2 * i - (H - 1);
        let u = select(2 * j - (W - 1), W - 1 - 2 * j, mirrored);
        let x_at = m.x * u + m.y * v + (W - 1) * 4096 + shift_x + bend(base, i, j, 0u);
        let y_at = m.z * u + m.w * v + (H - 1) * 4096 + shift_y + bend(base, i, j, 1u);
        let column = x_at >> 13u;
        let right = (x_at >> 5u) & 255;
        let line = y_at >> 13u;
        let down = (y_at >> 5u) & 255;
        let upper = pixel(image, line, column) * (256 - right) + pixel(image, line, column + 1) * right;
        let lower = pixel(image, line + 1, column) * (256 - right) + pixel(image, line + 1, column + 1) * right;
        var byte = (upper * (256 - down) + lower * down + 32768) >> 16u;
        let inside = i >= erased_i && i < erased_i + erased_h && j >= erased_j && j < erased_j + erased_w;
        if erased && inside {
            byte = 0;
        }
        y[n * PIXELS + p] = byte_values[byte / 4][byte % 4];
    }
}
