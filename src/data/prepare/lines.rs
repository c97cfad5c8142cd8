//! Removal of straight lines across a picture, as printed on paper.

/// Largest slope of a line, and number of slopes that are tried on each side of none.
const SLOPE: f32 = 0.1;
const SLOPES: i32 = 16;
/// Minimum part of the picture's width or height that a line covers.
const COVERED: f32 = 0.7;
/// Maximum thickness of a line, as a fraction of the picture's longer side.
const THICK: f32 = 0.025;
/// Maximum level of a single line relative to the ink: a darker one may belong to a character.
const FAINT: f32 = 0.75;
/// Minimum distance between a character and the sides of the picture that its paper's lines reach.
const MARGIN: f32 = 0.02;

/// Removes lines from the deviations from the ground; returns whether there were any. Deviations below `least` are
/// noise.
pub(super) fn without_lines(away: &mut Vec<f32>, width: usize, least: f32) -> bool {
    let height = away.len() / width;
    if height.min(width) < 40 {
        return false;
    }
    let before = away.clone();
    let along = Direction { across: width, down: height, stride: [1, width] };
    let upright = Direction { across: height, down: width, stride: [width, 1] };
    let lines = [along, upright].map(|direction| direction.lines(&before, least));
    if lines.iter().all(Vec::is_empty) {
        return false;
    }
    let mut levels = Vec::new();
    for (direction, lines) in [along, upright].iter().zip(&lines) {
        lines.iter().for_each(|line| direction.erase(line, &before, away, least, &mut levels));
    }
    for row in &lines[0] {
        lines[1].iter().for_each(|column| erase_crossing(row, column, away, width, least));
    }
    let ink = away.iter().fold(0.0_f32, |most, &v| most.max(v));
    let drawn: Vec<usize> = (0..away.len()).filter(|&at| away[at] > 0.5 * ink).collect();
    let reaches = |direction: &Direction| {
        let margin = (MARGIN * direction.across as f32) as usize + 1;
        let place = |at: usize| if direction.stride[0] == 1 { at % width } else { at / width };
        let ends = [0..margin, direction.across - margin..direction.across];
        ends.iter().any(|end| drawn.iter().any(|&at| end.contains(&place(at))))
    };
    let count: usize = lines.iter().map(Vec::len).sum();
    levels.sort_by(f32::total_cmp);
    let level = levels.get(levels.len() / 2).copied().unwrap_or(0.0);
    let of_paper = count > 1 || level < FAINT * ink;
    let touched = [along, upright].iter().zip(&lines).any(|(direction, lines)| !lines.is_empty() && reaches(direction));
    if drawn.len() < 10 || !of_paper || touched {
        *away = before;
        return false;
    }
    true
}

/// Removes what is left where two lines cross, if nothing else is there.
fn erase_crossing(row: &Line, column: &Line, away: &mut [f32], width: usize, least: f32) {
    let (h, w) = ((away.len() / width) as f32, width as f32);
    let mut i = row.middle;
    let mut j = column.middle;
    for _ in 0..3 {
        i = row.middle + row.slope * (j - w / 2.0);
        j = column.middle + column.slope * (i - h / 2.0);
    }
    let reach = (row.thickness.max(column.thickness) + 2) as f32;
    let span = |middle: f32, reach: f32, most: f32| {
        (middle.round() - reach).clamp(0.0, most) as usize..(middle.round() + reach + 1.0).clamp(0.0, most) as usize
    };
    let around = [span(i, reach + 1.0, h), span(j, reach + 1.0, w)];
    let inside = [span(i, reach, h), span(j, reach, w)];
    let is_inside = |i: usize, j: usize| inside[0].contains(&i) && inside[1].contains(&j);
    let places = || around[0].clone().flat_map(|i| around[1].clone().map(move |j| (i, j)));
    if places().filter(|&(i, j)| !is_inside(i, j)).all(|(i, j)| away[i * width + j] < least) {
        places().for_each(|(i, j)| away[i * width + j] = 0.0);
    }
}

/// Lines from side to side, or from top to bottom.
#[derive(Clone, Copy)]
struct Direction {
    /// Size of the picture along the lines and perpendicular to them.
    across: usize,
    down: usize,
    /// Distance in memory of neighbours along the lines and perpendicular to them.
    stride: [usize; 2],
}

/// A line: where it crosses the middle of the picture, how much it rises per pixel, and how thick it is.
struct Line {
    middle: f32,
    slope: f32,
    thickness: usize,
}

impl Direction {
    fn lines(&self, away: &[f32], least: f32) -> Vec<Line> {
        let half = self.across as f32 / 2.0;
        let room = (SLOPE * half).ceil() as usize + 1;
        let drawn: Vec<(f32, f32)> = (0..self.across * self.down)
            .map(|at| (at % self.across, at / self.across))
            .filter(|&(j, i)| away[j * self.stride[0] + i * self.stride[1]] >= least)
            .map(|(j, i)| (j as f32 - half, i as f32))
            .collect();
        let covered = (COVERED * self.across as f32) as u32;
        let thick = (THICK * self.across.max(self.down) as f32) as usize + 2;
        let mut best: (u64, Vec<Line>) = (0, Vec::new());
        for step in -SLOPES..=SLOPES {
            let slope = SLOPE * step as f32 / SLOPES as f32;
            let mut counts = vec![0_u32; self.down + 2 * room];
            drawn.iter().for_each(|(j, i)| counts[(i - slope * j + room as f32 + 0.5) as usize] += 1);
            let (mut lines, mut weight) = (Vec::new(), 0);
            let mut at = 0;
            while at < counts.len() {
                let thickness = counts[at..].iter().take_while(|&&count| count >= covered).count();
                if (1..=thick).contains(&thickness) {
                    let middle = at as f32 + (thickness - 1) as f32 / 2.0 - room as f32;
                    weight += counts[at..at + thickness].iter().map(|&count| u64::from(count).pow(2)).sum::<u64>();
                    lines.push(Line { middle, slope, thickness });
                }
                at += thickness.max(1);
            }
            if weight > best.0 {
                best = (weight, lines);
            }
        }
        best.1
    }

    /// Removes a line where nothing crosses it, and notes its levels.
    fn erase(&self, line: &Line, before: &[f32], away: &mut [f32], least: f32, levels: &mut Vec<f32>) {
        let half = self.across as f32 / 2.0;
        for j in 0..self.across {
            let middle = (line.middle + line.slope * (j as f32 - half)).round();
            let at = |i: usize| j * self.stride[0] + i * self.stride[1];
            let reach = line.thickness.div_ceil(2) + 1;
            let near = (middle as i64 - reach as i64).max(0) as usize
                ..(middle.max(-1.0) as i64 + reach as i64 + 1).max(0) as usize;
            let near = near.start.min(self.down)..near.end.min(self.down);
            let Some(inside) = near.clone().find(|&i| before[at(i)] >= least) else { continue };
            let start = (0..=inside).rev().take_while(|&i| before[at(i)] >= 0.5 * least).last().unwrap_or(inside);
            let end = (inside..self.down).take_while(|&i| before[at(i)] >= 0.5 * least).last().unwrap_or(inside) + 1;
            if end - start <= 2 * line.thickness + 3 {
                levels.push((start..end).map(|i| before[at(i)]).fold(0.0, f32::max));
                (start.saturating_sub(1)..(end + 1).min(self.down)).for_each(|i| away[at(i)] = 0.0);
            }
        }
    }
}
