//! GB/s of each path of the chunker on input of several kinds, and what bounds it: `cargo bench --bench chunker`.
//!
//! One thread, data in memory, the best of several passes. A chunk's first `min` bytes are never looked at, so on
//! random input half of all bytes are scanned and on input without cuts seven eighths.

#![expect(clippy::print_stdout, reason = "the figures are what a bench is for")]

use heirloom::chunker::class::Class;
use heirloom::chunker::filter::{STREAM_BYTES, Stage1};
use heirloom::chunker::{Chunker, Path};
use heirloom::host::split_mix;
use std::time::Instant;

const BYTES: usize = 64 << 20;
const PASSES: usize = 7;

fn random(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&split_mix(&mut state).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Words of two to nine letters, of a vocabulary of 4,096, in lines.
fn text(len: usize) -> Vec<u8> {
    let letters = random(3, 4096 * 16);
    let mut bytes = Vec::with_capacity(len + 16);
    for pick in random(4, len).as_chunks::<2>().0 {
        let at = usize::from(u16::from_le_bytes(*pick) % 4096) * 16;
        let size = 2 + usize::from(letters[at] % 8);
        bytes.extend(letters[at + 1..][..size].iter().map(|b| b'a' + b % 26));
        bytes.push(if pick[1] < 20 { b'\n' } else { b' ' });
        if bytes.len() >= len {
            break;
        }
    }
    bytes.truncate(len);
    bytes
}

/// Whether a hit ends at each position of a repeated unit, straight from the definition.
fn hits_of(stage1: &Stage1, unit: &[u8]) -> usize {
    let image = |vector: u8| {
        let columns = stage1.matrix().into_iter().enumerate();
        columns.fold(0, |sum, (k, column)| sum ^ (column * (vector >> k & 1)))
    };
    let around: Vec<u8> = unit.iter().copied().cycle().take(unit.len() + 16).collect();
    let windows = around.windows(16).take(unit.len());
    windows
        .filter(|window| window.iter().fold(0, |sum, b| image(sum) ^ b) == stage1.target())
        .count()
}

/// One isolated hit in every 33 bytes, the most there can be, and none of them a cut.
fn worst(chunker: &Chunker, stage1: &Stage1) -> Vec<u8> {
    (0..)
        .map(|seed| random(seed, 33))
        .filter(|unit| hits_of(stage1, unit) == 1)
        .map(|unit| unit.into_iter().cycle().take(BYTES).collect::<Vec<_>>())
        .find(|bytes| first(chunker, bytes) == Class::General.bounds().max)
        .expect("one in nine random units will do")
}

fn first(chunker: &Chunker, bytes: &[u8]) -> usize {
    chunker
        .find(Class::General, bytes, &mut 0, true)
        .expect("the end is known")
}

fn main() {
    let stream: [u8; STREAM_BYTES] = random(1, STREAM_BYTES).try_into().expect("its length");
    let stage1 = Stage1::derive(&stream);
    let stage2 = *b"benchmark secret";
    let plain = Chunker::new(&stream, stage2);
    let hit = (0..=255).find(|byte| hits_of(&stage1, &[*byte; 33]) == 33);
    let inputs = [
        (
            "random",
            "stage 1, then the jump at each hit",
            random(2, BYTES),
        ),
        ("text", "the same", text(BYTES)),
        ("zeros", "stage 1 alone", vec![0; BYTES]),
        (
            "all hits",
            "stage 1 and isolation",
            vec![hit.expect("the sum is invertible"); BYTES],
        ),
        (
            "worst period",
            "stage 2: a hash in every 33 bytes",
            worst(&plain, &stage1),
        ),
    ];
    println!("{} MiB, class general, best of {PASSES}", BYTES >> 20);
    for path in Path::ALL {
        let Some(chunker) = Chunker::with_path(&stream, stage2, path) else {
            println!("{:7} not on this processor", path.name());
            continue;
        };
        for (name, bound, bytes) in &inputs {
            let mut best = f64::INFINITY;
            let mut chunks = 0;
            for _ in 0..PASSES {
                let begin = Instant::now();
                let mut rest = &bytes[..];
                chunks = 0;
                while !rest.is_empty() {
                    rest = &rest[first(&chunker, rest)..];
                    chunks += 1;
                }
                best = best.min(begin.elapsed().as_secs_f64());
            }
            println!(
                "{:7} {name:13} {:6.2} GB/s  {:7.4} ns/B  {chunks:5} chunks  {bound}",
                path.name(),
                BYTES as f64 / best / 1e9,
                best * 1e9 / BYTES as f64
            );
        }
    }
}
