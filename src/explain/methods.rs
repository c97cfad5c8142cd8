//! Maps of what speaks for a class and against it.

use super::{Differentiable, ExplainError, Method, Slope};
use crate::random::{Purpose, Stream};

/// Settings of the methods.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Noisy copies of SmoothGrad, and the standard deviation of their noise as a share of the image's range.
    pub copies: usize,
    pub noise: f32,
    /// Points on the line of integrated gradients.
    pub points: usize,
    /// Side of the blank square of occlusion, and the distance between its positions.
    pub square: usize,
    pub stride: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { copies: 50, noise: 0.15, points: 64, square: 5, stride: 2 }
    }
}

/// The attribution map of an image for a class.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    pub class: usize,
    /// The logit of the class, and that of a blank image.
    pub logit: f32,
    /// One value for each pixel, row by row: positive for the class, negative against it.
    pub values: Vec<f32>,
}

/// Explains a class of a normalised image of one channel, or its most probable class. `blank` is the value of a pixel without
/// ink.
///
/// # Errors
/// If the device fails, a result is not finite, or the network has no convolution for Grad-CAM.
pub fn explain(
    method: Method,
    settings: &Settings,
    network: &mut dyn Differentiable,
    image: &[f32],
    [height, width]: [usize; 2],
    blank: f32,
    class: Option<usize>,
) -> Result<Map, ExplainError> {
    let guess = class.unwrap_or(0);
    let first = slope(network, image, guess)?;
    let most = first.logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let class = class.or_else(|| first.logits.iter().position(|&logit| logit == most)).unwrap_or(0);
    let first = if class == guess { first } else { slope(network, image, class)? };
    let logit = first.logits[class];
    let values = match method {
        Method::Saliency => first.input,
        Method::Smoothgrad => smoothgrad(settings, network, image, class)?,
        Method::IntegratedGradients => integrated(settings, network, image, blank, class)?,
        Method::GradCam => grad_cam(&first, network.map_shape().ok_or(ExplainError::NoConvolution)?, [height, width]),
        Method::Occlusion => occlusion(settings, network, image, [height, width], blank, class)?,
    };
    if !logit.is_finite() || !values.iter().all(|value| value.is_finite()) {
        return Err(ExplainError::NotFinite(format!("class {class}").into()));
    }
    Ok(Map { class, logit, values })
}

fn slope(network: &mut dyn Differentiable, image: &[f32], class: usize) -> Result<Slope, ExplainError> {
    let mut slopes = network.slopes(&[image.to_vec()], &[class])?;
    Ok(slopes.remove(0))
}

/// The slopes of one class at several images.
fn slopes(network: &mut dyn Differentiable, images: &[Vec<f32>], class: usize) -> Result<Vec<Slope>, ExplainError> {
    network.slopes(images, &vec![class; images.len()])
}

