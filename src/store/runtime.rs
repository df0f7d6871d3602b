//! The one runtime of the remote stores: two threads that start with the first use.
//!
//! All above the stores is threads and blocking calls. A remote store drives its futures on the caller's own thread
//! with [`wait`]; what it spawns beside them runs here.

use std::future::Future;
use std::sync::OnceLock;
use tokio::runtime::{Builder, Runtime};

const WORKERS: usize = 2;

/// Drives `future` to its end on this thread.
///
/// # Panics
/// From inside the runtime itself, which would stand still: an error in the program. Also if the operating system
/// refuses the runtime its threads.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    runtime().block_on(future)
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("heirloom-net")
            .enable_all()
            .build()
            .expect("a runtime needs two threads and a poll descriptor")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spawned_goes_on() {
        let (sender, receiver) = std::sync::mpsc::channel();
        wait(async move {
            tokio::spawn(async move { sender.send(9) });
        });
        assert_eq!(receiver.recv(), Ok(9));
    }
}
