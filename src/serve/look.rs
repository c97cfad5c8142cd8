//! What a model says of one drawing, and why.

use crate::data::{Grey, Image};
use crate::explain::{Device as Explainer, Differentiable, ExplainError, Settings, integrated_gradients};
use crate::gpu::Device;
use crate::model::{Model, Network};
use crate::notes::note;
use crate::recorder::{Options, Work, hidden};
use crate::train::{Answer, Output, TrainError, image_size, softmax};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::path::Path;

/// Points on the line of integrated gradients, computed in one batch.
const POINTS: usize = 8;

/// A model on a device, ready for single drawings.
pub struct Eye<'a> {
    /// For the answer and the outputs of layers.
    one: Explainer<'a>,
    /// For what speaks for the answer.
    line: Explainer<'a>,
    /// Outputs of all layers, with their names.
    layers: Vec<(String, Output)>,
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
        let mut eye = Eye {
            one: Explainer::with_batch(device, model, 1)?,
            line: Explainer::with_batch(device, model, POINTS)?,
            layers: layers(&model.network),
            hidden: hidden(&model.network, &options),
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

    /// Looks at a picture: the answer with its note, the image that the network gets, the output of each layer, and what speaks
    /// for the answer.
    ///
    /// # Errors
    /// If the device fails or an output is not finite.
    pub fn look(&mut self, model: &Model, grey: &Grey) -> Result<Value, ExplainError> {
        let size = image_size(&model.network);
        let image = model.prepare.apply(Path::new("the picture"), grey, size).map_err(TrainError::from)?;
        let pixels: Vec<f32> = image.bytes.iter().map(|&byte| self.byte_values[usize::from(byte)]).collect();
        let answer = self.answer(model, &pixels)?;
        let most = answer.probabilities.iter().copied().fold(0.0, f64::max);
        let class = answer.probabilities.iter().position(|&p| p == most).unwrap_or(0);
        let outputs: Vec<Output> = self.layers.iter().map(|(_, output)| output.clone()).collect();
        let outputs = self.one.outputs(&outputs)?;
        let settings = Settings { points: POINTS, ..Settings::default() };
        let blank = self.byte_values[0];
        let map = integrated_gradients(&settings, &mut self.line, &pixels, size, blank, class)?;
        let note = note(&image, &answer, "; draw one");
        Ok(self.told(model, &image, &answer, class, note, &outputs, &map))
    }

    /// Probabilities and novelty of an image.
    fn answer(&mut self, model: &Model, pixels: &[f32]) -> Result<Answer, ExplainError> {
        let logits = self.one.slopes(&[pixels.to_vec()], &[0])?.remove(0).logits;
        let probabilities = softmax(&logits);
        if !probabilities.iter().all(|p| p.is_finite()) {
            return Err(TrainError::NoAnswer { image: 0 }.into());
        }
        let most = probabilities.iter().copied().fold(0.0, f64::max);
        let class = probabilities.iter().position(|&p| p == most).unwrap_or(0);
        let novelty = match (&model.novelty, &self.hidden) {
            (Some(novelty), Some(hidden)) => {
                let outputs = self.one.outputs(std::slice::from_ref(hidden))?;
                novelty.of(&outputs[0], &[class]).first().copied()
            }
            _ => None,
        };
        Ok(Answer { probabilities, novelty })
    }

    #[expect(clippy::too_many_arguments, reason = "everything that is told of a drawing")]
    fn told(
        &self,
        model: &Model,
        image: &Image,
        answer: &Answer,
        class: usize,
        note: Option<String>,
        outputs: &[Vec<f32>],
        map: &[f32],
    ) -> Value {
        let classes: Vec<Value> = model
            .class_names
            .iter()
            .zip(&answer.probabilities)
            .map(|(class, probability)| json!({"class": class, "probability": probability}))
            .collect();
        let layer = |(((name, _), output), node): (((&String, &Output), &Vec<f32>), _)| {
            let node: &crate::layers::Node = node;
            json!({
                "name": name, "describe": node.layer.describe(), "shape": node.output, "values": scaled(output),
                "largest": output.iter().fold(0.0_f32, |most, x| most.max(x.abs())),
            })
        };
        let nodes = model.network.nodes().iter().filter(|node| !node.layer.is_random());
        let named = self.layers.iter().map(|(name, output)| (name, output));
        let layers: Vec<Value> = named.zip(outputs).zip(nodes).map(layer).collect();
        json!({
            "class": model.class_names[class],
            "classes": classes,
            "ink": image.ink,
            "note": note,
            "image": {"height": image.height, "width": image.width, "bytes": STANDARD.encode(&image.bytes)},
            "layers": layers,
            "map": scaled(map),
        })
    }
}

/// The stored output of every layer.
fn layers(network: &Network) -> Vec<(String, Output)> {
    let nodes = network.nodes().iter().filter(|node| !node.layer.is_random());
    nodes.map(|node| (node.name.clone(), (format!("{}.out", node.name), node.output.iter().product()))).collect()
}

/// Values as signed bytes in base64, of which 127 stands for the largest magnitude.
fn scaled(values: &[f32]) -> String {
    let largest = crate::explain::largest(values);
    let bytes: Vec<u8> = values.iter().map(|value| (value / largest * 127.0).round() as i8 as u8).collect();
    STANDARD.encode(bytes)
}
