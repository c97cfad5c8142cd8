//! Saved models are loaded unchanged, and invalid files are rejected.

use super::tensors::natural;
use super::*;
use crate::model::initialise;
use safetensors::tensor::{Dtype, TensorView};

fn model() -> Model {
    let network = Network::tutorial([1, 28, 28], 10).unwrap();
    Model {
        novelty: None,
        notices: Vec::new(),
        parameters: initialise(&network, 5),
        network,
        normalisation: Normalisation::MNIST,
        prepare: Prepare::Resize,
        class_names: numbered_classes(10),
        training: serde_json::json!({"epochs": 3}),
    }
}

#[test]
fn what_is_saved_is_loaded_and_saved_again_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a.safetensors"), folder.path().join("b.safetensors"));
    model().save(&a).unwrap();
    let loaded = Model::load(&a).unwrap();
    assert_eq!(loaded, model());
    loaded.save(&b).unwrap();
    assert_eq!(std::fs::read(a).unwrap(), std::fs::read(b).unwrap());
}

#[test]
fn bad_files_are_told_by_name_and_tensor() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.safetensors");
    let error = |path: &Path| Model::load(path).unwrap_err().to_string();
    let tensors = || named(&model().network, &model().parameters, "");

    let mut cut = tensors();
    cut.pop();
    write_bare(&path, &cut);
    assert!(error(&path).contains("has no fc2.bias"), "{}", error(&path));
    let mut cut = tensors();
    cut.remove(3);
    write_bare(&path, &cut);
    assert!(error(&path).contains("bad.safetensors has no tensor conv2.bias"), "{}", error(&path));
    let mut extra = tensors();
    extra.push(("fc3.bias".into(), vec![1], vec![0.0]));
    write_bare(&path, &extra);
    assert!(error(&path).contains("fc3.bias that the network does not have"), "{}", error(&path));
    let mut counted = tensors();
    counted.push(("bn1.num_batches_tracked".into(), vec![], vec![7.0]));
    write_bare(&path, &counted);
    assert_eq!(Model::load(&path).unwrap().parameters, model().parameters, "PyTorch's counter is ignored");
    let mut nan = tensors();
    nan[2].2[7] = f32::NAN;
    write_bare(&path, &nan);
    assert!(error(&path).contains("conv2.weight has NaN at index 7"), "{}", error(&path));
    let mut shape = tensors();
    shape[4].1 = vec![320, 50];
    write_bare(&path, &shape);
    assert!(error(&path).contains("fc1.weight has shape [320, 50], but the network needs [50, 320]"));
    assert!(error(&path).contains("read as the tutorial's network"));
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 100]).unwrap();
    assert!(error(&path).contains("is not a valid safetensors file"));
    assert!(error(&folder.path().join("nowhere")).contains("nowhere"));
    assert!(error(folder.path()).contains("folder without model.safetensors"));
}

#[test]
fn layers_of_other_names_are_known_by_their_shapes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.safetensors");
    let renamed = |names: [&str; 4]| {
        let ours = ["conv1", "conv2", "fc1", "fc2"];
        let rename = |(name, shape, values): Named| {
            let (layer, rest) = name.split_once('.').unwrap();
            let at = ours.iter().position(|own| *own == layer).unwrap();
            (format!("{}.{rest}", names[at]), shape, values)
        };
        named(&model().network, &model().parameters, "").into_iter().map(rename).collect::<Vec<Named>>()
    };
    for names in [["0", "3", "7", "10"], ["z.conv", "y.conv", "a.0", "a.2"], ["conv1", "conv2", "fc1", "out"]] {
        write_bare(&path, &renamed(names));
        let loaded = Model::load(&path).unwrap();
        assert_eq!(loaded.parameters, model().parameters, "{names:?}");
        let own = ["conv1", "conv2", "fc1", "fc2"].into_iter().zip(names);
        let renamed: Vec<String> =
            own.filter(|(own, name)| own != name).map(|(own, name)| format!("{name} is {own}")).collect();
        let expected = format!("by their shapes, {}", renamed.join(", "));
        assert!(loaded.notices[0].ends_with(&expected), "{:?}", loaded.notices);
        assert_eq!(load_parameters(&path, &model().network).unwrap().0, model().parameters);
    }
    // Names in front of the layers' are taken off first.
    let wrapped = ["module.a", "module.b", "module.c", "module.d"];
    write_bare(&path, &renamed(wrapped));
    assert_eq!(Model::load(&path).unwrap().notices.len(), 2);
    // One tensor more, or another shape, and nothing is guessed.
    let mut more = renamed(["0", "3", "7", "10"]);
    more.push(("11.bias".into(), vec![3], vec![0.0; 3]));
    write_bare(&path, &more);
    assert!(Model::load(&path).unwrap_err().to_string().contains("its tensors are"));
    // Two layers of the same shapes are told apart by the numbers in their names, or not at all.
    let layers = [Layer::linear(784), Layer::linear(784), Layer::linear(2)];
    let twins = Network::new([1, 28, 28], &layers).unwrap();
    let values = initialise(&twins, 3);
    let renamed = |names: [&str; 3]| {
        let rename = |(name, shape, values): Named| {
            let (layer, rest) = name.split_once('.').unwrap();
            let at = ["fc1", "fc2", "fc3"].iter().position(|own| *own == layer).unwrap();
            (format!("{}.{rest}", names[at]), shape, values)
        };
        named(&twins, &values, "").into_iter().map(rename).collect::<Vec<Named>>()
    };
    for (names, is_known) in
        [(["9", "10", "11"], true), (["fc1", "fc2", "out"], true), (["last", "first", "out"], false)]
    {
        write_bare(&path, &renamed(names));
        let loaded = load_parameters(&path, &twins);
        assert_eq!(loaded.is_ok(), is_known, "{names:?}");
        assert!(loaded.is_err() || loaded.is_ok_and(|(loaded, _)| loaded == values), "{names:?}");
    }
    assert!(
        natural("a.9") < natural("a.10") && natural("conv2") < natural("conv10") && natural("a.9") < natural("b.1")
    );
}

fn write_bare(path: &Path, tensors: &[Named]) {
    let bytes: Vec<Vec<u8>> =
        tensors.iter().map(|(_, _, v)| v.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, shape, _), data)| (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), data).unwrap()));
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}
