// tanh: y = (1 - exp(-2 |x|)) / (1 + exp(-2 |x|)), with the sign of x
fn act(z: f32) -> f32 {
    // Near zero the difference cancels, and three terms of the series are more accurate. WGSL's own tanh may be
    // inaccurate.
    let square = z * z;
    let near = z * (1.0 - square * (1.0 / 3.0 - square * (2.0 / 15.0)));
    let power = exp(-2.0 * abs(z));
    return select(sign(z) * (1.0 - power) / (1.0 + power), near, abs(z) < 0.1);
}

// The derivative, from the output y. The product form stays accurate if y is near 1.
fn act_derivative(y: f32) -> f32 {
    return (1.0 - y) * (1.0 + y);
}
