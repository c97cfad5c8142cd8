//! A model of how long a wave takes on an RDNA 2 compute unit.
//!
//! Instructions are issued in order, and wait for the registers that they read. Loads return in order; a wave waits for
//! them where the compiler placed `s_waitcnt`. Latencies in cycles: 320 for a load from memory, 30 for a scalar load at a
//! constant offset and 200 for another, 64 for workgroup memory; AMD's compiler assumes the first three itself (its
//! estimate of a whole shader assumes eight iterations of every loop, so it does not serve). A vector instruction of a
//! wave of 64 takes two cycles, a transcendental one or the product of two integers eight. A load occupies the cache for
//! four lines of 128 bytes. Bank conflicts, cold caches and other waves are left out.

use crate::assembly::Assembly;
use std::collections::{HashMap, VecDeque};

const MEMORY: u64 = 320;
const SCALAR: u64 = 30;
const SCALAR_VARYING: u64 = 200;
const WORKGROUP: u64 = 64;
const LINES: u64 = 4;

/// Instructions that run at a quarter of the rate.
const SLOW: [&str; 10] = [
    "v_mul_lo_u32",
    "v_mul_hi_u32",
    "v_mul_hi_i32",
    "v_mad_u64_u32",
    "v_mad_i64_i32",
    "v_rcp",
    "v_exp",
    "v_log",
    "v_sqrt",
    "v_rsq",
];

/// Cycles of a wave: from start to end, and those that it keeps the vector unit, the cache and workgroup memory busy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cycles {
    pub latency: u64,
    pub vector: u64,
    pub cache: u64,
    pub workgroup: u64,
}

/// Cycles of a wave of `lanes` invocations. `trips` are the iterations of the assembly's loops, in order.
pub fn cycles(assembly: &Assembly, trips: &[u64], lanes: u64) -> Cycles {
    let mut wave = Wave { rate: lanes / 32, ..Wave::default() };
    wave.walk(assembly, trips, 0, assembly.blocks.len(), None);
    Cycles { latency: wave.now, ..wave.busy }
}

#[derive(Default)]
struct Wave {
    /// Cycles of a vector instruction.
    rate: u64,
    now: u64,
    busy: Cycles,
    /// When each register can be read.
    ready: HashMap<String, u64>,
    /// When each load from memory returns, and each one from workgroup memory or by the scalar unit.
    loads: VecDeque<u64>,
    others: VecDeque<u64>,
}

impl Wave {
    /// Runs blocks, and each loop in them as often as its trips say; `inside` is the loop that they are the body of.
    fn walk(&mut self, assembly: &Assembly, trips: &[u64], from: usize, to: usize, inside: Option<usize>) {
        let mut at = from;
        while at < to {
            let found =
                assembly.loops.iter().position(|&(first, _)| first == at).filter(|&found| Some(found) != inside);
            if let Some(found) = found {
                let end = assembly.loops[found].1 + 1;
                self.repeat(trips[found], |wave| wave.walk(assembly, trips, at, end, Some(found)));
                at = end;
            } else {
                assembly.blocks[at].1.iter().for_each(|line| self.run(line));
                at += 1;
            }
        }
    }

    /// Runs a body some times; after a few, the others take as long as the last.
    fn repeat(&mut self, times: u64, body: impl Fn(&mut Wave)) {
        const RUN: u64 = 4;
        let mut before = (self.now, self.busy);
        for _ in 0..times.min(RUN) {
            before = (self.now, self.busy);
            body(self);
        }
        let left = times.saturating_sub(RUN);
        let shift = (self.now - before.0) * left;
        self.busy.vector += (self.busy.vector - before.1.vector) * left;
        self.busy.cache += (self.busy.cache - before.1.cache) * left;
        self.busy.workgroup += (self.busy.workgroup - before.1.workgroup) * left;
        self.now += shift;
        self.ready.values_mut().for_each(|time| *time += shift);
        self.loads.iter_mut().chain(&mut self.others).for_each(|time| *time += shift);
    }

