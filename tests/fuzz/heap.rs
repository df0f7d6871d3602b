//! How much one execution allocates at most, at any one time.

#![expect(unsafe_code, reason = "an allocator is unsafe by its nature")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, and counts for each thread what it holds.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

thread_local! {
    /// What this thread holds, less what it gave back for others, and the most of it.
    static HELD: Cell<[i64; 2]> = const { Cell::new([0; 2]) };
}

fn note(more: i64) {
    // A thread that ends has none any more.
    let _ = HELD.try_with(|held| {
        let [now, most] = held.get();
        let now = now.wrapping_add(more);
        held.set([now, most.max(now)]);
    });
}

fn size(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(size(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(size(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        note(size(len) - size(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.realloc(old, layout, len) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        note(-size(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(old, layout) }
    }
}

/// What it answers, and the most bytes that it held at any one time on this thread. Memory of C libraries is not
/// counted.
pub(crate) fn measured<T>(run: impl FnOnce() -> T) -> (T, u64) {
    let before = HELD.with(|held| {
        let [now, _] = held.get();
        held.set([now, now]);
        now
    });
    let answer = run();
    let [_, most] = HELD.with(Cell::get);
    (answer, u64::try_from(most - before).unwrap_or(0))
}

#[test]
fn the_most_is_measured_and_not_what_is_left() {
    let before = vec![0_u8; 1 << 22];
    let (len, most) = measured(|| {
        let one = vec![1_u8; 1 << 20];
        drop(before);
        drop(one);
        (0..10).map(|_| vec![0_u8; 1 << 19].len()).sum::<usize>()
    });
    assert_eq!(len, 10 << 19);
    assert_eq!(most, 1 << 20);
}
