//! Draws small images as text: each character shows two pixels, one above the other.

/// Shades from black to white.
const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];

/// Draws an image as lines of text. A character is a shade if its halves are similar, otherwise a block in the lighter
/// half.
pub fn draw(bytes: &[u8], width: usize) -> String {
    let rows: Vec<&[u8]> = bytes.chunks(width).collect();
    let shade = |byte: u8| usize::from(byte) * (SHADES.len() - 1) / 255;
    let mut out = String::new();
    for pair in rows.chunks(2) {
        let lower = pair.get(1);
        let line: String = (0..width)
            .map(|j| {
                let (upper, lower) = (pair[0][j], lower.map_or(0, |row| row[j]));
                match (shade(upper) >= 2, shade(lower) >= 2) {
                    (true, false) => '▀',
                    (false, true) => '▄',
                    _ => SHADES[(shade(upper) + shade(lower)).div_ceil(2)],
                }
            })
            .collect();
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Draws images beside each other, each below its title.
pub fn side_by_side(images: &[(String, Vec<u8>)], width: usize) -> String {
    let column = width + 2;
    let mut out = images.iter().map(|(title, _)| format!("{title:column$}")).collect::<String>().trim_end().to_string();
    let drawn: Vec<Vec<String>> =
        images.iter().map(|(_, bytes)| draw(bytes, width).lines().map(str::to_string).collect()).collect();
    for line in 0..drawn.iter().map(Vec::len).max().unwrap_or(0) {
        let part = |lines: &Vec<String>| format!("{:column$}", lines.get(line).map_or("", String::as_str));
        out.push('\n');
        out.push_str(drawn.iter().map(part).collect::<String>().trim_end());
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_rows_are_one_line() {
        assert_eq!(super::draw(&[255, 255, 0, 0, 255, 0, 255, 0, 128, 0, 0, 0], 4), "█▀▄\n▀\n");
    }
}
