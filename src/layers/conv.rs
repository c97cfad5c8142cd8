//! Convolutions, fused with the following pooling layer if one kernel can compute both.

use super::tensors::count;
use super::*;
use crate::kernels::{
    ConvBackwardInput, ConvBackwardWeight, ConvForward, ConvPoolBackwardInput, ConvPoolBackwardWeight, ConvPoolForward,
    ConvPoolShape, ConvShape,
};
use crate::plan::Initial;
use serde::{Deserialize, Serialize};

/// `channels` filters of `kernel` x `kernel` over all input channels, with `stride` and with `padding` zeros on each
/// side, as in PyTorch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv {
    pub channels: usize,
    pub kernel: usize,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub stride: usize,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub padding: usize,
}

fn one() -> usize {
    1
}

fn is_one(stride: &usize) -> bool {
    *stride == 1
}

fn is_zero(padding: &usize) -> bool {
    *padding == 0
}

impl Layer {
    /// A [`Conv`] with stride 1 and no padding.
    pub fn conv(channels: usize, kernel: usize) -> Layer {
        Conv { channels, kernel, stride: 1, padding: 0 }.into()
    }
}

impl Conv {
    /// Kernel, stride and padding.
    fn window(&self) -> [usize; 3] {
        [self.kernel, self.stride, self.padding]
    }

    /// Kernel shape for `batch` images.
    fn shape(&self, stage: &Stage, batch: u32) -> ConvShape {
        let [c_in, h_in, w_in] = stage.node.input.map(|d| d as u32);
        let (c_out, k) = (self.channels as u32, self.kernel as u32);
        let (stride, padding) = (self.stride as u32, self.padding as u32);
        let (activation, activation_in) = (stage.activation, stage.activation_in);
        ConvShape { batch, c_in, h_in, w_in, c_out, k, stride, padding, activation, activation_in }
    }

    /// Kernel shape for the whole batch, if one kernel convolves and pools. A convolution without pooling has cells of
    /// a single value.
    fn fused(&self, stage: &Stage, to: &Builder) -> Option<ConvPoolShape> {
        let pool = match stage.taken {
            Some(Layer::MaxPool(pool)) => pool.size,
            _ => 1,
        };
        let fuses = stage.fuses && to.tiles.fuses(self.window(), pool);
        fuses.then(|| ConvPoolShape { conv: self.shape(stage, to.padded), pool: pool as u32 })
    }
}

/// The same shape for a part of the batch.
fn of_part(mut shape: ConvPoolShape, part: u32) -> ConvPoolShape {
    shape.conv.batch = part;
    shape
}

impl Written for Conv {
    const WORDS: &'static [&'static str] = &["conv"];

    fn bare(_: &str) -> Option<Conv> {
        None
    }

    fn examples() -> Vec<Conv> {
        let conv = |stride, padding| Conv { channels: 5, kernel: 3, stride, padding };
        vec![conv(1, 0), conv(1, 1), conv(2, 1)]
    }
}

