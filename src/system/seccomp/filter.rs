//! A table of system calls, turned into a seccomp(2) program that searches it by halves.
//!
//! The kernel checks and translates a filter whenever one is loaded, which here is twice for each client, and then
//! runs it once for each of some 500 system calls. A program that compares call after call, as seccompiler makes it,
//! costs 0.2 to 0.3 ms for that; a short search tree costs 0.05. So only the loading is left to the crate.

use std::collections::BTreeMap;

use seccompiler::{BpfProgram, SeccompAction, sock_filter};

/// What happens at a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is made.
    Allow,
    /// It is not made, the process ends with SIGSYS, and the kernel logs it.
    Kill,
    /// It is not made, and fails with this errno.
    Refuse(i32),
}

/// Of an argument's low 32 bits, those in `mask` have one of these values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    argument: u8,
    mask: u32,
    values: Vec<u32>,
}

impl Condition {
    /// The argument is one of these.
    pub(super) fn one_of(argument: u8, values: &[i32]) -> Condition {
        Condition { argument, mask: u32::MAX, values: values.iter().map(|&value| value as u32).collect() }
    }

    /// The argument, as far as the mask goes, is this.
    pub(super) fn masked(argument: u8, mask: i32, value: i32) -> Condition {
        Condition { argument, mask: mask as u32, values: vec![value as u32] }
    }

    /// The argument has none of these bits.
    pub(super) fn without(argument: u8, bits: i32) -> Condition {
        Condition::masked(argument, bits, 0)
    }
}

/// What is decided about one system call.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Decision {
    Always(Verdict),
    /// `then` if all conditions of one of the alternatives hold.
    Depends {
        alternatives: Vec<Vec<Condition>>,
        then: Verdict,
        otherwise: Verdict,
    },
}

/// What a process may ask of the kernel.
#[derive(Clone, Debug)]
pub(super) struct Table {
    decisions: BTreeMap<u32, Decision>,
    otherwise: Verdict,
}

impl Table {
    /// A table in which nothing stands yet: `otherwise` is for whatever will not be listed.
    pub(super) fn new(otherwise: Verdict) -> Table {
        Table { decisions: BTreeMap::new(), otherwise }
    }

    /// These calls, whatever their arguments. Later words override earlier ones.
    pub(super) fn always(&mut self, calls: &[libc::c_long], verdict: Verdict) {
        for &call in calls {
            self.decisions.insert(call as u32, Decision::Always(verdict));
        }
    }

    /// This call is allowed if all conditions of one of the alternatives hold.
    pub(super) fn allow_if(
        &mut self,
        call: libc::c_long,
        alternatives: Vec<Vec<Condition>>,
        otherwise: Verdict,
    ) {
        self.decisions
            .insert(call as u32, Decision::Depends { alternatives, then: Verdict::Allow, otherwise });
    }

    /// The program. Calls of another architecture kill; calls that are newer than this program do not exist for it,
    /// so that the C library falls back to what it did before they were there.
    pub(super) fn compile(self) -> BpfProgram {
        let mut program = Program::default();
        program.tree(&self.ranges());
        let search = program.push(statement(LOAD, NUMBER_OFFSET));
        let kill = program.verdict(Verdict::Kill);
        program.jump(JUMP_IF_EQUAL, ARCHITECTURE, search, kill);
        program.push(statement(LOAD, ARCHITECTURE_OFFSET));
        program.backwards.reverse();
        program.backwards
    }

    /// The line of all numbers, cut where the decision changes.
    fn ranges(self) -> Vec<(u32, Decision)> {
        let mut ranges = vec![(0, Decision::Always(self.otherwise))];
        for (call, decision) in self.decisions {
            start_range(&mut ranges, call, decision);
            start_range(&mut ranges, call + 1, Decision::Always(self.otherwise));
        }
        let newest = libc::SYS_mseal as u32;
        start_range(&mut ranges, newest + 1, Decision::Always(Verdict::Refuse(libc::ENOSYS)));
        start_range(&mut ranges, FOREIGN, Decision::Always(Verdict::Kill));
        ranges
    }
}

