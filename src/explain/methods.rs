//! Maps of what speaks for a class and against it.

use super::{Differentiable, ExplainError, Method, Slope};
use crate::random::{Purpose, Stream};
use std::ops::Range;

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

/// Maximum number of images that are explained together.
const TOGETHER: usize = 32;

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
    size: [usize; 2],
    blank: f32,
    class: Option<usize>,
) -> Result<Map, ExplainError> {
    let mut maps = explain_all(method, settings, network, &[image.to_vec()], size, blank, &[class])?;
    Ok(maps.remove(0))
}

/// Same as [`explain`] for several images at once, which is faster.
///
/// # Errors
/// As [`explain`].
pub fn explain_all(
    method: Method,
    settings: &Settings,
    network: &mut dyn Differentiable,
    images: &[Vec<f32>],
    size: [usize; 2],
    blank: f32,
    classes: &[Option<usize>],
) -> Result<Vec<Map>, ExplainError> {
    let mut maps = Vec::with_capacity(images.len());
    for (images, classes) in images.chunks(TOGETHER).zip(classes.chunks(TOGETHER)) {
        let firsts = firsts(network, images, classes)?;
        let probes: Vec<Vec<Vec<f32>>> =
            images.iter().map(|image| probes(method, settings, image, size, blank)).collect();
        let of_each = firsts.iter().zip(&probes).flat_map(|((class, _), probes)| vec![*class; probes.len()]);
        let mut slopes = network.slopes(&probes.concat(), &of_each.collect::<Vec<_>>())?.into_iter();
        for ((image, (class, first)), probes) in images.iter().zip(firsts).zip(&probes) {
            let slopes: Vec<Slope> = slopes.by_ref().take(probes.len()).collect();
            let logit = first.logits[class];
            let values = match method {
                Method::Saliency => first.input,
                Method::Smoothgrad => mean(&slopes, image.len()).iter().map(|&value| value as f32).collect(),
                Method::IntegratedGradients => integrated(image, &slopes, blank),
                Method::GradCam => grad_cam(&first, network.map_shape().ok_or(ExplainError::NoConvolution)?, size),
                Method::Occlusion => occlusion(settings, logit, &slopes, class, size),
            };
            if !logit.is_finite() || !values.iter().all(|value| value.is_finite()) {
                return Err(ExplainError::NotFinite(format!("class {class}").into()));
            }
            maps.push(Map { class, logit, values });
        }
    }
    Ok(maps)
}

/// Integrated gradients of a class that is known, without its logit: one batch, if the network takes as many images as there
/// are points.
///
/// # Errors
/// If the device fails.
pub fn integrated_gradients(
    settings: &Settings,
    network: &mut dyn Differentiable,
    image: &[f32],
    size: [usize; 2],
    blank: f32,
    class: usize,
) -> Result<Vec<f32>, ExplainError> {
    let probes = probes(Method::IntegratedGradients, settings, image, size, blank);
    let slopes = network.slopes(&probes, &vec![class; probes.len()])?;
    Ok(integrated(image, &slopes, blank))
}

/// The class to explain of each image, and its slope there.
fn firsts(
    network: &mut dyn Differentiable,
    images: &[Vec<f32>],
    classes: &[Option<usize>],
) -> Result<Vec<(usize, Slope)>, ExplainError> {
    let guesses: Vec<usize> = classes.iter().map(|class| class.unwrap_or(0)).collect();
    let mut slopes = network.slopes(images, &guesses)?;
    let most = |logits: &[f32]| {
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        logits.iter().position(|&logit| logit == most).unwrap_or(0)
    };
    let chosen: Vec<usize> =
        classes.iter().zip(&slopes).map(|(class, slope)| class.unwrap_or_else(|| most(&slope.logits))).collect();
    let others: Vec<usize> = (0..images.len()).filter(|&at| chosen[at] != guesses[at]).collect();
    let of = |at: &usize| (images[*at].clone(), chosen[*at]);
    let (other_images, other_classes): (Vec<_>, Vec<_>) = others.iter().map(of).unzip();
    for (at, slope) in others.iter().zip(network.slopes(&other_images, &other_classes)?) {
        slopes[*at] = slope;
    }
    Ok(chosen.into_iter().zip(slopes).collect())
}

