//! Byte credits: whoever will hold bytes takes credits first, so memory is a budget and not a result.

use std::sync::{Condvar, Mutex, PoisonError};

/// A semaphore counted in bytes. Who waits with others is served in no order: where order matters, one thread asks.
pub struct Credits {
    free: Mutex<usize>,
    returned: Condvar,
    all: usize,
}

impl Credits {
    /// So many bytes in all.
    pub fn new(all: usize) -> Self {
        Self {
            free: Mutex::new(all),
            returned: Condvar::new(),
            all,
        }
    }

    /// Waits until `bytes` are free and takes them; more than there are in all are taken as all. Returns what was taken.
    pub fn take(&self, bytes: usize) -> usize {
        let bytes = bytes.min(self.all);
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free < bytes {
            free = self
                .returned
                .wait(free)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *free -= bytes;
        bytes
    }

    /// Gives `bytes` back.
    pub fn give(&self, bytes: usize) {
        *self.free.lock().unwrap_or_else(PoisonError::into_inner) += bytes;
        self.returned.notify_all();
    }
}