/// Adds a range, or lets the one before it go on if nothing changes.
fn start_range(ranges: &mut Vec<(u32, Decision)>, start: u32, decision: Decision) {
    // An "otherwise" that lasted for no number at all.
    if ranges.last().is_some_and(|&(last, _)| last == start) {
        ranges.pop();
    }
    if ranges.last().is_none_or(|(_, before)| *before != decision) {
        ranges.push((start, decision));
    }
}

/// A program, written from its end to its beginning: jumps only go forward, so their targets are always known.
#[derive(Default)]
struct Program {
    backwards: BpfProgram,
}

/// An instruction: how many there are from it to the end.
#[derive(Clone, Copy)]
struct Label(usize);

impl Program {
    fn push(&mut self, instruction: sock_filter) -> Label {
        self.backwards.push(instruction);
        Label(self.backwards.len())
    }

    /// What ends the program with this verdict; the next one of its kind, if a jump reaches it.
    fn verdict(&mut self, verdict: Verdict) -> Label {
        let action = match verdict {
            Verdict::Allow => SeccompAction::Allow,
            Verdict::Kill => SeccompAction::KillProcess,
            Verdict::Refuse(errno) => SeccompAction::Errno(errno as u32),
        };
        let end = statement(RETURN, action.into());
        // Two jumps may have to be put in between before the one that asks is written.
        let reach = self.backwards.len().saturating_sub(FARTHEST_JUMP - 2);
        match self.backwards[reach..].iter().rposition(|instruction| *instruction == end) {
            Some(found) => Label(reach + found + 1),
            None => self.push(end),
        }
    }

    /// A comparison of what was loaded with a value.
    fn jump(&mut self, code: u16, value: u32, yes: Label, no: Label) -> Label {
        let (yes, no) = (self.within_reach(yes, 1), self.within_reach(no, 0));
        let distance = |target: Label| (self.backwards.len() - target.0) as u8;
        let (jt, jf) = (distance(yes), distance(no));
        self.push(sock_filter { code, jt, jf, k: value })
    }

    /// The target, or a stepping stone to it when it is too far for a comparison (with `more` instructions to come).
    fn within_reach(&mut self, target: Label, more: usize) -> Label {
        let distance = self.backwards.len() - target.0;
        if distance + more <= FARTHEST_JUMP { target } else { self.push(statement(JUMP, distance as u32)) }
    }

    /// Finds the range of the number that was loaded: compares with the middle, then goes on in one of the halves.
    fn tree(&mut self, ranges: &[(u32, Decision)]) -> Label {
        if let [(_, decision)] = ranges {
            return self.decision(decision);
        }
        let (low, high) = ranges.split_at(ranges.len() / 2);
        let above = self.tree(high);
        let below = self.tree(low);
        self.jump(JUMP_IF_NOT_LESS, high[0].0, above, below)
    }

    fn decision(&mut self, decision: &Decision) -> Label {
        match decision {
            Decision::Always(verdict) => self.verdict(*verdict),
            Decision::Depends { alternatives, then, otherwise } => {
                let mut otherwise = self.verdict(*otherwise);
                for alternative in alternatives.iter().rev() {
                    let mut then = self.verdict(*then);
                    for condition in alternative.iter().rev() {
                        then = self.condition(condition, then, otherwise);
                    }
                    otherwise = then;
                }
                otherwise
            }
        }
    }

    fn condition(&mut self, condition: &Condition, yes: Label, no: Label) -> Label {
        let mut next = no;
        for &value in condition.values.iter().rev() {
            next = self.jump(JUMP_IF_EQUAL, value, yes, next);
        }
        if condition.mask != u32::MAX {
            self.push(statement(AND, condition.mask));
        }
        self.push(statement(LOAD, ARGUMENTS_OFFSET + 8 * u32::from(condition.argument)))
    }
}

fn statement(code: u16, operand: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k: operand }
}

/// Comparisons count the instructions they jump over in eight bits.
const FARTHEST_JUMP: usize = u8::MAX as usize;

// struct seccomp_data, linux/seccomp.h; of the arguments the half that counts, on machines with the small end first.
const NUMBER_OFFSET: u32 = 0;
const ARCHITECTURE_OFFSET: u32 = 4;
const ARGUMENTS_OFFSET: u32 = 16;

// Classic BPF, linux/bpf_common.h: class, size or operation, source.
const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const JUMP_IF_NOT_LESS: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// From here on x86_64 numbers the calls of its 32-bit half (x32); nobody numbers anything else so.
const FOREIGN: u32 = 0x4000_0000;

