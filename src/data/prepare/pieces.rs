//! Connected pieces of ink, and the characters that they form.

/// Minimum area of a piece as a fraction of the largest one; smaller ones are specks.
const SPECK: f32 = 0.02;
/// Maximum number of pieces: more are a texture, of which only the largest are kept.
const MOST: usize = 500;
/// Minimum part of a side of the picture that the edge of a table or of the paper covers, and minimum part of the
/// picture's height or width that a frame spans.
const EDGE: f32 = 0.6;
const FRAME: f32 = 0.9;
/// Minimum side of a character beside such an edge, as a fraction of the picture's.
const BESIDE: f32 = 0.1;
/// Minimum part of the picture's height and width that a panel takes, and minimum part of its rows and columns from its
/// first to its last pixel.
const PANEL: f32 = 0.3;
const FILLED: f32 = 0.96;
/// Minimum height of a character, as a fraction of the tallest; lower pieces are dots, strokes or marks.
const TALL: f32 = 0.45;
/// Maximum gap between two pieces of a character, as a fraction of its height.
const GAP: f32 = 0.05;
/// Minimum distance of a small mark from the characters, as a fraction of their height, to be none of their dots.
const FAR: f32 = 0.6;

/// Rows and columns that a piece or a character occupies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub top: usize,
    pub bottom: usize,
    pub left: usize,
    pub right: usize,
}

impl Extent {
    pub fn height(&self) -> usize {
        self.bottom - self.top
    }

    pub fn width(&self) -> usize {
        self.right - self.left
    }

    fn with(self, other: Extent) -> Extent {
        Extent {
            top: self.top.min(other.top),
            bottom: self.bottom.max(other.bottom),
            left: self.left.min(other.left),
            right: self.right.max(other.right),
        }
    }

    /// Columns, or rows, between two boxes; negative if they overlap.
    fn gap_across(&self, other: &Extent) -> i64 {
        self.left.max(other.left) as i64 - self.right.min(other.right) as i64
    }

    fn gap_down(&self, other: &Extent) -> i64 {
        self.top.max(other.top) as i64 - self.bottom.min(other.bottom) as i64
    }
}

/// The pieces of ink in a picture.
pub(super) struct Pieces {
    pub height: usize,
    pub width: usize,
    /// Number of each pixel's piece, from 1; 0 for none.
    names: Vec<u32>,
    /// Extent and area of each piece that is left, by its number less one.
    found: Vec<Option<(Extent, usize)>>,
}

impl Pieces {
    /// Neighbouring pixels with more ink than half, without specks.
    pub fn of(ink: &[f32], width: usize) -> Pieces {
        let height = ink.len() / width;
        let mut names = vec![0_u32; ink.len()];
        let (mut found, mut open) = (Vec::new(), Vec::new());
        for start in 0..ink.len() {
            if ink[start] <= 0.5 || names[start] > 0 {
                continue;
            }
            let name = found.len() as u32 + 1;
            let (mut area, mut extent) = (0, Extent { top: start / width, bottom: 0, left: width, right: 0 });
            open.push(start);
            names[start] = name;
            while let Some(at) = open.pop() {
                area += 1;
                let (i, j) = (at / width, at % width);
                extent = extent.with(Extent { top: i, bottom: i + 1, left: j, right: j + 1 });
                for u in i.saturating_sub(1)..height.min(i + 2) {
                    for v in j.saturating_sub(1)..width.min(j + 2) {
                        let next = u * width + v;
                        if ink[next] > 0.5 && names[next] == 0 {
                            names[next] = name;
                            open.push(next);
                        }
                    }
                }
            }
            found.push(Some((extent, area)));
        }
        let mut pieces = Pieces { height, width, names, found };
        pieces.drop_margins();
        let largest = pieces.iter().map(|(_, _, area)| area).max().unwrap_or(0) as f32;
        pieces.retain(|_, area| area as f32 >= SPECK * largest);
        let mut areas: Vec<(usize, usize)> = pieces.iter().map(|(at, _, area)| (area, at)).collect();
        areas.sort_unstable_by(|a, b| b.cmp(a));
        areas.iter().skip(MOST).for_each(|&(_, at)| pieces.found[at] = None);
        pieces
    }

