//! The sets that are known by name: where they come from and how they are recognised.

/// A data set that can be fetched.
#[derive(Clone, Debug)]
pub struct Known {
    pub name: &'static str,
    pub title: &'static str,
    pub licence: &'static str,
    /// Who made it, for citing.
    pub citation: &'static str,
    /// Base addresses, in the order in which they are tried.
    pub mirrors: &'static [&'static str],
    pub files: [File; 4],
    /// Mean and deviation that everybody uses; computed from the training images where there are none.
    pub normalisation: Option<(f32, f32)>,
}

/// One file of a set.
#[derive(Clone, Copy, Debug)]
pub struct File {
    pub name: &'static str,
    pub check: Check,
}

/// What tells that a file is the right one, in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// SHA-256 of the uncompressed content.
    Sha256(&'static str),
    /// MD5 of the compressed file, where that is all that is published.
    Md5(&'static str),
}

/// Names of the four files: training images and labels, test images and labels.
pub const NAMES: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

const fn files(checks: [Check; 4]) -> [File; 4] {
    [
        File { name: "train-images-idx3-ubyte.gz", check: checks[0] },
        File { name: "train-labels-idx1-ubyte.gz", check: checks[1] },
        File { name: "t10k-images-idx3-ubyte.gz", check: checks[2] },
        File { name: "t10k-labels-idx1-ubyte.gz", check: checks[3] },
    ]
}

/// Every known set.
pub const KNOWN: [Known; 3] = [
    Known {
        name: "mnist",
        title: "MNIST, handwritten digits",
        licence: "CC BY-SA 3.0",
        citation: "Y. LeCun, C. Cortes, C. J. C. Burges: The MNIST database of handwritten digits, 1998",
        mirrors: &[
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://raw.githubusercontent.com/fgnt/mnist/master/",
        ],
        files: files([
            Check::Sha256("ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
            Check::Sha256("65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
            Check::Sha256("0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
            Check::Sha256("ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
        ]),
        normalisation: Some((0.1307, 0.3081)),
    },
    Known {
        name: "fashion",
        title: "Fashion-MNIST, articles of clothing",
        licence: "MIT",
        citation: "H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST, arXiv 1708.07747, 2017",
        mirrors: &[
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ],
        files: files([
            Check::Md5("8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
            Check::Md5("25c81989df183df01b3e8a0aad5dffbe"),
            Check::Md5("bef4ecab320f06d8554ea6380940ec79"),
            Check::Md5("bb300cfdad3c16e7a12a480ee83cd310"),
        ]),
        normalisation: None,
    },
    Known {
        name: "kmnist",
        title: "Kuzushiji-MNIST, cursive Japanese characters",
        licence: "CC BY-SA 4.0",
        citation: "T. Clanuwat et al.: Deep Learning for Classical Japanese Literature, arXiv 1812.01718, 2018",
        mirrors: &["https://codh.rois.ac.jp/kmnist/dataset/kmnist/", "http://codh.rois.ac.jp/kmnist/dataset/kmnist/"],
        files: files([
            Check::Md5("bdb82020997e1d708af4cf47b453dcf7"),
            Check::Md5("e144d726b3acfaa3e44228e80efcd344"),
            Check::Md5("5c965bf0a639b31b8f53240b1b52f4d7"),
            Check::Md5("7320c461ea6c1c855c0b718fb2a4b134"),
        ]),
        normalisation: None,
    },
];

/// A known set by its name.
pub fn find(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}
