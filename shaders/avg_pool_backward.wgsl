// avg_pool_backward: gradient of the loss with respect to the input of average pooling.
//   dx[n,i,j] = dy[n, i / pool_h, j / pool_w] / (pool_h * pool_w), and 0 outside all cells
// Reads dy (PLANES,H/pool_h,W/pool_w). Overwrites dx (PLANES,H,W). One invocation per input.
// Twin: src/reference/avg_pool_backward.rs

// The plan sets:
const planes = 640u;
const h_in = 24u;
const w_in = 24u;
const pool_h = 2u;
const pool_w = 2u;

const H_OUT = h_in / pool_h;
const W_OUT = w_in / pool_w;
const WG = 64u;

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if id.x >= planes * h_in * w_in {
        return;
    }
    let n = id.x / (h_in * w_in);
    let i = id.x / w_in % h_in / pool_h;
    let j = id.x % w_in / pool_w;
    var delta = 0.0;
    if i < H_OUT && j < W_OUT {
        delta = dy[(n * H_OUT + i) * W_OUT + j];
    }
    dx[id.x] = delta / f32(pool_h * pool_w);
}