    fn iter(&self) -> impl Iterator<Item = (usize, Extent, usize)> + '_ {
        self.found.iter().enumerate().filter_map(|(at, piece)| piece.map(|(extent, area)| (at, extent, area)))
    }

    fn retain(&mut self, keep: impl Fn(Extent, usize) -> bool) {
        self.found.iter_mut().for_each(|piece| *piece = piece.filter(|&(extent, area)| keep(extent, area)));
    }

    /// Drops the edge of a table or of the paper along a side of the picture, and frames, if something else is there.
    fn drop_margins(&mut self) {
        let (h, w) = (self.height, self.width);
        let along =
            |name: u32, places: &mut dyn Iterator<Item = usize>| places.filter(|&at| self.names[at] == name).count();
        let margins: Vec<bool> = (0..self.found.len())
            .map(|at| {
                let Some((extent, area)) = self.found[at] else { return false };
                let name = at as u32 + 1;
                let sides = [along(name, &mut (0..w)), along(name, &mut ((h - 1) * w..h * w))];
                let ends = [along(name, &mut (0..h).map(|i| i * w)), along(name, &mut (0..h).map(|i| i * w + w - 1))];
                let edge = sides.iter().any(|&n| n as f32 > EDGE * w as f32)
                    || ends.iter().any(|&n| n as f32 > EDGE * h as f32);
                let frame = extent.height() as f32 > FRAME * h as f32
                    && extent.width() as f32 > FRAME * w as f32
                    && (area as f32) < 0.25 * (h * w) as f32;
                edge || frame
            })
            .collect();
        let is_something =
            |extent: Extent| extent.height() as f32 > BESIDE * h as f32 || extent.width() as f32 > BESIDE * w as f32;
        if self.iter().any(|(at, extent, _)| !margins[at] && is_something(extent)) {
            self.found.iter_mut().zip(margins).for_each(|(piece, margin)| {
                if margin {
                    *piece = None
                }
            });
        }
    }

    /// The inside of a large rectangle: a sheet on a table, a dark screen, or the frame of a plot.
    pub fn panel(&self) -> Option<Extent> {
        let (h, w) = (self.height, self.width);
        let is_large = |of: &Extent| of.height() as f32 > PANEL * h as f32 && of.width() as f32 > PANEL * w as f32;
        let (at, of, _) = self.iter().filter(|(_, of, _)| is_large(of)).max_by_key(|(.., area)| *area)?;
        // The part of a row or column from the first to the last pixel of the piece, and the part that is of it.
        let line = |along: usize, place: &dyn Fn(usize) -> usize| {
            let drawn = || (0..along).filter(|&n| self.names[place(n)] == at as u32 + 1);
            let span = drawn().next_back().map_or(0, |last| last + 1 - drawn().next().unwrap_or(last));
            [span, drawn().count()].map(|n| n as f32 / along as f32)
        };
        let rows: Vec<_> = (of.top..of.bottom).map(|i| line(of.width(), &|n| i * w + of.left + n)).collect();
        let columns: Vec<_> = (of.left..of.right).map(|j| line(of.height(), &|n| (of.top + n) * w + j)).collect();
        let filled = |lines: &[[f32; 2]]| lines.iter().map(|[span, _]| span).sum::<f32>() / lines.len() as f32;
        // A frame has two lines that are drawn throughout, and a sheet many.
        let thick = rows.iter().take_while(|[_, drawn]| *drawn > 0.5).count();
        let frame = if thick < of.height() / 4 { thick } else { 0 };
        let inset = frame + 2 + of.height().max(of.width()) / 60;
        let inside = Extent {
            top: of.top + inset,
            bottom: of.bottom.checked_sub(inset)?,
            left: of.left + inset,
            right: of.right.checked_sub(inset)?,
        };
        (filled(&rows).min(filled(&columns)) > FILLED
            && inside.bottom > inside.top + 8
            && inside.right > inside.left + 8)
            .then_some(inside)
    }

    /// The extent of all pieces.
    pub fn extent(&self) -> Option<Extent> {
        self.iter().map(|(_, extent, _)| extent).reduce(Extent::with)
    }

    /// Characters in reading order: rows from top to bottom, each from left to right. Pieces above one another belong
    /// to one character.
    pub fn characters(&self) -> Vec<Character> {
        let tallest = self.iter().map(|(_, extent, _)| extent.height()).max().unwrap_or(0) as f32;
        let (tall, small): (Vec<_>, Vec<_>) = self
            .iter()
            .map(|(at, extent, _)| (at, extent))
            .partition(|(_, extent)| extent.height() as f32 >= TALL * tallest);
        let mut characters: Vec<Character> = Vec::new();
        for (at, extent) in tall {
            add(&mut characters, Character { extent, pieces: vec![at] });
        }
        for (at, extent) in small {
            let away = |of: &Character| {
                let (across, down) = (of.extent.gap_across(&extent), of.extent.gap_down(&extent));
                across.max(0) + down.max(0)
            };
            let is_near = |of: &&mut Character| {
                away(of) as f32 <= FAR * tallest && of.extent.gap_across(&extent) < (GAP * tallest) as i64
            };
            // Others are marks that belong to no character.
            if let Some(of) = characters.iter_mut().min_by_key(|of| away(of)).filter(is_near) {
                of.pieces.push(at);
                of.extent = of.extent.with(extent);
            }
        }
        let mut rows: Vec<Vec<Character>> = Vec::new();
        characters.sort_by_key(|of| of.extent.top);
        for of in characters {
            let is_of = |row: &&mut Vec<Character>| {
                row.iter().any(|other| {
                    let shared = -other.extent.gap_down(&of.extent);
                    2 * shared > other.extent.height().min(of.extent.height()) as i64
                })
            };
            match rows.iter_mut().find(is_of) {
                Some(row) => row.push(of),
                None => rows.push(vec![of]),
            }
        }
        rows.iter_mut().for_each(|row| row.sort_by_key(|of| of.extent.left));
        rows.into_iter().flatten().collect()
    }

    /// The largest part of their extent along a side of the picture with which some pieces end there.
    pub fn ends(&self, pieces: &[usize]) -> f32 {
        let (h, w) = (self.height, self.width);
        let Some(extent) = self.extent_of(pieces) else { return 0.0 };
        let wanted = self.marked(pieces);
        let along = |start: usize, step: usize, count: usize, of: usize| {
            let is_of = |at: usize| self.names[at] > 0 && wanted[self.names[at] as usize];
            (0..count).filter(|n| is_of(start + n * step)).count() as f32 / of as f32
        };
        let sides = [
            along(0, 1, w, extent.width()),
            along((h - 1) * w, 1, w, extent.width()),
            along(0, w, h, extent.height()),
            along(w - 1, w, h, extent.height()),
        ];
        sides.into_iter().fold(0.0, f32::max)
    }

    /// The ink of some pieces alone, and the width of the part of the picture that holds it.
    pub fn ink_of(&self, pieces: &[usize], ink: &[f32]) -> (Vec<f32>, usize) {
        let Some(Extent { top, bottom, left, right }) = self.extent_of(pieces) else { return (Vec::new(), 0) };
        let wanted = self.marked(pieces);
        let places = (top..bottom).flat_map(|i| (left..right).map(move |j| i * self.width + j));
        let cut = places.map(|at| if wanted[self.names[at] as usize] { ink[at] } else { 0.0 }).collect();
        (cut, right - left)
    }

    fn extent_of(&self, pieces: &[usize]) -> Option<Extent> {
        pieces.iter().filter_map(|&at| self.found[at]).map(|(extent, _)| extent).reduce(Extent::with)
    }

    /// For each value of `names`, true if it denotes one of these pieces, or faint ink, which belongs to all of them.
    fn marked(&self, pieces: &[usize]) -> Vec<bool> {
        let mut marked = vec![false; self.found.len() + 1];
        marked[0] = true;
        pieces.iter().for_each(|&at| marked[at + 1] = true);
        marked
    }
}

/// A character: some pieces of ink.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Character {
    pub extent: Extent,
    pub pieces: Vec<usize>,
}

/// Adds a piece to the characters, and merges those that it connects.
fn add(characters: &mut Vec<Character>, mut new: Character) {
    let one = |a: &Character, b: &Character| {
        let low = a.extent.height().max(b.extent.height()) as f32;
        let narrow = a.extent.width().min(b.extent.width()) as f32;
        let (across, down) = (a.extent.gap_across(&b.extent), a.extent.gap_down(&b.extent));
        let is_flat = |of: &Character| of.extent.width() > 2 * of.extent.height();
        let gap = if is_flat(a) && is_flat(b) { narrow } else { GAP * low };
        let over = -across as f32 > 0.3 * narrow && (down as f32) < gap;
        let beside = down < 0 && (across as f32) < GAP * low && across >= 0;
        over || beside
    };
    while let Some(at) = characters.iter().position(|of| one(of, &new)) {
        let of = characters.swap_remove(at);
        new.extent = new.extent.with(of.extent);
        new.pieces.extend(of.pieces);
    }
    characters.push(new);
}
