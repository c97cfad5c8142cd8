// relu: y = max(x, 0)
fn act(z: f32) -> f32 {
    return max(z, 0.0);
}

// The derivative, from the output y: 0 at 0, as in PyTorch.
fn act_derivative(y: f32) -> f32 {
    return select(0.0, 1.0, y > 0.0);
}
