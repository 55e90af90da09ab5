//! A table of system calls, turned into a seccomp(2) program that searches it by halves.
//!
//! The kernel translates a filter and runs it once for each of some 500 system calls whenever one is loaded, which
//! here is twice for each client. A program that compares call after call, as seccompiler arranges it, takes 0.1 to
//! 0.3 ms for that; a search tree takes a fraction. Conditions on arguments are seccompiler's.

use std::collections::BTreeMap;

use seccompiler::{BpfProgram, SeccompAction, SeccompRule, sock_filter};

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

/// What is decided about one system call.
#[derive(Clone, Debug, PartialEq)]
enum Decision {
    Always(Verdict),
    /// `then` if one of the rules matches the arguments.
    Depends {
        rules: Vec<SeccompRule>,
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

    /// This call: `then` if one of the rules matches its arguments.
    pub(super) fn when(
        &mut self,
        call: libc::c_long,
        rules: Vec<SeccompRule>,
        then: Verdict,
        otherwise: Verdict,
    ) {
        self.decisions.insert(call as u32, Decision::Depends { rules, then, otherwise });
    }

    /// The program. Calls of another architecture kill; calls that are newer than this program do not exist for it,
    /// so that the C library falls back to what it did before they were there.
    pub(super) fn compile(self) -> BpfProgram {
        let mut program = vec![
            statement(LOAD, ARCHITECTURE_OFFSET),
            sock_filter { code: JUMP_IF_EQUAL, jt: 1, jf: 0, k: ARCHITECTURE },
            verdict(Verdict::Kill),
            statement(LOAD, NUMBER_OFFSET),
        ];
        program.append(&mut tree(&self.ranges()));
        program
    }

    /// The line of all numbers, cut where the decision changes.
    fn ranges(self) -> Vec<(u32, Decision)> {
        let mut ranges = vec![(0, Decision::Always(self.otherwise))];
        for (call, decision) in self.decisions {
            push(&mut ranges, call, decision);
            push(&mut ranges, call + 1, Decision::Always(self.otherwise));
        }
        push(&mut ranges, libc::SYS_mseal as u32 + 1, Decision::Always(Verdict::Refuse(libc::ENOSYS)));
        push(&mut ranges, FOREIGN, Decision::Always(Verdict::Kill));
        ranges
    }
}

/// Adds a range, or lets the one before it go on if nothing changes.
fn push(ranges: &mut Vec<(u32, Decision)>, start: u32, decision: Decision) {
    // An "otherwise" that lasted for no number at all.
    if ranges.last().is_some_and(|&(last, _)| last == start) {
        ranges.pop();
    }
    if ranges.last().is_none_or(|(_, before)| *before != decision) {
        ranges.push((start, decision));
    }
}

/// The number is in the accumulator: compares it with the middle, then goes on in one of the halves.
fn tree(ranges: &[(u32, Decision)]) -> BpfProgram {
    if let [(_, decision)] = ranges {
        return leaf(decision);
    }
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let middle = high[0].0;
    let mut below = tree(low);
    let mut above = tree(high);
    let mut program = match u8::try_from(below.len()) {
        Ok(distance) => vec![sock_filter { code: JUMP_IF_NOT_LESS, jt: distance, jf: 0, k: middle }],
        Err(_) => vec![
            sock_filter { code: JUMP_IF_NOT_LESS, jt: 0, jf: 1, k: middle },
            statement(JUMP, below.len() as u32),
        ],
    };
    program.append(&mut below);
    program.append(&mut above);
    program
}

fn leaf(decision: &Decision) -> BpfProgram {
    match decision {
        Decision::Always(always) => vec![verdict(*always)],
        Decision::Depends { rules, then, otherwise } => {
            let mut program = BpfProgram::new();
            for rule in rules {
                // A rule that does not match jumps over the one instruction behind it.
                program.append(&mut BpfProgram::from(rule.clone()));
                program.push(verdict(*then));
            }
            program.push(verdict(*otherwise));
            program
        }
    }
}

fn verdict(verdict: Verdict) -> sock_filter {
    let action = match verdict {
        Verdict::Allow => SeccompAction::Allow,
        Verdict::Kill => SeccompAction::KillProcess,
        Verdict::Refuse(errno) => SeccompAction::Errno(errno as u32),
    };
    statement(RETURN, action.into())
}

fn statement(code: u16, operand: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k: operand }
}

