// avg_pool_forward: the mean of each cell of a map.
//   y[n,i,j] = sum over r,s of x[n, i * pool_h + r, j * pool_w + s] / (pool_h * pool_w)
// Reads x (PLANES,H,W). Overwrites y (PLANES,H/pool_h,W/pool_w). Incomplete cells at the right and bottom are dropped.
// One invocation per cell.
// Twin: src/reference/avg_pool_forward.rs

// The plan sets:
const planes = 640u;
const h_in = 24u;
const w_in = 24u;
const pool_h = 2u;
const pool_w = 2u;

const H_OUT = h_in / pool_h;
const W_OUT = w_in / pool_w;
const WG = 64u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if id.x >= planes * H_OUT * W_OUT {
        return;
    }
    let n = id.x / (H_OUT * W_OUT);
    let i = id.x / W_OUT % H_OUT;
    let j = id.x % W_OUT;
    var sum = 0.0;
    for (var r = 0u; r < pool_h; r++) {
        for (var s = 0u; s < pool_w; s++) {
            sum += x[(n * h_in + i * pool_h + r) * w_in + j * pool_w + s];
        }
    }
    y[id.x] = sum / f32(pool_h * pool_w);
}
