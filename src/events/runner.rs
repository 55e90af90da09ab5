//! Programs that are started after something has happened: a queue for each hook, and those that are running.

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::time::Instant;

use super::hooks::Hook;
use crate::ipc::occurrences::Occurrence;
use crate::log;
use crate::system::poll::PollFlags;
use crate::system::program::Running;

/// Programs that run at once, of all hooks together: each takes a few descriptors.
const MOST_AT_ONCE: usize = 200;

/// The hooks and what they have to do.
pub struct Runner<'a> {
    queues: Vec<Queue<'a>>,
}

struct Queue<'a> {
    hook: &'a Hook,
    waiting: VecDeque<Rc<Occurrence>>,
    running: Vec<Run>,
    dropped: u64,
}

struct Run {
    program: Running,
    told: Rc<Occurrence>,
    deadline: Instant,
}

impl<'a> Runner<'a> {
    pub fn new(hooks: impl Iterator<Item = &'a Hook>) -> Runner<'a> {
        let queue = |hook| Queue { hook, waiting: VecDeque::new(), running: Vec::new(), dropped: 0 };
        Runner { queues: hooks.map(queue).collect() }
    }

    /// Something has happened.
    pub fn take(&mut self, told: &Rc<Occurrence>, event: crate::config::EventName) {
        for queue in self.queues.iter_mut().filter(|queue| queue.hook.is_for(event)) {
            if !queue.hook.can_run(told) {
                continue;
            }
            if queue.waiting.len() < queue.hook.queue {
                queue.waiting.push_back(Rc::clone(told));
            } else {
                if queue.dropped == 0 {
                    log::warning(format_args!(
                        "hook {}: {} events wait for it; more are dropped",
                        queue.hook.name, queue.hook.queue
                    ));
                }
                queue.dropped += 1;
            }
        }
    }

    /// Ends what has run too long, sees what has ended, and starts what there is room for.
    pub fn turn(&mut self) {
        let now = Instant::now();
        self.queues.iter_mut().for_each(|queue| queue.reap(now));
        let mut running: usize = self.queues.iter().map(|queue| queue.running.len()).sum();
        for queue in &mut self.queues {
            while running < MOST_AT_ONCE && queue.start() {
                running += 1;
            }
        }
    }

    /// Ends everything that runs, and says what was not begun.
    pub fn give_up(&mut self) {
        for queue in &mut self.queues {
            for run in queue.running.drain(..) {
                log::warning(format_args!("hook {} was ended with the daemon", queue.hook.name));
                drop(run);
            }
            let left = queue.waiting.len() as u64 + queue.dropped;
            if left > 0 {
                log::warning(format_args!("hook {}: {left} events were dropped", queue.hook.name));
            }
        }
    }

    /// Whether there is nothing to do.
    pub fn is_idle(&self) -> bool {
        self.queues.iter().all(|queue| queue.running.is_empty() && queue.waiting.is_empty())
    }

    /// What to wait for.
    pub fn watched(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        self.queues.iter().flat_map(|queue| &queue.running).flat_map(|run| run.program.watched())
    }

    /// Until when.
    pub fn deadline(&self) -> Option<Instant> {
        self.queues.iter().flat_map(|queue| &queue.running).map(|run| run.deadline).min()
    }
}

impl Queue<'_> {
    fn reap(&mut self, now: Instant) {
        let mut index = 0;
        while index < self.running.len() {
            let run = &mut self.running[index];
            run.program.read();
            if run.program.has_ended() || now >= run.deadline {
                let run = self.running.remove(index);
                self.hook.log(&run.program.end(), &run.told);
            } else {
                index += 1;
            }
        }
    }

    /// Starts the program for who has waited longest, if it may be.
    fn start(&mut self) -> bool {
        if self.running.len() >= self.hook.at_once {
            return false;
        }
        let Some(told) = self.waiting.pop_front() else {
            if self.dropped > 0 {
                let dropped = std::mem::take(&mut self.dropped);
                log::warning(format_args!("hook {}: {dropped} events were dropped", self.hook.name));
            }
            return false;
        };
        match self.hook.start(&told) {
            Ok(program) => {
                let deadline = Instant::now() + self.hook.limit;
                self.running.push(Run { program, told, deadline });
            }
            Err(failure) => log::error(format_args!("hook {}: {failure}", self.hook.name)),
        }
        true
    }
}
