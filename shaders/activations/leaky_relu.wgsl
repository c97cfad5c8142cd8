// leaky_relu: y = x where x > 0, else x / 100 (A. Maas et al., Rectifier Nonlinearities Improve Neural Network Acoustic
// Models, 2013, with PyTorch's slope)
fn act(z: f32) -> f32 {
    return select(0.01 * z, z, z > 0.0);
}

// The derivative, from the output y, which has the sign of the input.
fn act_derivative(y: f32) -> f32 {
    return select(0.01, 1.0, y > 0.0);
}