impl Definition for Conv {
    fn word(&self) -> &'static str {
        "conv"
    }

    fn kind(&self) -> &'static str {
        "conv"
    }

    fn describe(&self) -> String {
        let mut text = format!("{0}x{0}, {1} channels", self.kernel, self.channels);
        if self.stride > 1 {
            text.push_str(&format!(", stride {}", self.stride));
        }
        if self.padding > 0 {
            text.push_str(&format!(", padding {}", self.padding));
        }
        text
    }

    fn has_parameters(&self) -> bool {
        true
    }

    fn is_random(&self) -> bool {
        false
    }

    fn output(&self, [c, h, w]: Shape, tensors: &mut Tensors) -> Result<Shape, String> {
        let Conv { channels, kernel, stride, padding } = *self;
        if !(1..=4096).contains(&channels) || kernel == 0 {
            return Err(format!("{channels} channels with a kernel of {kernel}"));
        }
        if !(1..=4096).contains(&stride) || padding > 4096 {
            return Err(format!(
                "a stride of {stride} with a padding of {padding}; they may be 1 to 4096 and 0 to 4096"
            ));
        }
        let [tall, wide] = [h, w].map(|side| side + 2 * padding);
        if kernel > tall || kernel > wide {
            let padded = if padding > 0 { format!(", padded to {tall}x{wide}") } else { String::new() };
            return Err(format!("a {kernel}x{kernel} kernel is larger than its {h}x{w} input{padded}"));
        }
        let initial = Initial::Uniform { fan_in: c * kernel * kernel };
        tensors.learning("weight", vec![channels, c, kernel, kernel], initial);
        tensors.learning("bias", vec![channels], initial);
        Ok([channels, (tall - kernel) / stride + 1, (wide - kernel) / stride + 1])
    }

    fn multiply_adds(&self, input: Shape, output: Shape) -> usize {
        count(output) * input[0] * self.kernel * self.kernel
    }

    fn takes(&self, next: &Layer, tiles: &Tiles) -> bool {
        matches!(next, Layer::MaxPool(pool) if tiles.fuses(self.window(), pool.size))
    }

    fn forward(&self, stage: &Stage, to: &mut Builder) -> Result<(), PlanError> {
        let (label, tiles) = (stage.label("forward"), to.tiles);
        let (x, w, b, y) = (&*stage.x, &*stage.of("weight"), &*stage.of("bias"), &*stage.y());
        let Some(shape) = self.fused(stage, to) else {
            return to.step(ConvForward(self.shape(stage, to.padded), tiles), &label, &[x, w, b, y]);
        };
        let [x_len, y_len] = shape.image();
        let part = to.part(&[x_len], &[y_len]);
        let kernel = ConvPoolForward(of_part(shape, part), tiles);
        to.steps(kernel, &label, &[x, w, b, y, &stage.of("winner")], to.padded / part)
    }

    fn backward_weight(&self, stage: &Stage, to: &mut Builder) -> Result<(), PlanError> {
        // The first layer has no input gradient beside which it could run.
        let tiles = if stage.number == 0 { to.tiles.alone() } else { to.tiles };
        let label = stage.label("backward weight");
        let (dy, x, winner) = (&*stage.dy(), &*stage.x, &*stage.of("winner"));
        let [dw, db] = ["weight", "bias"].map(|tensor| stage.gradient(tensor));
        let slices = if let Some(shape) = self.fused(stage, to) {
            let part = of_part(shape, to.part(&shape.image(), &[]));
            let elements = tiles.conv_pool_slices(&part) as usize * shape.lens().1;
            let parts = to.carrying(part.conv.batch, elements);
            let part = of_part(shape, to.padded / parts);
            let slices = tiles.conv_pool_slices(&part);
            let kernel = ConvPoolBackwardWeight(part, slices, tiles);
            to.sums(kernel, &label, &[dy, winner, x], [&dw, &db], parts)?;
            slices
        } else {
            let shape = self.shape(stage, to.padded);
            let slices = tiles.conv_slices(&shape);
            to.step(ConvBackwardWeight(shape, slices), &label, &[dy, x, &dw, &db])?;
            slices
        };
        to.learn(&stage.of("weight"), slices);
        to.learn(&stage.of("bias"), slices);
        Ok(())
    }

    fn backward_input(&self, stage: &Stage, to: &mut Builder) -> Result<(), PlanError> {
        let (label, tiles) = (stage.label("backward input"), to.tiles);
        let (dy, w, x, dx) = (&*stage.dy(), &*stage.of("weight"), &*stage.x, &*stage.dx());
        let Some(whole) = self.fused(stage, to) else {
            return to.step(ConvBackwardInput(self.shape(stage, to.padded), tiles), &label, &[dy, w, x, dx]);
        };
        let [x_len, y_len] = whole.image();
        let shape = of_part(whole, to.part(&[y_len], &[x_len]));
        let parts = to.padded / shape.conv.batch;
        let bindings = [dy, &stage.of("winner"), w, x, dx];
        to.steps(ConvPoolBackwardInput(shape, tiles), &label, &bindings, parts)
    }
}
