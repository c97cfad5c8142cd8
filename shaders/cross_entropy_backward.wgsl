// cross_entropy_backward: gradient of the batch's mean loss with respect to the logits.
//   dx[n,j] = (softmax(x[n])[j] - (1 - e) [j = label] - e / classes) / rows, and 0 for padding rows and rows past the end of
//     the set
// where rows is the number of images in this batch (batch, or what is left of the set), and e is the label smoothing.
// Reads the logits x (N,CLASSES), the data set's labels and order, and the cursor. Overwrites dx (N,CLASSES).
// One invocation per row.
// Twin: src/reference/cross_entropy_backward.rs
// Uses: cursor

// The plan sets:
const batch = 64u;
const padded = 64u;
const classes = 10u;

const WG = 64u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> cursor: Cursor;
@group(0) @binding(4) var<uniform> smoothing: array<vec4f, 1>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let n = id.x;
    if n >= padded {
        return;
    }
    let row = cursor.start + n;
    if n >= batch || row >= cursor.total {
        for (var j = 0u; j < classes; j++) {
            dx[n * classes + j] = 0.0;
        }
        return;
    }
    let rows = min(batch, cursor.total - cursor.start);
    var best = x[n * classes];
    for (var j = 1u; j < classes; j++) {
        best = max(best, x[n * classes + j]);
    }
    var sum = 0.0;
    for (var j = 0u; j < classes; j++) {
        sum += exp(x[n * classes + j] - best);
    }
    let label = labels[order[row]];
    let e = smoothing[0].x;
    let share = e / f32(classes);
    for (var j = 0u; j < classes; j++) {
        let softmax = exp(x[n * classes + j] - best) / sum;
        dx[n * classes + j] = (softmax - select(share, 1.0 - e + share, j == label)) / f32(rows);
    }
}
