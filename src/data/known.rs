//! Data sets known by name: where they come from and how they are verified.

/// A data set that can be downloaded.
#[derive(Clone, Debug)]
pub struct Known {
    pub name: &'static str,
    pub title: &'static str,
    pub licence: &'static str,
    /// Authors and source, for citing.
    pub citation: &'static str,
    /// Base addresses, in the order in which they are tried.
    pub mirrors: &'static [&'static str],
    pub files: [File; 4],
    /// The archive that has the files, if any.
    pub archive: Option<File>,
    /// Folder in the cache.
    pub folder: &'static str,
    pub layout: Layout,
    /// A word for each class; if empty, the labels are used.
    pub class_names: &'static str,
    /// Commonly used mean and deviation; computed from the training images if `None`.
    pub normalisation: Option<(f32, f32)>,
}

impl Known {
    /// Names of the classes, if they have any.
    pub fn class_names(&self) -> Option<Vec<String>> {
        (!self.class_names.is_empty()).then(|| self.class_names.split(' ').map(str::to_string).collect())
    }
}

/// One file of a set.
#[derive(Clone, Copy, Debug)]
pub struct File {
    pub name: &'static str,
    pub check: Check,
}

/// How a file is verified, in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// SHA-256 of the uncompressed content.
    Sha256(&'static str),
    /// MD5 of the compressed file, if nothing else is published.
    Md5(&'static str),
    /// Unpacked from a verified archive.
    Unpacked,
}

/// How a set's files differ from MNIST's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Images are transposed: columns come first.
    pub transposed: bool,
    /// The label of the first class.
    pub first_label: u8,
    /// Labels are rows of 32-bit integers, the first of which is the class.
    pub columns: bool,
}

/// The same layout as MNIST.
const PLAIN: Layout = Layout { transposed: false, first_label: 0, columns: false };

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

const fn unpacked(name: &'static str) -> File {
    File { name, check: Check::Unpacked }
}

/// A split of EMNIST; all splits come in one archive.
const fn emnist(
    name: &'static str,
    title: &'static str,
    files: [&'static str; 4],
    first_label: u8,
    class_names: &'static str,
) -> Known {
    Known {
        name,
        title,
        licence: "public domain",
        citation: "G. Cohen, S. Afshar, J. Tapson, A. van Schaik: EMNIST, arXiv 1702.05373, 2017",
        mirrors: &[
            "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/",
            "https://biometrics.nist.gov/cs_links/EMNIST/",
        ],
        files: [unpacked(files[0]), unpacked(files[1]), unpacked(files[2]), unpacked(files[3])],
        archive: Some(File { name: "gzip.zip", check: Check::Md5("58c8d27c78d21e728a6bc7b3cc06412e") }),
        folder: "emnist",
        layout: Layout { transposed: true, first_label, columns: false },
        class_names,
        normalisation: None,
    }
}

macro_rules! emnist_files {
    ($split:literal) => {
        [
            concat!("emnist-", $split, "-train-images-idx3-ubyte.gz"),
            concat!("emnist-", $split, "-train-labels-idx1-ubyte.gz"),
            concat!("emnist-", $split, "-test-images-idx3-ubyte.gz"),
            concat!("emnist-", $split, "-test-labels-idx1-ubyte.gz"),
        ]
    };
}

const LETTERS: &str = "A B C D E F G H I J K L M N O P Q R S T U V W X Y Z";
const BALANCED: &str = "0 1 2 3 4 5 6 7 8 9 A B C D E F G H I J K L M N O P Q R S T U V W X Y Z a b d e f g h n q r t";
const BY_CLASS: &str = "0 1 2 3 4 5 6 7 8 9 A B C D E F G H I J K L M N O P Q R S T U V W X Y Z a b c d e f g h i j k l m n o p q r s t u v w x y z";

/// Every known set.
pub const KNOWN: [Known; 10] = [
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
        archive: None,
        folder: "mnist",
        layout: PLAIN,
        class_names: "",
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
        archive: None,
        folder: "fashion",
        layout: PLAIN,
        class_names: "T-shirt Trouser Pullover Dress Coat Sandal Shirt Sneaker Bag Boot",
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
        archive: None,
        folder: "kmnist",
        layout: PLAIN,
        class_names: "o ki su tsu na ha ma ya re wo",
        normalisation: None,
    },
    Known {
        name: "qmnist",
        title: "QMNIST, MNIST rebuilt, with 60,000 test images",
        licence: "BSD-style",
        citation: "C. Yadav, L. Bottou: Cold Case: The Lost MNIST Digits, arXiv 1905.10498, 2019",
        mirrors: &["https://raw.githubusercontent.com/facebookresearch/qmnist/master/"],
        files: [
            File { name: "qmnist-train-images-idx3-ubyte.gz", check: Check::Md5("ed72d4157d28c017586c42bc6afe6370") },
            File { name: "qmnist-train-labels-idx2-int.gz", check: Check::Md5("0058f8dd561b90ffdd0f734c6a30e5e4") },
            File { name: "qmnist-test-images-idx3-ubyte.gz", check: Check::Md5("1394631089c404de565df7b7aeaf9412") },
            File { name: "qmnist-test-labels-idx2-int.gz", check: Check::Md5("5b5b05890a5e13444e108efe57b788aa") },
        ],
        archive: None,
        folder: "qmnist",
        layout: Layout { transposed: false, first_label: 0, columns: true },
        class_names: "",
        normalisation: Some((0.1307, 0.3081)),
    },
    emnist("emnist-letters", "EMNIST letters, both cases in one class", emnist_files!("letters"), 1, LETTERS),
    emnist("emnist-balanced", "EMNIST, digits and letters, balanced", emnist_files!("balanced"), 0, BALANCED),
    emnist("emnist-bymerge", "EMNIST, digits and letters, merged", emnist_files!("bymerge"), 0, BALANCED),
    emnist("emnist-byclass", "EMNIST, digits and letters, all", emnist_files!("byclass"), 0, BY_CLASS),
    emnist("emnist-digits", "EMNIST digits", emnist_files!("digits"), 0, ""),
    emnist("emnist-mnist", "EMNIST, MNIST's digits rebuilt", emnist_files!("mnist"), 0, ""),
];

/// Finds a known set by name.
pub fn find(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}