/// The images whose slopes a method needs besides that of the image itself.
fn probes(method: Method, settings: &Settings, image: &[f32], size: [usize; 2], blank: f32) -> Vec<Vec<f32>> {
    match method {
        Method::Saliency | Method::GradCam => Vec::new(),
        Method::Smoothgrad => {
            let [least, most] = [f32::min, f32::max].map(|of| image.iter().copied().reduce(of).unwrap_or(0.0));
            let deviation = settings.noise * (most - least);
            let copy = |copy: usize| {
                let mut stream = Stream::new(0, Purpose::Explanation, copy as u32);
                image.iter().map(|x| x + deviation * normal(&mut stream)).collect()
            };
            (0..settings.copies.max(1)).map(copy).collect()
        }
        Method::IntegratedGradients => {
            let points = settings.points.max(1);
            // The midpoint rule.
            let point = |at: usize| {
                let share = (at as f32 + 0.5) / points as f32;
                image.iter().map(|x| blank + share * (x - blank)).collect()
            };
            (0..points).map(point).collect()
        }
        Method::Occlusion => {
            let covered = |(rows, columns): &Square| {
                let mut image = image.to_vec();
                rows.clone().for_each(|i| image[i * size[1]..][columns.clone()].fill(blank));
                image
            };
            squares(settings, size).iter().map(covered).collect()
        }
    }
}

/// The mean gradient, summed in float64.
fn mean(slopes: &[Slope], pixels: usize) -> Vec<f64> {
    let mut sum = vec![0.0; pixels];
    for slope in slopes {
        sum.iter_mut().zip(&slope.input).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    sum.iter().map(|sum| sum / slopes.len() as f64).collect()
}

/// The mean gradient along the line, times the difference to a blank image.
fn integrated(image: &[f32], slopes: &[Slope], blank: f32) -> Vec<f32> {
    image.iter().zip(mean(slopes, image.len())).map(|(x, mean)| (f64::from(x - blank) * mean) as f32).collect()
}

/// A number of the standard normal distribution: the sum of twelve uniform ones, which is close enough and the same
/// everywhere.
fn normal(stream: &mut Stream) -> f32 {
    (0..12).map(|_| stream.unit()).sum::<f32>() - 6.0
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

/// Rows and columns that are covered.
type Square = (Range<usize>, Range<usize>);

/// The positions of the blank square. They reach over the border, so that every pixel is covered equally often.
fn squares(settings: &Settings, [height, width]: [usize; 2]) -> Vec<Square> {
    let (square, stride) = (settings.square.max(1), settings.stride.max(1));
    let starts = |side: usize| {
        (0..side + square - 1).step_by(stride).map(move |end| (end + 1).saturating_sub(square)..(end + 1).min(side))
    };
    starts(height).flat_map(|rows| starts(width).map(move |columns| (rows.clone(), columns))).collect()
}

/// For each pixel the mean fall of the logit over the squares that cover it.
fn occlusion(settings: &Settings, logit: f32, slopes: &[Slope], class: usize, size: [usize; 2]) -> Vec<f32> {
    let pixels = size[0] * size[1];
    let (mut sum, mut count) = (vec![0.0_f64; pixels], vec![0.0_f64; pixels]);
    for ((rows, columns), slope) in squares(settings, size).into_iter().zip(slopes) {
        for at in rows.flat_map(|i| columns.clone().map(move |j| i * size[1] + j)) {
            sum[at] += f64::from(logit) - f64::from(slope.logits[class]);
            count[at] += 1.0;
        }
    }
    sum.iter().zip(count).map(|(sum, count)| (sum / count.max(1.0)) as f32).collect()
}
