// identity: y = x
fn act(z: f32) -> f32 {
    return z;
}

// The derivative, from the output y.
fn act_derivative(y: f32) -> f32 {
    return 1.0;
}