/// The mean gradient, summed in float64.
fn mean(slopes: &[Slope], pixels: usize) -> Vec<f64> {
    let mut sum = vec![0.0; pixels];
    for slope in slopes {
        sum.iter_mut().zip(&slope.input).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    sum.iter().map(|sum| sum / slopes.len() as f64).collect()
}

fn smoothgrad(
    settings: &Settings,
    network: &mut dyn Differentiable,
    image: &[f32],
    class: usize,
) -> Result<Vec<f32>, ExplainError> {
    let [least, most] = [f32::min, f32::max].map(|of| image.iter().copied().reduce(of).unwrap_or(0.0));
    let deviation = settings.noise * (most - least);
    let copy = |copy: usize| {
        let mut stream = Stream::new(0, Purpose::Explanation, copy as u32);
        image.iter().map(|x| x + deviation * normal(&mut stream)).collect()
    };
    let copies: Vec<Vec<f32>> = (0..settings.copies.max(1)).map(copy).collect();
    Ok(mean(&slopes(network, &copies, class)?, image.len()).iter().map(|&value| value as f32).collect())
}

/// A number of the standard normal distribution: the sum of twelve uniform ones, which is close enough and the same
/// everywhere.
fn normal(stream: &mut Stream) -> f32 {
    (0..12).map(|_| stream.unit()).sum::<f32>() - 6.0
}

fn integrated(
    settings: &Settings,
    network: &mut dyn Differentiable,
    image: &[f32],
    blank: f32,
    class: usize,
) -> Result<Vec<f32>, ExplainError> {
    let points = settings.points.max(1);
    // The midpoint rule.
    let point = |at: usize| {
        let share = (at as f32 + 0.5) / points as f32;
        image.iter().map(|x| blank + share * (x - blank)).collect()
    };
    let line: Vec<Vec<f32>> = (0..points).map(point).collect();
    let mean = mean(&slopes(network, &line, class)?, image.len());
    Ok(image.iter().zip(mean).map(|(x, mean)| (f64::from(x - blank) * mean) as f32).collect())
}

/// The positive part of the weighted sum of the channels, scaled up to the image by bilinear interpolation.
fn grad_cam(slope: &Slope, [channels, rows, columns]: [usize; 3], [height, width]: [usize; 2]) -> Vec<f32> {
    let cells = rows * columns;
    let mut sum = vec![0.0_f64; cells];
    for channel in 0..channels {
        let of =
            |values: &[f32]| values[channel * cells..][..cells].iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
        let weight = of(&slope.map_gradient).iter().sum::<f64>() / cells as f64;
        sum.iter_mut().zip(of(&slope.map)).for_each(|(sum, value)| *sum += weight * value);
    }
    sum.iter_mut().for_each(|value| *value = value.max(0.0));
    // The centre of a cell lies in the middle of the pixels that it stands for.
    let place = |at: usize, from: usize, to: usize| {
        let x = ((at as f64 + 0.5) * from as f64 / to as f64 - 0.5).clamp(0.0, from as f64 - 1.0);
        (x.floor() as usize, (x.floor() as usize + 1).min(from - 1), x.fract())
    };
    let mut map = Vec::with_capacity(height * width);
    for i in 0..height {
        let (top, bottom, down) = place(i, rows, height);
        for j in 0..width {
            let (left, right, across) = place(j, columns, width);
            let row = |i: usize| sum[i * columns + left] * (1.0 - across) + sum[i * columns + right] * across;
            map.push((row(top) * (1.0 - down) + row(bottom) * down) as f32);
        }
    }
    map
}

/// For each pixel the mean fall of the logit over the squares that cover it.
fn occlusion(
    settings: &Settings,
    network: &mut dyn Differentiable,
    image: &[f32],
    [height, width]: [usize; 2],
    blank: f32,
    class: usize,
) -> Result<Vec<f32>, ExplainError> {
    let (square, stride) = (settings.square.max(1), settings.stride.max(1));
    // Squares reach over the border, so that every pixel is covered equally often.
    let starts = |side: usize| {
        (0..side + square - 1).step_by(stride).map(move |end| (end + 1).saturating_sub(square)..(end + 1).min(side))
    };
    let places: Vec<_> =
        starts(height).flat_map(|rows| starts(width).map(move |columns| (rows.clone(), columns))).collect();
    let covered = |(rows, columns): &(std::ops::Range<usize>, std::ops::Range<usize>)| {
        let mut image = image.to_vec();
        rows.clone().for_each(|i| image[i * width..][columns.clone()].fill(blank));
        image
    };
    let images: Vec<Vec<f32>> = std::iter::once(image.to_vec()).chain(places.iter().map(covered)).collect();
    let logits: Vec<f64> = slopes(network, &images, class)?.iter().map(|slope| slope.logits[class].into()).collect();
    let (mut sum, mut count) = (vec![0.0_f64; image.len()], vec![0.0_f64; image.len()]);
    for ((rows, columns), logit) in places.iter().zip(&logits[1..]) {
        for at in rows.clone().flat_map(|i| columns.clone().map(move |j| i * width + j)) {
            sum[at] += logits[0] - logit;
            count[at] += 1.0;
        }
    }
    Ok(sum.iter().zip(count).map(|(sum, count)| (sum / count.max(1.0)) as f32).collect())
}
