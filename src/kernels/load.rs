//! Loading a batch of the data set: images, randomly augmented images, and features of frozen layers.

use super::*;

/// Sizes of `load_images`. `batch` is the number of rows written, `set` the number of images in the data set, `rows`
/// the number of rows of an epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoadShape {
    pub batch: u32,
    pub pixels: u32,
    pub set: u32,
    pub rows: u32,
}

/// Sizes of `augment_images`, as in [`LoadShape`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AugmentShape {
    pub batch: u32,
    pub height: u32,
    pub width: u32,
    pub set: u32,
    pub rows: u32,
}

/// Sizes of `load_features`: `len` is the number of features of an image; the others are as in [`LoadShape`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FeatureShape {
    pub batch: u32,
    pub len: u32,
    pub set: u32,
    pub rows: u32,
}

/// Number of augmentation bounds, including unused elements.
pub const AUGMENT: usize = 12;

/// The packed bytes of a data set, of which a batch reads `batch` images.
fn images(set: u32, pixels: u32, batch: u32) -> Port {
    let words = (set as usize * pixels as usize).div_ceil(4);
    read_u32("images", words).touching(batch as u64 * pixels as u64)
}

#[derive(Clone, Debug, PartialEq)]
pub struct LoadImages(pub LoadShape, pub Tiles);

impl Definition for LoadImages {
    const WGSL: &'static str = shader!("load_images");
    const FAULTS: Faults = &[
        ("let row = cursor.start + n;", "let row = n;"),
        ("if row >= cursor.total {", "if row > cursor.total {"),
        ("(image + p + q) % 4u * 8u", "(p + q) % 4u * 8u"),
        ("|| p + q < end", "|| p + q <= end"),
        ("let first = id.x * tile_p;", "let first = id.x * 4u;"),
        ("y[n * pixels + p] = 0.0;", ""),
        ("byte_values[byte / 4u][byte % 4u]", "byte_values[byte / 4u][byte & 2u]"),
    ];

    fn constants(&self) -> Constants {
        let LoadImages(s, tiles) = self;
        constants![s => pixels, @tile_p = tiles.load_p, @wg = tiles.workgroup]
    }

    fn ports(&self) -> Vec<Port> {
        let LoadImages(s, _) = self;
        vec![
            images(s.set, s.pixels, s.batch),
            order(s.rows, s.set, s.batch),
            cursor(),
            uniform("byte_values", Element::F32, 256),
            write("y", size([s.batch, s.pixels])),
        ]
    }

    fn workgroups(&self) -> [u32; 3] {
        let LoadImages(s, tiles) = self;
        [tiles.groups(s.pixels.div_ceil(tiles.load_p).into()), s.batch, 1]
    }

    fn iterations(&self) -> u64 {
        self.1.load_p.into()
    }

    fn flops(&self) -> [u64; 2] {
        [0, 0]
    }

