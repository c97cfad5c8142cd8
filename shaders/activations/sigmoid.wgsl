// sigmoid: y = 1 / (1 + exp(-x))
fn act(z: f32) -> f32 {
    // Below -87.5 the exponential approaches the largest float32 and y underflows; WGSL does not support infinity.
    return 1.0 / (1.0 + exp(min(-z, 87.5)));
}

// The derivative, from the output y.
fn act_derivative(y: f32) -> f32 {
    return y * (1.0 - y);
}
