// Targets of the loss. With the shader's constant weighted, classes count by their weights.
// Labels that an invocation reads before it uses the first.
const READS = 4u;

var<workgroup> shares: array<f32, WG>;

fn class_weight(c: u32) -> f32 {
    return weights[c / 4u][c % 4u];
}

// Target of a class: the smoothed target, times the weight of the class that it comes from.
fn weighted_target(c: u32, label: u32) -> f32 {
    let e = smoothing[0].x;
    return e / f32(classes) * class_weight(c) + select(0.0, (1.0 - e) * class_weight(label), c == label);
}

// Sum of the weights of the batch's labels. Each workgroup computes all of it, in the same order.
fn weight_of_batch(lane: u32, rows: u32) -> f32 {
    var share = 0.0;
    for (var first = lane; first < rows; first += READS * WG) {
        var label = array<u32, READS>();
        for (var q = 0u; q < READS; q++) { // unroll
            label[q] = order[cursor.start + min(first + q * WG, rows - 1u)];
        }
        for (var q = 0u; q < READS; q++) { // unroll
            label[q] = labels[label[q]];
        }
        for (var q = 0u; q < READS; q++) { // unroll
            share += select(0.0, class_weight(label[q]), first + q * WG < rows);
        }
    }
    shares[lane] = share;
    workgroupBarrier();
    var sum = 0.0;
    for (var i = 0u; i < WG; i++) {
        sum += shares[i];
    }
    return sum;
}

// Sum of an image's targets.
fn sum_of_targets(label: u32) -> f32 {
    if weighted == 0u {
        return 1.0;
    }
    var sum = 0.0;
    for (var j = 0u; j < classes; j++) {
        sum += weighted_target(j, label);
    }
    return sum;
}

// Gradient of an image's loss with respect to the logit of class j, given its softmax and the sum of the targets.
// scale is the number of images in the batch over the sum of their weights.
fn loss_gradient(j: u32, label: u32, softmax: f32, targets: f32, scale: f32) -> f32 {
    if weighted == 1u {
        return (targets * softmax - weighted_target(j, label)) * scale;
    }
    let e = smoothing[0].x;
    let share = e / f32(classes);
    return softmax - select(share, 1.0 - e + share, j == label);
}
