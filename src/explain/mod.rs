//! Which pixels of an image speak for an answer.
//!
//! Every method looks at the logit of one class. Most of them use its gradient with respect to the image, which is a plan of
//! its own: the backward kernels of a training step, down to the image, without those for parameters.

mod colours;
mod gradient;
mod methods;

pub use colours::{colour, largest};
pub use gradient::{Buffers, Device, Differentiable, Slope, plan};
pub use methods::{Map, Settings, explain, explain_all, integrated_gradients};

use crate::text::Shown;
use crate::train::TrainError;

/// How an answer is explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Method {
    /// The gradient of the logit.
    ///
    /// K. Simonyan et al., Deep Inside Convolutional Networks, 2013, with its sign.
    Saliency,
    /// The mean gradient over noisy copies of the image.
    ///
    /// D. Smilkov et al., SmoothGrad: removing noise by adding noise, 2017.
    Smoothgrad,
    /// The mean gradient along a straight line from a blank image, times the difference to it.
    ///
    /// M. Sundararajan et al., Axiomatic Attribution for Deep Networks, 2017.
    IntegratedGradients,
    /// The channels of the last convolution, weighted by the mean gradient of each; only what speaks for the class.
    ///
    /// R. Selvaraju et al., Grad-CAM, 2017.
    GradCam,
    /// By how much the logit falls when a part of the image is blank.
    ///
    /// M. Zeiler and R. Fergus, Visualizing and Understanding Convolutional Networks, 2013.
    Occlusion,
}

impl Method {
    pub const ALL: [Method; 5] =
        [Method::Saliency, Method::Smoothgrad, Method::IntegratedGradients, Method::GradCam, Method::Occlusion];

    pub fn name(self) -> &'static str {
        match self {
            Method::Saliency => "saliency",
            Method::Smoothgrad => "smoothgrad",
            Method::IntegratedGradients => "integrated-gradients",
            Method::GradCam => "grad-cam",
            Method::Occlusion => "occlusion",
        }
    }

    /// The method of a name.
    pub fn of(name: &str) -> Option<Method> {
        Method::ALL.into_iter().find(|method| method.name() == name)
    }
}

/// Why an answer cannot be explained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExplainError {
    #[error(transparent)]
    Train(#[from] TrainError),
    #[error("grad-cam needs a convolution, and the network has none; use another method")]
    NoConvolution,
    #[error("the gradient for {0} is not finite: the model's parameters are too large to compute with")]
    NotFinite(Shown),
}
