// cross_entropy_forward: softmax, loss and prediction of each image.
//   predicted[start+n]   = the first class with the largest logit
//   probability[start+n] = exp(x[n,predicted] - max) / sum over j of exp(x[n,j] - max)
//   loss[start+n]        = log(sum over j of exp(x[n,j] - max)) + max - x[n,label] + e * (x[n,label] - mean over j of x[n,j])
// where e is the label smoothing: the target is 1 - e for the label, plus e spread evenly over all classes (C. Szegedy
// et al., Rethinking the Inception Architecture, 2016). With weighted classes
//   loss[start+n]        = rows / W * sum over j of t[j] * (log(sum over k of exp(x[n,k] - max)) + max - x[n,j])
// where t[j] = (1 - e) * w[label] [j = label] + e / classes * w[j], rows is the number of images in this batch, and W the
// sum of the weights of their labels. The mean over the batch is then PyTorch's weighted mean.
// Reads the logits x (N,CLASSES), the data set's labels and order, the cursor, e and w. Writes rows start .. start + n of
// loss, predicted and probability, which hold one row per image of an epoch; rows past the end of the set are not
// written. The largest logit is subtracted first, so that no exponential overflows. One invocation per image.
// Twin: src/reference/cross_entropy_forward.rs
// Uses: cursor, loss

// The plan sets:
const batch = 64u;
const classes = 10u;
const weighted = 0u;

const WG = 64u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> cursor: Cursor;
@group(0) @binding(4) var<uniform> smoothing: array<vec4f, 1>;
@group(0) @binding(5) var<uniform> weights: array<vec4f, (classes + 3u) / 4u>;
@group(0) @binding(6) var<storage, read_write> loss: array<f32>;
@group(0) @binding(7) var<storage, read_write> predicted: array<u32>;
@group(0) @binding(8) var<storage, read_write> probability: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
    let rows = min(batch, cursor.total - cursor.start);
    var scale = 1.0;
    if weighted == 1u {
        scale = f32(rows) / weight_of_batch(lane, rows);
    }
    let n = id.x;
    let row = cursor.start + n;
    if n >= batch || row >= cursor.total {
        return;
    }
    var best = x[n * classes];
    var at = 0u;
    for (var j = 1u; j < classes; j++) {
        if x[n * classes + j] > best {
            best = x[n * classes + j];
            at = j;
        }
    }
    var sum = 0.0;
    var all = 0.0;
    for (var j = 0u; j < classes; j++) {
        sum += exp(x[n * classes + j] - best);
        all += x[n * classes + j];
    }
    let label = labels[order[row]];
    let own = x[n * classes + label];
    var value = log(sum) + (best - own) + smoothing[0].x * (own - all / f32(classes));
    if weighted == 1u {
        value = 0.0;
        for (var j = 0u; j < classes; j++) {
            value += weighted_target(j, label) * (log(sum) + (best - x[n * classes + j]));
        }
        value *= scale;
    }
    loss[row] = value;
    predicted[row] = at;
    probability[row] = 1.0 / sum;
}
