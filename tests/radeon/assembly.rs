//! What AMD's compiler writes: blocks of instructions, and the loops among them.

/// A shader's assembly. A block begins with a line such as `BB12:`.
pub struct Assembly<'a> {
    pub blocks: Vec<(&'a str, Vec<&'a str>)>,
    /// First and last block of each loop, by first block.
    pub loops: Vec<(usize, usize)>,
}

impl<'a> Assembly<'a> {
    pub fn of(text: &'a str) -> Assembly<'a> {
        let mut blocks: Vec<(&str, Vec<&str>)> = Vec::new();
        for line in text.lines().map(|line| line.split(';').next().unwrap_or_default().trim()) {
            match line.strip_suffix(':').filter(|name| name.starts_with("BB")) {
                Some(name) => blocks.push((name, Vec::new())),
                None if line.is_empty() => {}
                None => blocks.iter_mut().last().into_iter().for_each(|(_, lines)| lines.push(line)),
            }
        }
        // A loop ends with a branch to an earlier block or its own.
        let mut loops: Vec<(usize, usize)> = Vec::new();
        for (from, (_, lines)) in blocks.iter().enumerate() {
            for line in lines.iter().filter(|line| line.contains("branch")) {
                let target = line.split_whitespace().find_map(|word| blocks.iter().position(|(of, _)| *of == word));
                let Some(target) = target.filter(|&target| target <= from) else { continue };
                match loops.iter_mut().find(|(first, _)| *first == target) {
                    Some((_, last)) => *last = from.max(*last),
                    None => loops.push((target, from)),
                }
            }
        }
        loops.sort_unstable();
        Assembly { blocks, loops }
    }
}
