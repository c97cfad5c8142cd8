// distillation_backward: gradient, with respect to the logits, of a batch's mean loss against labels and a teacher (G.
// Hinton, O. Vinyals, J. Dean: Distilling the Knowledge in a Neural Network, 2015).
//   loss[n]  = (1 - a) * cross-entropy(softmax(x), smoothed label) + a * t^2 * divergence(softmax(z/t) from softmax(x/t))
//   dx[n,j] = ((1 - a) * (softmax(x[n])[j] - (1 - e) [j = label] - e / classes)
//              + a * t * (softmax(x[n]/t)[j] - softmax(z[n]/t)[j])) / rows, and 0 for rows of padding and past the end
// where rows is the number of images in this batch (batch, or what is left of the set), and e is the label smoothing.
// Weighted classes change the gradient against the labels as in cross_entropy_backward, and not that against the teacher.
// Reads the logits x and the teacher's z (N,CLASSES), the data set's labels and order, the cursor, e, the weights of the
// classes, and t and a.
// Overwrites dx (N,CLASSES). One invocation per row.
// Twin: src/reference/distillation_backward.rs
// Uses: cursor, loss

// The plan sets:
const batch = 64u;
const padded = 64u;
const classes = 10u;
const weighted = 0u;

const WG = 64u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read> order: array<u32>;
@group(0) @binding(4) var<storage, read> cursor: Cursor;
@group(0) @binding(5) var<uniform> smoothing: array<vec4f, 1>;
@group(0) @binding(6) var<uniform> weights: array<vec4f, (classes + 3u) / 4u>;
// Temperature t, and weight a of the teacher's loss.
@group(0) @binding(7) var<uniform> teaching: array<vec4f, 1>;
@group(0) @binding(8) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
    let rows = min(batch, cursor.total - cursor.start);
    var scale = 1.0;
    if weighted == 1u {
        scale = f32(rows) / weight_of_batch(lane, rows);
    }
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
    let t = teaching[0].x;
    let a = teaching[0].y;
    var best = x[n * classes];
    var best_z = z[n * classes];
    for (var j = 1u; j < classes; j++) {
        best = max(best, x[n * classes + j]);
        best_z = max(best_z, z[n * classes + j]);
    }
    var sum = 0.0;
    var soft_sum = 0.0;
    var taught_sum = 0.0;
    for (var j = 0u; j < classes; j++) {
        sum += exp(x[n * classes + j] - best);
        soft_sum += exp((x[n * classes + j] - best) / t);
        taught_sum += exp((z[n * classes + j] - best_z) / t);
    }
    let label = labels[order[row]];
    let targets = sum_of_targets(label);
    for (var j = 0u; j < classes; j++) {
        let softmax = exp(x[n * classes + j] - best) / sum;
        let soft = exp((x[n * classes + j] - best) / t) / soft_sum;
        let taught = exp((z[n * classes + j] - best_z) / t) / taught_sum;
        let own = loss_gradient(j, label, softmax, targets, scale);
        dx[n * classes + j] = ((1.0 - a) * own + a * t * (soft - taught)) / f32(rows);
    }
}