    fn cases() -> Vec<Setting<LoadImages>> {
        let [software, integrated, discrete] = Tiles::ALL;
        [
            (4, 784, 9, 7, 0, integrated),
            (3, 5, 11, 11, 9, software),
            (1, 1, 70, 70, 69, discrete),
            (5, 27, 6, 3, 0, discrete),
            (2, 66, 8, 8, 4, software),
            (4, 784, 9, 7, 5, software),
        ]
        .map(|(batch, pixels, set, rows, start, tiles)| {
            let kernel = LoadImages(LoadShape { batch, pixels, set, rows }, tiles);
            Setting::new(kernel, Fill::EXACT).at([3, start, rows])
        })
        .to_vec()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct AugmentImages(pub AugmentShape, pub Tiles);

impl Definition for AugmentImages {
    const WGSL: &'static str = shader!("augment_images");
    const FAULTS: Faults = &[
        ("let row = cursor.start + n;", "let row = n;"),
        ("if row >= cursor.total {", "if row > cursor.total {"),
        ("order[row]", "row"),
        ("+ places[row])", "+ row + 0u * places[row])"),
        ("+ u32(augment[0].y))", ")"),
        ("(x_at >> 5u) & 255", "0"),
        ("+ 32768) >> 16u", ") >> 16u"),
        ("for (var e = 0; e < 2; e++) {\n        let twice", "for (var e = 0; e < 1; e++) {\n        let twice"),
        ("- t3 / 6", ""),
        ("+ t4 / 24", ""),
        ("(s * slant + c * scale_y) >> 14u", "(c * scale_y) >> 14u"),
        ("below(base, 8u, 2) == 1", "true"),
        ("i < erased_i + erased_h", "i <= erased_i + erased_h"),
        ("(W - 1) * 4096 + shift_x", "W * 4096 + shift_x"),
        ("bend(base, i, j, 1u)", "bend(base, i, j, 0u)"),
        ("u32((u + e) * 8 + v)", "u32((u + e) * 7 + v)"),
        ("j >= 0 && j < W;", "j >= 0 && j <= W;"),
    ];

    fn constants(&self) -> Constants {
        let AugmentImages(s, tiles) = self;
        constants![s => height, width, @tile_p = tiles.load_p, @wg = tiles.workgroup]
    }

    fn ports(&self) -> Vec<Port> {
        let AugmentImages(s, _) = self;
        let pixels = s.height * s.width;
        vec![
            images(s.set, pixels, s.batch),
            order(s.rows, s.set, s.batch),
            read_u32("places", s.rows as usize).touching(4 * u64::from(s.batch)),
            cursor(),
            uniform("byte_values", Element::F32, 256),
            uniform("augment", Element::U32, AUGMENT).of(Values::Augment),
            write("y", size([s.batch, pixels])),
        ]
    }

    fn workgroups(&self) -> [u32; 3] {
        let AugmentImages(s, tiles) = self;
        [tiles.groups((s.height * s.width).div_ceil(tiles.load_p).into()), s.batch, 1]
    }

    fn iterations(&self) -> u64 {
        self.1.load_p.into()
    }

    fn flops(&self) -> [u64; 2] {
        [0, 0]
    }

    fn cases() -> Vec<Setting<AugmentImages>> {
        let [software, integrated, discrete] = Tiles::ALL;
        [
            (3, 28, 28, 9, 7, 0, software),
            (4, 28, 28, 9, 7, 5, integrated),
            // A quarter of the image is not a whole number of pixels, or is less than one.
            (5, 13, 7, 6, 5, 0, discrete),
            (6, 3, 2, 8, 6, 0, software),
            (2, 40, 61, 3, 2, 0, integrated),
        ]
        .map(|(batch, height, width, set, rows, start, tiles)| {
            let kernel = AugmentImages(AugmentShape { batch, height, width, set, rows }, tiles);
            // Bytes map to table entries, which are exact.
            Setting::new(kernel, &[Fill::Integers, Fill::Random]).at([3, start, rows])
        })
        .to_vec()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct LoadFeatures(pub FeatureShape, pub Tiles);

impl LoadFeatures {
    fn tile_i(&self) -> u32 {
        divisor(self.0.len, self.1.load_i)
    }
}

impl Definition for LoadFeatures {
    const WGSL: &'static str = shader!("load_features");
    const FAULTS: Faults = &[
        ("let row = cursor.start + n;", "let row = n;"),
        ("if row >= cursor.total {", "if row > cursor.total {"),
        ("order[row] * len", "row * len"),
        ("features[image + i + t * LANES]", "features[image + i + t]"),
        ("y[n * len + i + t * LANES] = 0.0;", ""),
    ];

    fn constants(&self) -> Constants {
        let LoadFeatures(s, tiles) = self;
        constants![s => len, @tile_i = self.tile_i(), @wg = tiles.workgroup]
    }

    fn ports(&self) -> Vec<Port> {
        let LoadFeatures(s, _) = self;
        vec![
            read("features", size([s.set, s.len])).touching(4 * product([s.batch, s.len])),
            order(s.rows, s.set, s.batch),
            cursor(),
            write("y", size([s.batch, s.len])),
        ]
    }

    fn workgroups(&self) -> [u32; 3] {
        let LoadFeatures(s, tiles) = self;
        [tiles.groups((s.len / self.tile_i()).into()), s.batch, 1]
    }

    fn iterations(&self) -> u64 {
        self.tile_i().into()
    }

    fn flops(&self) -> [u64; 2] {
        [0, 0]
    }

    fn cases() -> Vec<Setting<LoadFeatures>> {
        let [software, integrated, discrete] = Tiles::ALL;
        // The last number is the number of rows of the epoch, which may be less than the capacity of the order.
        [
            (4, 320, 9, 7, 0, software, 7),
            (3, 5, 11, 12, 9, software, 11),
            (5, 34, 6, 9, 0, integrated, 3),
            (70, 3, 8, 80, 4, discrete, 73),
        ]
        .map(|(batch, len, set, rows, start, tiles, total)| {
            let kernel = LoadFeatures(FeatureShape { batch, len, set, rows }, tiles);
            Setting::new(kernel, Fill::EXACT).at([3, start, total])
        })
        .to_vec()
    }
}
