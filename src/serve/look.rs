//! The answer to one drawing, with the outputs of all layers and an attribution map.

use crate::data::Grey;
use crate::explain::{Device as Explainer, Differentiable, ExplainError, Settings, integrated_gradients, largest};
use crate::gpu::Device;
use crate::layers::Node;
use crate::model::Model;
use crate::notes::note;
use crate::recorder::{Options, Work, hidden};
use crate::train::{Answer, Output, TrainError, image_size, most_probable, softmax};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::path::Path;

/// Points on the line of integrated gradients, computed in one batch.
const POINTS: usize = 8;

/// A model on a device, ready for single drawings.
pub struct Eye<'a> {
    /// For the answer and the outputs of layers.
    one: Explainer<'a>,
    /// For the attribution map.
    line: Explainer<'a>,
    /// Layers whose output is stored.
    nodes: Vec<Node>,
    hidden: Option<Output>,
    byte_values: Vec<f32>,
}

impl<'a> Eye<'a> {
    /// Uploads a model.
    ///
    /// # Errors
    /// If it does not fit the device, or the device fails.
    pub fn new(device: &'a Device, model: &Model) -> Result<Eye<'a>, ExplainError> {
        let options = Options { work: Work::Explain, unfused: true, ..Options::new(1, 1, 1, device.tiles) };
        let nodes = model.network.nodes().iter().filter(|node| !node.layer.is_random());
        let mut eye = Eye {
            one: Explainer::with_batch(device, model, 1)?,
            line: Explainer::with_batch(device, model, POINTS)?,
            nodes: nodes.cloned().collect(),
            hidden: hidden(&model.network, &options).filter(|_| model.novelty.is_some()),
            byte_values: model.normalisation.byte_values(),
        };
        // Drivers compile shaders when they are first used, which the first drawing must not wait for.
        let size = image_size(&model.network);
        let pixels = vec![eye.byte_values[0]; size[0] * size[1]];
        for network in [&mut eye.one, &mut eye.line] {
            network.slopes(std::slice::from_ref(&pixels), &[0])?;
        }
        Ok(eye)
    }

    /// Looks at a picture: the answer with its note, the image that the network gets, the output of each layer, and the
    /// attribution map of the answer.
    ///
    /// # Errors
    /// If the device fails or an output is not finite.
    pub fn look(&mut self, model: &Model, grey: &Grey) -> Result<Value, ExplainError> {
        let size = image_size(&model.network);
        let image = model.prepare.apply(Path::new("the picture"), grey, size).map_err(TrainError::from)?;
        let pixels: Vec<f32> = image.bytes.iter().map(|&byte| self.byte_values[usize::from(byte)]).collect();
        let (answer, outputs) = self.answer(model, &pixels)?;
        let (class, _) = most_probable(&answer.probabilities);
        let settings = Settings { points: POINTS, ..Settings::default() };
        let map = integrated_gradients(&settings, &mut self.line, &pixels, size, self.byte_values[0], class)?;
        let named = model.class_names.iter().zip(&answer.probabilities);
        let classes: Vec<Value> =
            named.map(|(class, probability)| json!({"class": class, "probability": probability})).collect();
        let layer = |(node, output): (&Node, &Vec<f32>)| {
            let describe = node.layer.describe();
            json!({"name": node.name, "describe": describe, "shape": node.output, "values": scaled(output)})
        };
        Ok(json!({
            "class": model.class_names[class],
            "classes": classes,
            "ink": image.ink,
            "note": note(&image, &answer, "; draw one"),
            "image": {"height": image.height, "width": image.width, "bytes": STANDARD.encode(&image.bytes)},
            "layers": self.nodes.iter().zip(&outputs).map(layer).collect::<Vec<Value>>(),
            "map": scaled(&map),
        }))
    }

    /// Probabilities and novelty of an image, and the outputs of the layers.
    fn answer(&mut self, model: &Model, pixels: &[f32]) -> Result<(Answer, Vec<Vec<f32>>), ExplainError> {
        let logits = self.one.slopes(&[pixels.to_vec()], &[0])?.remove(0).logits;
        let probabilities = softmax(&logits);
        if !probabilities.iter().all(|p| p.is_finite()) {
            return Err(TrainError::NoAnswer { image: 0 }.into());
        }
        let of = |node: &Node| (format!("{}.out", node.name), node.output.iter().product());
        let wanted: Vec<Output> = self.nodes.iter().map(of).chain(self.hidden.clone()).collect();
        let mut outputs = self.one.outputs(&wanted)?;
        let hidden = outputs.split_off(self.nodes.len());
        let (class, _) = most_probable(&probabilities);
        let known = model.novelty.as_ref().zip(hidden.first());
        let novelty = known.and_then(|(novelty, hidden)| novelty.of(hidden, &[class]).first().copied());
        Ok((Answer { probabilities, novelty }, outputs))
    }
}

/// Values as signed bytes in base64, of which 127 stands for the largest magnitude.
fn scaled(values: &[f32]) -> String {
    let largest = largest(values);
    let bytes: Vec<u8> = values.iter().map(|value| (value / largest * 127.0).round() as i8 as u8).collect();
    STANDARD.encode(bytes)
}