    fn run(&mut self, line: &str) {
        let (name, operands) = line.split_once(' ').unwrap_or((line, ""));
        let operands: Vec<&str> = operands.split(',').map(str::trim).collect();
        let is = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
        if is(&["s_waitcnt"]) {
            return self.wait(line);
        }
        if is(&["s_cbranch", "s_branch"]) {
            self.now += 4;
            return;
        }
        if is(&["s_barrier"]) {
            self.now += 8;
            return;
        }
        let is_store = is(&["buffer_store", "global_store", "ds_write"]);
        let reads_all = is_store || is(&["s_cmp", "v_cmpx"]);
        let read = if reads_all { &operands[..] } else { &operands[1.min(operands.len())..] };
        // Multiply-adds into a register read it too.
        let read = if is(&["v_fmac", "v_mac"]) { &operands[..] } else { read };
        let needed = read.iter().flat_map(|operand| registers(operand)).filter_map(|name| self.ready.get(&name)).max();
        let written = || if reads_all { Vec::new() } else { registers(operands[0]) };
        if is(&["v_"]) {
            self.now = self.now.max(needed.copied().unwrap_or(0));
            let cycles = self.rate * if is(&SLOW) { 4 } else { 1 };
            self.busy.vector += cycles;
            self.now += cycles;
            let ready = self.now + 4;
            self.ready.extend(written().into_iter().map(|name| (name, ready)));
        } else if is(&["buffer_load", "global_load"]) {
            let last = self.loads.back().copied().unwrap_or(0);
            self.now = self.now.max(needed.copied().unwrap_or(0));
            self.busy.cache += LINES;
            self.loads.push_back((last + LINES).max(self.now + MEMORY + LINES));
            self.now += 1;
        } else if is(&["buffer_store", "global_store"]) {
            self.now = self.now.max(needed.copied().unwrap_or(0)) + 1;
            self.busy.cache += LINES;
        } else if is(&["ds_"]) {
            self.now = self.now.max(needed.copied().unwrap_or(0));
            let words = if is(&["ds_read_b128", "ds_read2_b64"]) {
                4
            } else {
                1 + u64::from(name.contains('2') && !name.ends_with("_b32") || name.contains("64"))
            };
            let cycles = self.rate * words;
            self.busy.workgroup += cycles;
            self.others.push_back(self.now + WORKGROUP + cycles);
            self.now += 1;
        } else if is(&["s_load", "s_buffer_load"]) {
            let constant = is(&["s_load"]) || operands.last().is_some_and(|last| !last.starts_with('s'));
            self.others.push_back(self.now + if constant { SCALAR } else { SCALAR_VARYING });
            self.now += 1;
        } else if is(&["s_"]) {
            self.now = self.now.max(needed.copied().unwrap_or(0)) + 1;
            let ready = self.now + 1;
            self.ready.extend(written().into_iter().map(|name| (name, ready)));
        }
    }

    /// Waits until at most so many loads are under way.
    fn wait(&mut self, line: &str) {
        for (counter, queue) in [("vmcnt(", &mut self.loads), ("lgkmcnt(", &mut self.others)] {
            let count = line.split_once(counter).and_then(|(_, rest)| rest.split_once(')')?.0.parse::<usize>().ok());
            while count.is_some_and(|count| queue.len() > count) {
                self.now = self.now.max(queue.pop_front().unwrap_or(0));
            }
        }
    }
}

/// Registers in an operand such as `v3`, `-s[4:5]` or `vcc`.
fn registers(operand: &str) -> Vec<String> {
    let operand = operand.trim_matches(|c| c == '-' || c == '|');
    if ["vcc", "exec", "scc"].iter().any(|name| operand.starts_with(name)) {
        return vec![operand[..3].to_string()];
    }
    let Some(kind @ ('v' | 's')) = operand.chars().next() else { return Vec::new() };
    let rest = &operand[1..];
    match rest.strip_prefix('[').and_then(|range| range.split_once(']')?.0.split_once(':')) {
        Some((first, last)) => match (first.parse::<u32>(), last.parse::<u32>()) {
            (Ok(first), Ok(last)) => (first..=last).map(|at| format!("{kind}{at}")).collect(),
            _ => Vec::new(),
        },
        None if rest.starts_with(|c: char| c.is_ascii_digit()) => {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            vec![format!("{kind}{}", &rest[..end])]
        }
        None => Vec::new(),
    }
}
