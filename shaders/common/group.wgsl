// A row of the update table: the parameters that a workgroup updates.
struct Group {
    // First parameter in the arena, number of parameters, and start of their gradient.
    start: u32,
    count: u32,
    grad: u32,
    // Elements of a slice, and number of slices, which are contiguous.
    len: u32,
    slices: u32,
    // Factor applied to the step's learning rate.
    rate: f32,
    // Pads the row: @size would not reach GLSL.
    unused: vec2u,
}

// The gradient of one of the group's parameters: the sum of its slices, in order. at_once slices are read before the
// first is used, so that a GPU waits for memory once for all of them.
fn folded(group: Group, lane: u32) -> f32 {
    var sum = 0.0;
    for (var s = 0u; s < group.slices; s += at_once) {
        var slice = array<f32, at_once>();
        for (var q = 0u; q < at_once; q++) { // unroll
            slice[q] = grad[group.grad + min(s + q, group.slices - 1u) * group.len + lane];
        }
        for (var q = 0u; q < at_once; q++) { // unroll
            sum += select(0.0, slice[q], s + q < group.slices);
        }
    }
    return sum;
}