// struct seccomp_data, linux/seccomp.h.
const NUMBER_OFFSET: u32 = 0;
const ARCHITECTURE_OFFSET: u32 = 4;

// Classic BPF, linux/bpf_common.h: class, size or operation, source.
const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
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
    use seccompiler::{SeccompCmpArgLen, SeccompCmpOp, SeccompCondition};

    use super::*;

    /// Runs a program as the kernel would, on a call with this number and first argument.
    fn run(program: &BpfProgram, architecture: u32, number: u32, argument: u32) -> u32 {
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
                        16 => argument,
                        other => panic!("load from {other}"),
                    }
                }
                JUMP => at += step.k as usize,
                JUMP_IF_EQUAL => at += jump(accumulator == step.k),
                JUMP_IF_NOT_LESS => at += jump(accumulator >= step.k),
                RETURN => return step.k,
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    fn action(of: Verdict) -> u32 {
        verdict(of).k
    }

    #[test]
    fn every_number_gets_the_verdict_of_the_table() {
        let mut table = Table::new(Verdict::Refuse(libc::EPERM));
        let allowed: Vec<libc::c_long> =
            (0..460).filter(|number| number % 7 == 0 || number / 40 == 3).collect();
        table.always(&allowed, Verdict::Allow);
        table.always(&[1, 9, 459], Verdict::Kill);
        let program = table.compile();
        for number in 0..=462 {
            let expected = match number {
                1 | 9 | 459 => Verdict::Kill,
                _ if allowed.contains(&i64::from(number)) => Verdict::Allow,
                _ => Verdict::Refuse(libc::EPERM),
            };
            assert_eq!(run(&program, ARCHITECTURE, number, 0), action(expected), "call {number}");
        }
    }

    #[test]
    fn newer_calls_do_not_exist_and_foreign_ones_kill() {
        let program = Table::new(Verdict::Allow).compile();
        assert_eq!(run(&program, ARCHITECTURE, 463, 0), action(Verdict::Refuse(libc::ENOSYS)));
        assert_eq!(run(&program, ARCHITECTURE, FOREIGN, 0), action(Verdict::Kill));
        assert_eq!(run(&program, ARCHITECTURE, u32::MAX, 0), action(Verdict::Kill));
        assert_eq!(run(&program, 0x4000_0003, 0, 0), action(Verdict::Kill));
    }

    #[test]
    fn arguments_decide_where_the_table_says_so() {
        let equal = |value| {
            let condition =
                SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value).unwrap();
            SeccompRule::new(vec![condition]).unwrap()
        };
        let mut table = Table::new(Verdict::Kill);
        table.when(41, vec![equal(2), equal(10)], Verdict::Allow, Verdict::Refuse(libc::EAFNOSUPPORT));
        let program = table.compile();
        for (argument, expected) in [
            (2, Verdict::Allow),
            (10, Verdict::Allow),
            (1, Verdict::Refuse(libc::EAFNOSUPPORT)),
            (16, Verdict::Refuse(libc::EAFNOSUPPORT)),
        ] {
            assert_eq!(run(&program, ARCHITECTURE, 41, argument), action(expected));
        }
        assert_eq!(run(&program, ARCHITECTURE, 40, 2), action(Verdict::Kill));
        assert_eq!(run(&program, ARCHITECTURE, 42, 2), action(Verdict::Kill));
    }
}