// AUDIT_ARCH_*, linux/audit.h: the ELF machine, 64 bits, little endian.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xC000_0000 | 62;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xC000_0000 | 183;

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a program as the kernel would, on a call with this number and first arguments.
    fn run(program: &BpfProgram, architecture: u32, number: u32, arguments: [u32; 3]) -> u32 {
        let mut accumulator = 0;
        let mut at = 0;
        loop {
            let step = &program[at];
            at += 1;
            let jump = |condition: bool| usize::from(if condition { step.jt } else { step.jf });
            match step.code {
                LOAD => {
                    accumulator = match step.k {
                        NUMBER_OFFSET => number,
                        ARCHITECTURE_OFFSET => architecture,
                        offset => arguments[(offset - ARGUMENTS_OFFSET) as usize / 8],
                    }
                }
                AND => accumulator &= step.k,
                JUMP => at += step.k as usize,
                JUMP_IF_EQUAL => at += jump(accumulator == step.k),
                JUMP_IF_NOT_LESS => at += jump(accumulator >= step.k),
                RETURN => return step.k,
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    fn action(of: Verdict) -> u32 {
        let mut program = Program::default();
        program.verdict(of);
        program.backwards[0].k
    }

    #[test]
    fn every_number_gets_the_verdict_of_the_table() {
        for step in [2, 3, 7, 50] {
            let mut table = Table::new(Verdict::Refuse(libc::EPERM));
            let allowed: Vec<i64> =
                (0..460).filter(|number| number % step == 0 || number / 40 == 3).collect();
            table.always(&allowed, Verdict::Allow);
            table.always(&[1, 9, 459], Verdict::Kill);
            let program = table.compile();
            for number in 0..=462 {
                let expected = match number {
                    1 | 9 | 459 => Verdict::Kill,
                    _ if allowed.contains(&i64::from(number)) => Verdict::Allow,
                    _ => Verdict::Refuse(libc::EPERM),
                };
                assert_eq!(run(&program, ARCHITECTURE, number, [0; 3]), action(expected), "call {number}");
            }
        }
    }

    #[test]
    fn newer_calls_do_not_exist_and_foreign_ones_kill() {
        let program = Table::new(Verdict::Allow).compile();
        assert_eq!(run(&program, ARCHITECTURE, 463, [0; 3]), action(Verdict::Refuse(libc::ENOSYS)));
        assert_eq!(run(&program, ARCHITECTURE, FOREIGN, [0; 3]), action(Verdict::Kill));
        assert_eq!(run(&program, ARCHITECTURE, u32::MAX, [0; 3]), action(Verdict::Kill));
        assert_eq!(run(&program, 0x4000_0003, 0, [0; 3]), action(Verdict::Kill));
    }

    #[test]
    fn arguments_decide_where_the_table_says_so() {
        let refused = Verdict::Refuse(libc::EAFNOSUPPORT);
        let mut table = Table::new(Verdict::Kill);
        let alternatives = vec![
            vec![Condition::one_of(0, &[2, 10]), Condition::masked(1, 0xf, 1)],
            vec![Condition::one_of(0, &[-1]), Condition::without(2, 0x30)],
        ];
        table.allow_if(41, alternatives, refused);
        // Many ranges around it, so that jumps become long.
        table.always(&(100..460).step_by(2).collect::<Vec<_>>(), Verdict::Allow);
        let program = table.compile();
        for (arguments, expected) in [
            ([2, 1, 0], Verdict::Allow),
            ([10, 0x80801, 0], Verdict::Allow),
            ([10, 2, 0], refused),
            ([1, 1, 0], refused),
            ([u32::MAX, 2, 0x40], Verdict::Allow),
            ([u32::MAX, 1, 0x50], refused),
        ] {
            assert_eq!(run(&program, ARCHITECTURE, 41, arguments), action(expected), "{arguments:?}");
        }
        assert_eq!(run(&program, ARCHITECTURE, 40, [2, 1, 0]), action(Verdict::Kill));
        assert_eq!(run(&program, ARCHITECTURE, 42, [2, 1, 0]), action(Verdict::Kill));
        assert_eq!(run(&program, ARCHITECTURE, 458, [0; 3]), action(Verdict::Allow));
    }
}
