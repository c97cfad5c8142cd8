//! The twin of `shaders/fc_loss.wgsl` against those of the kernels that it stands for.

use crate::common::{f, floats, twin, u};
use mnist_gpu::kernels::{
    Activation, CrossEntropyBackward, CrossEntropyForward, DeviceClass, FcBackwardInput, FcBackwardWeight, FcForward,
    FcLoss, FcLossShape, FcShape, LossShape, Tiles,
};

#[test]
fn the_twin_does_what_five_kernels_do() {
    let (batch, c_in, classes) = (3, 2, 2);
    let layer =
        FcShape { batch, c_in, c_out: classes, activation: Activation::Identity, activation_in: Activation::Relu };
    let tiles = Tiles::of(DeviceClass::Discrete);
    // The last row of the batch is past the end of the epoch.
    for weighted in [false, true] {
        let loss = LossShape { batch, padded: batch, classes, set: 4, rows: 3, weighted };
        let known = [
            u("labels", &[1, 0, 1, 0]),
            u("order", &[3, 2, 0]),
            u("cursor", &[9, 1, 3]),
            f("smoothing", &[0.2]),
            f("weights", &[0.5, 2.0]),
            f("loss", &[7.0, 7.0, 7.0]),
        ];
        let x = f("x", &[1.0, 2.0, 0.0, 3.0, 1.0, 1.0]);
        let w = f("w", &[0.5, -1.0, 0.25, 1.0]);
        let b = f("b", &[0.1, -0.2]);
        let z = floats(&twin(&FcForward(layer, tiles), &[x.clone(), w.clone(), b.clone()])[0]);
        let of_loss =
            |extra: &[(&'static str, mnist_gpu::reference::Tensor)]| [&known[..], &[f("x", &z)], extra].concat();
        let rest = [u("predicted", &[0; 3]), f("probability", &[0.0; 3])];
        let losses = floats(&twin(&CrossEntropyForward(loss), &of_loss(&rest))[0]);
        let d = floats(&twin(&CrossEntropyBackward(loss), &of_loss(&[]))[0]);
        let dy = f("dy", &d);
        let dx = floats(&twin(&FcBackwardInput(layer, tiles), &[dy.clone(), w.clone(), x.clone()])[0]);
        let weights = twin(&FcBackwardWeight(layer, 2, tiles), &[dy, x.clone()]);
        let found = twin(&FcLoss(FcLossShape { layer, loss }, 2, tiles), &[&known[..], &[x, w, b]].concat());
        let expected = [losses, dx, floats(&weights[0]), floats(&weights[1])];
        for (found, expected) in found.iter().map(floats).zip(expected) {
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-12, "{found} for {expected}");
            }
        }
        assert_eq!(d[4..], [0.0, 0.0]);
    }
}
