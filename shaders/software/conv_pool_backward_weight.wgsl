// conv_pool_backward_weight: gradient of the loss with respect to the weights and bias of a fused convolution and
// max-pool, in slices of the batch. A slice is a number of rows of cells, counted through all images.
//   dw[s,o,c,u,v] = dw_in[s,o,c,u,v]
//                 + sum over (n,i) in slice s, and j, of dy[n,o,i,j] * x[n,c,(i*POOL+r)*S+u-P,(j*POOL+q)*S+v-P], where (r,q)
//                   is the cell's winner and x is 0 outside its map
//   db[s,o]       = db_in[s,o] + sum over (n,i) in slice s, and j, of dy[n,o,i,j]
// Reads dy and winner (N,O,Hp,Wp), x (N,C,H,W), and dw_in and db_in: the sums of earlier parts of the batch, or zeros.
// Overwrites dw (S,O,C,K,K) and db (S,O); the update adds the slices, in order.
// One invocation per slice, c and tile_o output channels: it holds their k * k sums each. A window of inputs slides along
// each row of cells in registers, so that a cell costs pool * S new columns; the inputs that meet the gradient are chosen by
// select, since an index that differs between lanes would push the window out of registers. Those with c = 0 also sum
// the bias.
// Twin: src/reference/conv_pool_backward_weight.rs
// Uses: input_vectors

// The plan sets:
const batch = 64u;
const c_in = 10u;
const h_in = 12u;
const w_in = 12u;
const c_out = 20u;
const k = 5u;
const stride = 1u;
const padding = 0u;
const pool = 2u;
const slices = 16u;
const tile_o = 2u;
const wg = 64u;

const H_OUT = ((h_in + 2u * padding - k) / stride + 1u) / pool;
const W_OUT = ((w_in + 2u * padding - k) / stride + 1u) / pool;
// Rows and columns of the window under a cell; KEPT of its columns are also under the next cell.
const PATCH = (pool - 1u) * stride + k;
const STEP = pool * stride;
const KEPT = k - stride;
const OUTPUTS = batch * c_out * H_OUT * W_OUT;
// Rows of cells in total, and in a slice.
const ROWS = batch * H_OUT;
const SLICE = (ROWS + slices - 1u) / slices;

@group(0) @binding(0) var<uniform> dy: array<vec4f, (OUTPUTS + 3u) / 4u>;
@group(0) @binding(1) var<uniform> winner: array<vec4u, (OUTPUTS + 3u) / 4u>;
@group(0) @binding(2) var<uniform> x: array<vec4f, (batch * c_in * h_in * w_in + 3u) / 4u>;
@group(0) @binding(3) var<storage, read> dw_in: array<f32>;
@group(0) @binding(4) var<storage, read> db_in: array<f32>;
@group(0) @binding(5) var<storage, read_write> dw: array<f32>;
@group(0) @binding(6) var<storage, read_write> db: array<f32>;

@compute @workgroup_size(wg)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if id.x >= slices * c_in * (c_out / tile_o) {
        return;
    }
    let c = id.x % c_in;
    let o = id.x / c_in % (c_out / tile_o) * tile_o;
    let slice = id.x / (c_in * (c_out / tile_o));

    var sum: array<array<array<f32, k>, k>, tile_o>;
    var sum_b: array<f32, tile_o>;
    for (var row = slice * SLICE; row < min(ROWS, (slice + 1u) * SLICE); row++) {
        let n = row / H_OUT;
        let i = row % H_OUT;
        let plane = (n * c_in + c) * h_in * w_in;
        let top = i * STEP - padding;
        var kept = array<array<f32, KEPT + 1u>, PATCH>();
        for (var r = 0u; r < PATCH; r++) {
            for (var s = 0u; s < KEPT; s++) {
                kept[r][s] = input(plane, top + r, s - padding);
            }
        }
        for (var j = 0u; j < W_OUT; j++) {
            var window = array<array<f32, PATCH>, PATCH>();
            for (var r = 0u; r < PATCH; r++) {
                for (var s = 0u; s < PATCH; s++) {
                    if s < KEPT {
                        window[r][s] = kept[r][s];
                    } else {
                        window[r][s] = input(plane, top + r, j * STEP + s - padding);
                    }
                }
                for (var s = 0u; s < KEPT; s++) {
                    kept[r][s] = window[r][s + STEP];
                }
            }
            for (var t = 0u; t < tile_o; t++) {
                let cell = ((n * c_out + o + t) * H_OUT + i) * W_OUT + j;
                let delta = dy[cell / 4u][cell % 4u];
                var place = 0u;
                if pool > 1u {
                    place = winner[cell / 4u][cell % 4u];
                }
                sum_b[t] += delta;
                for (var u = 0u; u < k; u++) {
                    for (var v = 0u; v < k; v++) {
                        var value = window[u][v];
                        for (var r = 0u; r < pool; r++) {
                            for (var s = 0u; s < pool; s++) {
                                value = select(value, window[u + r * stride][v + s * stride], place == r * pool + s);
                            }
                        }
                        sum[t][u][v] += delta * value;
                    }
                }
            }
        }
    }
    for (var t = 0u; t < tile_o; t++) {
        let unit = slice * c_out + o + t;
        for (var u = 0u; u < k; u++) {
            for (var v = 0u; v < k; v++) {
                let at = ((unit * c_in + c) * k + u) * k + v;
                dw[at] = dw_in[at] + sum[t][u][v];
            }
        }
        if c == 0u {
            db[unit] = db_in[unit] + sum_b[t];
        }
    }
}
