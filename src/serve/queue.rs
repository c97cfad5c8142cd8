//! The queue of jobs for the device. Of several drawings that wait, only the newest is kept.

use serde_json::Value;
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Jobs that may wait.
const MOST: usize = 32;

/// A request to the device.
#[derive(Debug)]
pub enum Ask {
    /// A drawing: the ink of each pixel, and the width.
    Look {
        ink: Vec<u8>,
        width: usize,
    },
    /// The content of a picture file.
    LookAtFile(Vec<u8>),
    Keep {
        class: String,
        ink: Vec<u8>,
        width: usize,
    },
    TakeBack,
    Teach,
    Unteach,
    Save,
    State,
    Archive,
    Model,
}

/// The result of a job.
#[derive(Debug)]
pub enum Reply {
    Json(Value),
    /// A file to download, and its name.
    File(&'static str, Vec<u8>),
    /// An error that is told to the user.
    Error(String),
}

/// A job and where its result goes.
pub type Job = (Ask, Sender<Reply>);

#[derive(Default)]
struct Waiting {
    look: Option<Job>,
    jobs: VecDeque<Job>,
}

/// Jobs that wait for the device.
#[derive(Default)]
pub struct Queue {
    waiting: Mutex<Waiting>,
    wake: Condvar,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job. A look takes the place of one that waits, whose sender is dropped. `None` if too many jobs wait.
    pub fn ask(&self, ask: Ask) -> Option<Receiver<Reply>> {
        let (sender, receiver) = channel();
        let mut waiting = self.lock();
        match ask {
            Ask::Look { .. } | Ask::LookAtFile(_) => waiting.look = Some((ask, sender)),
            _ if waiting.jobs.len() >= MOST => return None,
            _ => waiting.jobs.push_back((ask, sender)),
        }
        self.wake.notify_one();
        Some(receiver)
    }

    /// The next job, if one comes within a time.
    pub fn next(&self, patience: Duration) -> Option<Job> {
        let waiting = self.lock();
        let is_empty = |waiting: &mut Waiting| waiting.look.is_none() && waiting.jobs.is_empty();
        let waited = self.wake.wait_timeout_while(waiting, patience, is_empty);
        let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        // A look is short, and someone watches.
        waiting.look.take().or_else(|| waiting.jobs.pop_front())
    }
}

/// Streams that are told of events.
#[derive(Default)]
pub struct Hub(Mutex<Vec<Sender<String>>>);

impl Hub {
    /// A stream of events from now on.
    pub fn listen(&self) -> Receiver<String> {
        let (sender, receiver) = channel();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        receiver
    }

    /// Tells all streams that are still there.
    pub fn tell(&self, event: &Value) {
        let text = event.to_string();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|to| to.send(text.clone()).is_ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_look_takes_the_place_of_one_that_waits() {
        let queue = Queue::default();
        let look = |pixel| Ask::Look { ink: vec![pixel], width: 1 };
        let first = queue.ask(look(1)).unwrap();
        let saved = queue.ask(Ask::Save).unwrap();
        let second = queue.ask(look(2)).unwrap();
        // The first will never be answered.
        assert!(first.recv().is_err());
        let (ask, sender) = queue.next(Duration::ZERO).unwrap();
        assert!(matches!(ask, Ask::Look { ink, .. } if ink == [2]));
        sender.send(Reply::Error("no".into())).unwrap();
        assert!(matches!(second.recv().unwrap(), Reply::Error(_)));
        assert!(matches!(queue.next(Duration::ZERO).unwrap().0, Ask::Save));
        assert!(queue.next(Duration::ZERO).is_none());
        assert!(saved.recv().is_err());
        (0..MOST).for_each(|_| drop(queue.ask(Ask::State).unwrap()));
        assert!(queue.ask(Ask::State).is_none() && queue.ask(look(3)).is_some());
    }
}
