// conv_pool_backward_weight: gradient of the loss with respect to the weights and bias of a fused convolution and
// max-pool, in slices of the batch. A slice is a number of rows of cells, counted through all images.
//   dw[s,o,c,u,v] = sum over (n,i) in slice s, and j, of dy[n,o,i,j] * x[n,c,(i*POOL+r)*S+u-P,(j*POOL+q)*S+v-P], where (r,q)
//                   is the cell's winner and x is 0 outside its map
//   db[s,o]       = sum over (n,i) in slice s, and j, of dy[n,o,i,j]
// Reads dy and winner (N,O,Hp,Wp) and x (N,C,H,W). Overwrites dw (S,O,C,K,K) and db (S,O); the update adds the slices, in
// order.
// One workgroup per slice, tile_o output channels and tile_c input channels. It loads tile_i x tile_j cells at a time, and the
// inputs under them, into workgroup memory. There the winner of a cell is found by an offset, whereas registers would need a
// select for each of its possible positions. One invocation per kernel row (o, c, u) and, if invocations remain, per share of
// the cells; the shares are added at the end.
// Twin: src/reference/conv_pool_backward_weight.rs

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
const tile_o = 5u;
const tile_c = 10u;
const tile_i = 4u;
const tile_j = 4u;
const wg = 256u;

// Number of cells that an invocation reads before it uses them.
const AT_ONCE = 4u;

const H_OUT = ((h_in + 2u * padding - k) / stride + 1u) / pool;
const W_OUT = ((w_in + 2u * padding - k) / stride + 1u) / pool;
const STEP = pool * stride;
// Rows of cells in total, and in a slice.
const ROWS = batch * H_OUT;
const SLICE = (ROWS + slices - 1u) / slices;
// Rows and columns of the inputs under a tile. An odd stride between channels puts them in different banks.
const HEIGHT = (tile_i * pool - 1u) * stride + k;
const WIDTH = (tile_j * pool - 1u) * stride + k;
const UNDER = HEIGHT * WIDTH;
const PLANE = UNDER | 1u;
// Number of invocations with distinct work, and number of copies of them in a workgroup.
const LANES = tile_o * tile_c * k;
const SHARES = wg / LANES;
// Cells of a channel, padded with cells without gradient.
const CELLS = (tile_i * tile_j + SHARES * AT_ONCE - 1u) / (SHARES * AT_ONCE) * (SHARES * AT_ONCE);
// Number of inputs and cells that an invocation loads.
const INPUTS_EACH = (tile_c * UNDER + wg - 1u) / wg;
const CELLS_EACH = (tile_o * CELLS + wg - 1u) / wg;

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> winner: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> dw: array<f32>;
@group(0) @binding(4) var<storage, read_write> db: array<f32>;

// The inputs, with room for the excess loads of the last invocations, and at the end the sums.
var<workgroup> inputs: array<f32, max((INPUTS_EACH * wg / UNDER + 1u) * PLANE, wg * k)>;
// A cell's gradient, and the offset of its winner in a plane.
var<workgroup> cells: array<vec2u, CELLS_EACH * wg>;
var<workgroup> sums_b: array<f32, wg>;

@compute @workgroup_size(wg)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
    let slice = id.x;
    let o_first = id.y * tile_o;
    let c_first = id.z * tile_c;
    let share = lane / LANES;
    let u = lane % k;
    let c = lane / k % tile_c;
    let o = lane / (k * tile_c) % tile_o;

    var sum: array<f32, k>;
    var sum_b = 0.0;
    let end = min(ROWS, (slice + 1u) * SLICE);
    for (var row = slice * SLICE; row < end; row += min(min(tile_i, H_OUT - row % H_OUT), end - row)) {
        let n = row / H_OUT;
        let i = row % H_OUT;
        let count = min(min(tile_i, H_OUT - i), end - row);
        for (var j = 0u; j < W_OUT; j += tile_j) {
            // An invocation issues all its loads before it stores any of them.
            var value = array<f32, INPUTS_EACH>();
            for (var q = 0u; q < INPUTS_EACH; q++) { // unroll
                let a = lane + q * wg;
                let channel = c_first + a / UNDER;
                let input_row = i * STEP + a % UNDER / WIDTH - padding;
                let column = j * STEP + a % WIDTH - padding;
                let inside = channel < c_in && input_row < h_in && column < w_in;
                let at = ((n * c_in + channel) * h_in + input_row) * w_in + column;
                value[q] = select(0.0, x[select(0u, at, inside)], inside);
            }
            var delta = array<f32, CELLS_EACH>();
            var place = array<u32, CELLS_EACH>();
            for (var q = 0u; q < CELLS_EACH; q++) { // unroll
                let a = lane + q * wg;
                let channel = o_first + a / CELLS;
                let cell = a % CELLS;
                let inside = channel < c_out && cell / tile_j < count && j + cell % tile_j < W_OUT;
                let at = ((n * c_out + channel) * H_OUT + i + cell / tile_j) * W_OUT + j + cell % tile_j;
                let found = select(0u, at, inside);
                delta[q] = select(0.0, dy[found], inside);
                if pool > 1u {
                    place[q] = winner[found];
                }
                let winner_row = (cell / tile_j * pool + place[q] / pool) * stride;
                let winner_column = (cell % tile_j * pool + place[q] % pool) * stride;
                place[q] = select(0u, winner_row * WIDTH + winner_column, inside);
            }
            for (var q = 0u; q < INPUTS_EACH; q++) { // unroll
                let a = lane + q * wg;
                inputs[a / UNDER * PLANE + a % UNDER] = value[q];
            }
            for (var q = 0u; q < CELLS_EACH; q++) { // unroll
                cells[lane + q * wg] = vec2u(bitcast<u32>(delta[q]), place[q]);
            }
            workgroupBarrier();
            if share < SHARES {
                for (var first = share * AT_ONCE; first < CELLS; first += SHARES * AT_ONCE) {
                    var cell = array<vec2u, AT_ONCE>();
                    for (var q = 0u; q < AT_ONCE; q++) { // unroll
                        cell[q] = cells[o * CELLS + first + q];
                    }
                    for (var q = 0u; q < AT_ONCE; q++) { // unroll
                        let at = c * PLANE + u * WIDTH + cell[q].y;
                        sum_b += bitcast<f32>(cell[q].x);
                        for (var v = 0u; v < k; v++) { // unroll
                            sum[v] += bitcast<f32>(cell[q].x) * inputs[at + v];
                        }
                    }
                }
            }
            workgroupBarrier();
        }
    }

    for (var v = 0u; v < k; v++) { // unroll
        inputs[lane * k + v] = sum[v];
    }
    sums_b[lane] = sum_b;
    workgroupBarrier();
    for (var a = lane; a < LANES * k; a += wg) {
        var total = 0.0;
        for (var s = 0u; s < SHARES; s++) {
            total += inputs[s * LANES * k + a];
        }
        let unit = slice * c_out + o_first + a / (tile_c * k * k);
        let at = (unit * c_in + c_first) * k * k + a % (tile_c * k * k);
        dw[at] = total;
    }
    if id.z == 0u && lane < tile_o {
        var total = 0.0;
        for (var s = 0u; s < SHARES; s++) {
            total += sums_b[s * LANES + lane * tile_c * k];
        }
        let unit = slice * c_out + o_first + lane;
        db[unit] = total;
    }
}
