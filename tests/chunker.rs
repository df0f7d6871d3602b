//! Cuts are frozen: the same key and bytes give the same chunks for ever, or deduplication is lost.

use heirloom::chunker::class::Class;
use heirloom::chunker::filter::{STREAM_BYTES, Stage1};
use heirloom::chunker::{Chunker, Path};
use heirloom::host::split_mix;
use heirloom::id::{from_hex, to_hex};

const VECTORS: &str = include_str!("data/chunker.txt");

struct Secrets {
    stage1: [u8; STREAM_BYTES],
    stage2: [u8; 16],
}

fn secrets(key: &[u8]) -> Secrets {
    let mut secrets = Secrets {
        stage1: [0; STREAM_BYTES],
        stage2: [0; 16],
    };
    let derive = |context: &str, out: &mut [u8]| {
        let mut hasher = blake3::Hasher::new_derive_key(context);
        hasher.update(key).finalize_xof().fill(out);
    };
    derive("heirloom 2026-11 chunker stage 1", &mut secrets.stage1);
    derive("heirloom 2026-11 chunker stage 2", &mut secrets.stage2);
    secrets
}

fn random(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&split_mix(&mut state).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

fn input(shape: &str, seed: u64, len: usize) -> Vec<u8> {
    match shape {
        "random" => random(seed, len),
        "letters" => random(seed, len).iter().map(|b| b'a' + b % 3).collect(),
        "mixed" => {
            let (noise, quarter) = (random(seed, len / 2), len / 4);
            let mut bytes = noise[..quarter].to_vec();
            bytes.resize(2 * quarter, 0);
            bytes.resize(3 * quarter, b' ');
            bytes.extend_from_slice(&noise[quarter..][..len - 3 * quarter]);
            bytes
        }
        _ => panic!("unknown shape {shape}"),
    }
}

fn words(kind: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    VECTORS
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .filter(move |words| words[0] == kind)
}

#[test]
fn secrets_are_derived_as_ever() {
    let mut seen = 0;
    for line in words("key") {
        let [
            "key",
            key,
            "matrix",
            matrix,
            "target",
            target,
            "stage2",
            stage2,
        ] = line[..]
        else {
            panic!("{line:?}");
        };
        let secrets = secrets(&from_hex(key).unwrap());
        let stage1 = Stage1::derive(&secrets.stage1);
        assert_eq!(to_hex(&stage1.matrix()), matrix);
        assert_eq!(to_hex(&[stage1.target()]), target);
        assert_eq!(to_hex(&secrets.stage2), stage2);
        seen += 1;
    }
    assert_eq!(seen, 4);
}

#[test]
fn cuts_are_where_they_ever_were() {
    let key = from_hex(words("key").next().unwrap()[1]).unwrap();
    let secrets = secrets(&key);
    let mut seen = 0;
    for line in words("cuts") {
        let class = Class::from_number(line[2].parse().unwrap()).unwrap();
        let bytes = input(line[3], line[5].parse().unwrap(), line[7].parse().unwrap());
        let expected: Vec<usize> = line[9..].iter().map(|end| end.parse().unwrap()).collect();
        let paths = Path::ALL.into_iter();
        for chunker in
            paths.filter_map(|path| Chunker::with_path(&secrets.stage1, secrets.stage2, path))
        {
            let (mut start, mut ends) = (0, Vec::new());
            while start < bytes.len() {
                start += chunker
                    .find(class, &bytes[start..], &mut 0, true)
                    .expect("the end is known");
                ends.push(start);
            }
            assert_eq!(ends, expected, "{chunker:?} {line:?}");
        }
        seen += 1;
    }
    assert_eq!(seen, 5);
}
